"""Workers on other machines: whose clocks are compared, whose plan is one, whose evidence comes home."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from law_cases import MS, S, promise, said
from ruamel.yaml import YAML

from harness.cli.run import run as run_verb
from harness.cli.worker import worker as worker_verb
from harness.errors import UsageError
from harness.evidence.clocks import HostClock, clock_beside, hosts_of
from harness.evidence.finalise import from_spools
from harness.evidence.history import History
from harness.evidence.run import Run, read_run
from harness.laws.judge import judge_run
from harness.load.driver import planned_calls
from harness.load.recorder import Recorder
from harness.load.roundtrip import best, reading
from harness.model import Load, Stage
from harness.plan import Plan, load_from_json
from harness.run.away import bind_of

ROOT = Path(__file__).resolve().parent.parent
HOUR_NS = 3_600 * S
COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]
SCENARIO = """
format: kato-harness/1
load: {rate: 40/s, mix: {observe: 2, predict: 1}, arrivals: poisson}
phases: {warmup: 1s, baseline: 3s, recovery: 2s, cooldown: 0s}
faults:
  - {name: gone, kind: refuse, at: baseline.end, for: 1s}
"""
LATER = f"import time\n_real = time.monotonic_ns\ntime.monotonic_ns = lambda: _real() + {HOUR_NS}\n"
"""A clock of its own: the interpreter imports `sitecustomize` before anything else."""


@given(
    offset=st.integers(-(10**18), 10**18),
    trips=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=9),
)
def test_the_shortest_round_trip_bounds_the_offset(offset: int, trips: list[tuple[int, int]]) -> None:
    """However long the ways there and back are: the truth lies within half of the trip."""
    found = best(reading(1_000, 1_000 + there + offset, 1_000 + there + back) for there, back in trips)
    assert abs(found.offset_ns - offset) <= found.half_rtt_ns + 1
    assert found.half_rtt_ns == min((there + back + 1) // 2 for there, back in trips)


@given(offset=st.integers(-(10**17), 10**17), ppm=st.integers(-80, 80), at=st.integers(1, 3_600))
def test_a_drifting_clock_is_ours_within_the_uncertainty(offset: int, ppm: int, at: int) -> None:
    """Readings every 5 s for an hour of a clock that runs fast or slow, each ±200 µs."""
    ours = np.arange(0, 3_605 * S, 5 * S) + S
    theirs = ours + offset + ours * ppm // 10**6
    clock = HostClock("b", theirs, theirs - ours, np.full(len(ours), 200_000))
    moment = at * S
    shown = np.array([moment + offset + moment * ppm // 10**6, 0])
    back = clock.ours(shown)
    assert abs(int(back[0]) - moment) <= 2_000
    assert shown[0] == 0 or back[1] == 0
    assert 200_000 <= clock.uncertainty_ns <= 1_200_000


def test_a_spool_of_another_clock_is_read_in_ours(tmp_path: Path) -> None:
    """Moments are shifted, lengths are not, and readings of long trips don't count."""
    recorder = Recorder(tmp_path / "generator-1.raw", "generator-1", 1)
    recorder.call(7, "observe", "s", "n", "u", HOUR_NS + 10, HOUR_NS + 20, HOUR_NS + 30, HOUR_NS + 40, "ok", "", 200)
    recorder.sample(HOUR_NS + 50, 0.1, 1, 1, 1, 12_345, 0.1, 0.0, 1)
    recorder.close()
    rows = [(HOUR_NS, HOUR_NS, 1_000), (HOUR_NS + S, HOUR_NS + 400 * MS, 500 * MS)]
    names = ("at_ns", "offset_ns", "half_rtt_ns")
    words = [json.dumps(dict(zip(names, row, strict=True)) | {"host": "b"}) for row in rows]
    (tmp_path / "generator-1.clock").write_text("\n".join(words) + '\n{"at_')
    history = from_spools(tmp_path, {})
    call = next(iter(history.calls.rows()))
    assert [call[name] for name in ("intended_ns", "ready_ns", "start_ns", "end_ns")] == [10, 20, 30, 40]
    sample = next(iter(history.samples.rows()))
    assert (sample["time_ns"], sample["lag_ns"]) == (50, 12_345)
    (host,) = hosts_of(tmp_path)
    assert (host["process"], host["host"], host["offset_ns"]) == ("generator-1", "b", HOUR_NS)
    assert (host["uncertainty_ns"], host["readings"]) == (1_000, 1)
    assert clock_beside(tmp_path / "witness.raw") is None


