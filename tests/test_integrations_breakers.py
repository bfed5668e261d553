"""The built-in clients with breakers: when they open, what a trial decides, and that calls run side by side."""

from __future__ import annotations

import threading
import time

import integration_rig
import pytest
from integration_rig import EVENT, PATIENT, Make, each_breaking, outcome_of
from loopback import Server

from harness.load.outcomes import shape

kato, attempts, make = integration_rig.kato, integration_rig.attempts, integration_rig.make


@each_breaking
@pytest.mark.parametrize("fates", [["503"] * 5, ["drop", "drop", "drop", "drop", "503"]])
def test_the_breaker_opens_on_server_failures(name: str, fates: list[str], make: Make, kato: Server) -> None:
    """Five failures in a row, 5xx among them, open it; then nothing reaches KATO and the call ends at once."""
    client = make(name, retry={"max_attempts": 1})
    kato.next(*fates)
    for _ in range(5):
        assert outcome_of(client.observe, "s", EVENT)[0] == "error"
    start = time.monotonic()
    assert outcome_of(client.observe, "s", EVENT) == ("rejected", "breaker_open")
    assert time.monotonic() - start < 0.05
    assert len(kato.seen) == 5


@each_breaking
def test_the_breaker_is_not_opened_by_sound_answers(name: str, make: Make, kato: Server) -> None:
    """4xx don't count, and one success between failures starts the count anew."""
    client = make(name, retry={"max_attempts": 1})
    kato.next(*["422"] * 6, *["503"] * 4, "ok", *["503"] * 4)
    for _ in range(15):
        assert outcome_of(client.observe, "s", EVENT)[0] != "rejected"


@each_breaking
def test_one_trial_decides(name: str, make: Make, kato: Server) -> None:
    """After the reset time one call goes through while others are refused at once; its success closes the breaker."""
    client = make(name, breaker={"reset_timeout": 0.3}, retry={"max_attempts": 1}, timeout=PATIENT)
    kato.next(*["503"] * 5, "slow:0.2")
    for _ in range(5):
        outcome_of(client.observe, "s", EVENT)
    time.sleep(0.35)
    seen: list[tuple[str, str]] = []
    threads = [threading.Thread(target=lambda: seen.append(outcome_of(client.observe, "s", EVENT))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kato.seen) == 6
    assert sorted(outcome for outcome, _ in seen) == ["ok"] + ["rejected"] * 19
    assert outcome_of(client.observe, "s", EVENT)[0] == "ok"


@each_breaking
def test_a_failed_trial_opens_again(name: str, make: Make, kato: Server) -> None:
    """After a trial that failed, the whole reset time passes before the next."""
    client = make(name, breaker={"reset_timeout": 0.2}, retry={"max_attempts": 1})
    kato.next(*["503"] * 6)
    for _ in range(5):
        outcome_of(client.observe, "s", EVENT)
    time.sleep(0.22)
    assert outcome_of(client.observe, "s", EVENT) == ("error", "5xx")
    assert outcome_of(client.observe, "s", EVENT)[0] == "rejected"
    time.sleep(0.22)
    assert outcome_of(client.observe, "s", EVENT)[0] == "ok"


@each_breaking
def test_calls_are_not_serialised(name: str, make: Make, kato: Server) -> None:
    """Ten calls of 0.2 s at once take little longer than one."""
    client = make(name, timeout=PATIENT)
    kato.next(*["slow:0.2"] * 10)
    threads = [threading.Thread(target=client.observe, args=("s", EVENT)) for _ in range(10)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 1.0


@each_breaking
def test_late_failures_change_nothing(name: str, make: Make, kato: Server) -> None:
    """Calls that were under way when the breaker opened don't push its reset time forward by failing later."""
    client = make(name, breaker={"reset_timeout": 0.6}, retry={"max_attempts": 1}, timeout={"read": 0.4})
    kato.next("hang", "hang", *["503"] * 5)
    late = [threading.Thread(target=outcome_of, args=(client.observe, "s", EVENT)) for _ in range(2)]
    for thread in late:
        thread.start()
    while len(kato.seen) < 2:
        time.sleep(0.005)
    for _ in range(5):
        outcome_of(client.observe, "s", EVENT)
    opened = time.monotonic()
    for thread in late:
        thread.join()
    kato.fates.clear()
    time.sleep(max(0.0, opened + 0.62 - time.monotonic()))
    assert outcome_of(client.observe, "s", EVENT)[0] == "ok"


def test_the_marked_fallback_has_the_healthy_shape(make: Make, kato: Server) -> None:
    """fixed-pybreaker's fallback for predictions can't be told from a real answer but by its mark."""
    client = make("fixed-pybreaker")
    healthy = client.predict("s")
    kato.next(*["503"] * 5)
    fallbacks = [client.predict("s") for _ in range(6)]
    assert {shape(result) for result in fallbacks} == {shape(healthy)}
    assert all(client.degraded(result) for result in fallbacks) and not client.degraded(healthy)
    assert len(kato.seen) == 6
