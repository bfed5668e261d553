"""The canary proves what it is told to prove, keeps its rows, and asks quickly only while that helps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback_rig import Server, http_server

from harness.clock import MonotonicClock
from harness.faults import Probe
from harness.inject.canary import FAST_FOR_S, FAST_S, SLOW_S, Canary, Subject
from harness.model import Fault

S = 1_000_000_000
LIMIT_S = 5.0


@contextmanager
def canary(server: Server, folder: Path) -> Iterator[Canary]:
    bird = Canary("kato", ("127.0.0.1", server.server_port), folder / "canary.jsonl", MonotonicClock())
    bird.start()
    try:
        yield bird
    finally:
        bird.close()


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "canary.jsonl").read_text().splitlines()]


def status_fault(name: str, at_ns: int = 0) -> Fault:
    return Fault(name, "status", at_ns, S, {"status": 503})


def test_a_fault_is_effective_from_the_first_request_that_suffered_it(tmp_path: Path) -> None:
    with http_server() as server, canary(server, tmp_path) as bird:
        wait_for(bird.healthy_ns)
        planned = status_fault("burst")
        bird.watch(planned)
        wait_for(lambda: len([row for row in rows(tmp_path) if row["listener"] == "kato:burst"]) >= 2)
        assert bird.effective_ns(planned) == 0
        begin_ns = time.monotonic_ns()
        server.broken.add("burst")
        wait_for(lambda: bird.effective_ns(planned))
        first = next(row for row in rows(tmp_path) if row["outcome"] == "503")
        assert begin_ns <= bird.effective_ns(planned) == first["start_ns"]
        bird.settle(planned)
        assert bird.effective_ns(planned) == first["start_ns"]


def test_health_is_asked_for_anew_after_each_fault(tmp_path: Path) -> None:
    with http_server() as server, canary(server, tmp_path) as bird:
        wait_for(bird.healthy_ns)
        planned = status_fault("burst")
        bird.watch(planned)
        settled_ns = time.monotonic_ns()
        bird.settle(planned)
        wait_for(lambda: bird.healthy_ns() > settled_ns)


def test_repetitions_of_a_fault_are_proved_one_by_one(tmp_path: Path) -> None:
    first, second = status_fault("flap"), status_fault("flap", S)
    with http_server() as server, canary(server, tmp_path) as bird:
        server.broken.add("flap")
        bird.watch(first)
        wait_for(lambda: bird.effective_ns(first))
        bird.settle(first)
        assert bird.effective_ns(second) == 0
        bird.watch(second)
        wait_for(lambda: bird.effective_ns(second))
        assert bird.effective_ns(second) > bird.effective_ns(first)


def test_an_external_fault_is_proved_by_its_command_or_its_expression(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    words = {"apply": "true", "undo": "true"}
    by_command = Fault("pod", "external", 0, S, {**words, "proof": f"test -e {flag}"})
    by_status = Fault("gone", "external", 0, S, {**words, "proof": "status(/health) != 200"})
    with http_server() as server, canary(server, tmp_path) as bird:
        bird.watch(by_command)
        bird.watch(by_status)
        wait_for(lambda: "/health" in server.paths)
        assert (bird.effective_ns(by_command), bird.effective_ns(by_status)) == (0, 0)
        flag.touch()
        wait_for(lambda: bird.effective_ns(by_command))
        server.server_close()
        wait_for(lambda: bird.effective_ns(by_status))


def test_rows_are_of_known_columns_and_times_in_order(tmp_path: Path) -> None:
    with http_server() as server, canary(server, tmp_path) as bird:
        wait_for(bird.healthy_ns)
    (row, *_) = rows(tmp_path)
    assert list(row) == ["listener", "start_ns", "end_ns", "outcome"]
    assert (row["listener"], row["outcome"]) == ("kato", "ok")
    assert 0 < int(str(row["start_ns"])) < int(str(row["end_ns"]))


@pytest.mark.parametrize(
    ("proved_ns", "age_s", "interval_s"),
    [(0, 0.0, FAST_S), (0, FAST_FOR_S + 1, SLOW_S), (5, 0.0, SLOW_S)],
    ids=["young and unproven", "old and unproven", "proved"],
)
def test_it_asks_quickly_only_for_a_young_unproven_subject(proved_ns: int, age_s: float, interval_s: float) -> None:
    subject = Subject("kato", lambda: Probe(0, 0), lambda probe: True, begun_ns=0, proved_ns=proved_ns)
    now_ns = round(age_s * S)
    assert subject.next_ns(now_ns) == now_ns + round(interval_s * S)