CALLS = "call op phase intended_ms start_ms end_ms outcome\n" + "\n".join(
    f"{n} observe fault:gone {1000 + n} {1000 + n} {9000 + n} ok" for n in range(1, 40)
)
FAULTS = "name kind applied_ms effective_ms cleared_ms\ngone refuse 1000 1010 2000"


@pytest.mark.parametrize(("apart_ms", "status"), [(1, "fail"), (101, "inconclusive")])
def test_a_law_that_compares_clocks_can_not_tell_when_they_are_too_far_apart(apart_ms: int, status: str) -> None:
    """Calls of 8 s break T1 at a bound of 1 s, unless nobody knows when they were."""
    host = {"process": "generator-0", "host": "far", "uncertainty_ns": apart_ms * MS}
    history = History.literal((), {"hosts": [host], "leftovers": []}, calls=CALLS, faults=FAULTS)
    manifest = {"policy": {"declared": {"timeout": {"total": 1.0}}}, "facts": {}, "format": 1}
    found = {v.law: v for v in judge_run(Run(Path(), manifest, history)).verdicts}
    assert found["T1"].status == status
    assert ("clock of far" in found["T1"].reason) == (status == "inconclusive")


def test_bounds_are_widened_by_what_the_clocks_may_be_apart() -> None:
    """A call of 1.3 s against a bound of 1 s and ε = 250 ms; the clocks of the run agree to 80 ms."""
    rows = "call op start_ms end_ms outcome\n1 observe 1000 2300 ok"
    hosts = {"hosts": [{"host": "far", "uncertainty_ns": 80 * MS}]}
    bound = promise({"timeout": {"total": 1.0}})
    assert said("T1", bound, calls=rows).status == "fail"
    assert said("T1", bound, hosts, calls=rows).status == "not_exercised"


def _schedule(plan: Plan, workers: int) -> bytes:
    """Every call that `workers` together would start: when, on which session, with what."""
    rows = []
    for worker in range(workers):
        for planned in planned_calls(plan, True, worker, workers):
            said = json.dumps(plan.observation(planned.call)) if planned.op == "observe" else ""
            rows.append(f"{planned.offset_ns:020d} {planned.call} {planned.session} {planned.op} {said}\n")
    return "".join(sorted(rows)).encode()


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
@pytest.mark.parametrize("strategy", ["one_per_user", "per_call"])
def test_the_schedule_is_the_same_for_1_2_and_8_workers(arrivals: str, strategy: str) -> None:
    """Byte for byte, openings included, over a ramp and a spike."""
    stages = (Stage(0, 80, 4 * S), Stage(300, 300, S), Stage(40, 40, 5 * S))
    mix = {"observe": 3.0, "predict": 1.0, "learn": 1.0}
    load = Load(stages=stages, mix=mix, arrivals=arrivals, strategy=strategy, sessions=50, events=5)
    plan = Plan.of(load, 11)
    alone = _schedule(plan, 1)
    assert len(alone.splitlines()) > 600
    assert _schedule(plan, 2) == alone
    assert _schedule(plan, 8) == alone


@pytest.mark.parametrize(
    "text", ["5557", "host", "0.0.0.0:5557", "127.0.0.1:0", "127.0.0.1:99999", "no.such.host.invalid:1"]
)
def test_a_master_listens_at_one_address_that_workers_can_be_told(text: str) -> None:
    """Anything else is a usage error."""
    with pytest.raises(UsageError):
        bind_of(text)


def test_the_examples_are_commands_that_there_are() -> None:
    """The command lines of the Kubernetes manifests and of the compose file are understood."""
    text = (ROOT / "docs" / "workers.md").read_text()
    documents = YAML(typ="safe").load_all(text.partition("```yaml\n")[2].partition("```")[0])
    lines = [doc["spec"]["template"]["spec"]["containers"][0]["args"] for doc in documents if doc["kind"] == "Job"]
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    lines += [services[name]["command"][1:] for name in ("conductor", "worker")]
    assert [line[0] for line in lines] == ["run", "worker"] * 2
    for verb, *rest in lines:
        given = [word.replace("${WORKERS:-2}", "2") for word in rest]
        context = {"run": run_verb, "worker": worker_verb}[verb].make_context(verb, given)
        assert context.params.get("expect_workers", 2) >= 2


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(words: list[str], folder: Path, **more: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    heard = subprocess.DEVNULL if words[0] == "worker" else subprocess.PIPE
    return subprocess.Popen(
        [*COMMAND, *words], cwd=folder, stdout=heard, stderr=heard, text=True, env={**os.environ, **more}
    )


@pytest.mark.sockets
def test_a_run_on_two_other_hosts_is_one_run(tmp_path: Path) -> None:
    """Each in a folder of its own, one with a clock an hour ahead: the plan is kept to the nanosecond on our clock, no
    request arrives before it was sent, and every call is accounted for."""
    master = f"127.0.0.1:{_free()}"
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "sitecustomize.py").write_text(LATER)
    (tmp_path / "s.yaml").write_text(SCENARIO)
    ahead = _start(["worker", "--master", master], tmp_path / "a", PYTHONPATH=str(tmp_path / "later"))
    beside = _start(["worker", "--master", master], tmp_path / "b")
    asked = ["run", "s.yaml", "--integration", "fast", "--expect-workers", "2", "--master-bind", master]
    run = _start([*asked, "--out", "run", "--json", "--format", "json"], tmp_path)
    out, err = run.communicate(timeout=240)
    gates = {v["law"]: v for v in json.loads(out)["verdicts"]}
    assert (gates["X1"]["status"], gates["X2"]["status"]) == ("pass", "pass"), err
    assert [worker.wait(30) for worker in (ahead, beside)] == [0, 0]
    found = read_run(tmp_path / "run")
    hosts = found.manifest["facts"]["hosts"]
    assert sorted(round(host["offset_ns"] / HOUR_NS) for host in hosts) == [0, 1]
    apart_ns = max(host["uncertainty_ns"] for host in hosts)
    calls, arrivals = found.history.calls, found.history.arrivals
    assert set(calls["worker"].tolist()) == {0, 1}
    _is_the_plan(found, apart_ns)
    started = dict(zip(calls["call"].tolist(), calls["start_ns"].tolist(), strict=True))
    ended = dict(zip(calls["call"].tolist(), calls["end_ns"].tolist(), strict=True))
    known = [row for row in arrivals.rows() if row["call"] in started and row["reply_ns"]]
    assert len(known) > 100
    for row in known:
        assert started[row["call"]] - apart_ns <= row["arrive_ns"] <= ended[row["call"]] + apart_ns + 50 * MS


def _is_the_plan(found: Run, apart_ns: int) -> None:
    """The recorded intended starts are the plan's, of both workers together."""
    plan = Plan.of(load_from_json(found.manifest["load"]), found.manifest["run"]["seed"])
    meant = {planned.call: planned.offset_ns for planned in plan.calls()}
    calls = found.history.calls.where(~found.history.calls["op"].among("open_session"))
    for call, intended_ns in zip(calls["call"].tolist(), calls["intended_ns"].tolist(), strict=True):
        assert abs(intended_ns - found.manifest["start_ns"] - meant[call]) <= apart_ns
    assert set(calls["call"].tolist()) == set(meant)


@pytest.mark.sockets
def test_a_worker_lost_in_mid_run_is_named_and_the_run_is_invalid(tmp_path: Path) -> None:
    """Its host is cut off: the other one hands in what it has, the run ends, and its rows until then are kept."""
    master = f"127.0.0.1:{_free()}"
    (tmp_path / "s.yaml").write_text(SCENARIO.replace("recovery: 2s", "recovery: 60s"))
    workers = [_start(["worker", "--master", master], tmp_path / name) for name in "ab"]
    asked = ["run", "s.yaml", "--integration", "fast", "--expect-workers", "2", "--master-bind", master, "--out", "run"]
    run = _start([*asked, "--format", "json"], tmp_path)
    spools = [tmp_path / "run" / "spool" / f"generator-{number}.raw" for number in (0, 1)]
    deadline = time.monotonic() + 120
    while not all(spool.exists() and spool.stat().st_size > 3_000 for spool in spools):
        assert time.monotonic() < deadline, "no rows came"
        time.sleep(0.1)
    for child in _children(workers[0].pid):
        os.kill(child, signal.SIGKILL)
    _, words = run.communicate(timeout=120)
    assert run.returncode == 6, words
    assert "was lost in the middle of the run" in words
    assert "generator-" in words
    assert socket.gethostname() in words
    assert set(read_run(tmp_path / "run").history.calls["worker"].tolist()) == {0, 1}
    assert sorted(worker.wait(30) for worker in workers) == [0, 7]


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
