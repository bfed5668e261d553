"""Runs in virtual time: unmodified clients of every make, equal seeds, equal bytes; what it can't follow is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulate_clients
from simulate_clients import GOOD

from harness.errors import EXIT_USAGE, HarnessError, UsageError
from harness.evidence.finalise import from_spools
from harness.evidence.history import History
from harness.faults import KINDS
from harness.run import Options
from harness.run.many import Job, simulate_many
from harness.run.prepare import Prepared, prepare
from harness.run.simulated import check_modelled, simulate_in
from harness.run.simulation import Start, Zygotes, start_fresh
from harness.scenario import load_scenario
from harness.simulate.world import MODELLED

SCENARIO = """
format: kato-harness/1
load: {rate: 20/s, mix: {observe: 2, predict: 1}, arrivals: poisson}
phases: {warmup: 1s, baseline: 1s, recovery: 3s, cooldown: 0s}
faults:
  - {name: slow, kind: latency, latency: 300ms, jitter: 100ms, at: baseline.end, for: 1s}
  - {name: hole, kind: timeout, direction: downstream, at: slow.end, for: 1500ms}
  - {name: burst, kind: status, status: 503, only: {share: 0.6}, at: hole.end + 1s, for: 1s}
  - {name: reset, kind: reset_peer, at: burst.end, for: 500ms}
  - {name: outage, kind: kill, at: reset.end + 1s, for: 500ms}
"""


def prepared(folder: Path, factory: Any, text: str = SCENARIO, **options: Any) -> Prepared:
    path = folder / "scenario.yaml"
    path.write_text(text)
    use = factory if isinstance(factory, str) else f"{simulate_clients.__file__}:{factory.__name__}"
    return prepare(load_scenario(path), Options(integration=use, **options))


def played(folder: Path, run: Prepared, start: Start, name: str = "run") -> tuple[dict[str, Any], History]:
    (folder / name / "spool").mkdir(parents=True)
    manifest = simulate_in(folder / name, run, start)
    return manifest, from_spools(folder / name / "spool", manifest)


def digest(folder: Path) -> str:
    """SHA-256 of everything that a run left in its spools."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygotes]:
    zygotes = Zygotes(tmp_path_factory.mktemp("zygotes"))
    yield zygotes
    zygotes.close()


@pytest.mark.parametrize("factory", GOOD, ids=lambda factory: factory.__name__)
def test_equal_seeds_give_equal_bytes_and_other_seeds_others(tmp_path: Path, zygotes: Zygotes, factory: Any) -> None:
    """Forked or in a process of its own, beside others or alone, whatever the machine does."""
    run = prepared(tmp_path, factory, seed=3)
    other = prepared(tmp_path, factory, seed=4)
    _, history = played(tmp_path, run, zygotes.start, "a")
    played(tmp_path, run, zygotes.start, "b")
    played(tmp_path, run, start_fresh, "c")
    played(tmp_path, other, zygotes.start, "d")
    digests = [digest(tmp_path / name / "spool") for name in "abcd"]
    assert digests[0] == digests[1] == digests[2] != digests[3]
    assert {"ok", "error"} <= set(history.calls["outcome"].tolist())
    assert len(history.attempts) > 100
    assert (history.arrivals["commit_seq"] > 0).sum() > 20


@pytest.mark.parametrize("factory", [simulate_clients.with_pauses, simulate_clients.with_async_pauses])
def test_every_way_to_wait_is_on_virtual_time(tmp_path: Path, zygotes: Zygotes, factory: Any) -> None:
    """Timers, queues, conditions, executors, asyncio and anyio: calls of 2,000 s each, exact to the microsecond."""
    text = (
        "format: kato-harness/1\nload: {users: 1, think: {mean: 1s}, duration: 3000s}\npolicy: {timeout: {total: 2h}}\n"
    )
    _, history = played(tmp_path, prepared(tmp_path, factory, text), zygotes.start)
    assert len(history.calls) >= 2
    assert set(history.calls["outcome"].tolist()) == {"ok"}
    assert int(np.min(history.calls["end_ns"] - history.calls["start_ns"])) == 2_000_000_000_000


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (simulate_clients.with_a_blocking_socket, "blocks its event loop with a plain socket"),
        (simulate_clients.with_a_thread, "starts a thread"),
        (simulate_clients.with_a_foreign_clock, "pycurl keeps a clock of its own"),
    ],
)
def test_what_virtual_time_cannot_follow_is_refused_with_the_way_out(
    tmp_path: Path, zygotes: Zygotes, factory: Any, words: str
) -> None:
    with pytest.raises(HarnessError, match=words) as caught:
        played(tmp_path, prepared(tmp_path, factory), zygotes.start)
    assert caught.value.exit_code == EXIT_USAGE
    assert "in real time" in caught.value.cure


EVERY_KIND = {
    "latency": "latency: 50ms", "bandwidth": "rate_kbps: 20", "slow_close": "delay: 50ms", "slicer": "delay: 1ms",
    "limit_data": "bytes: 2000", "delay": "delay: 50ms", "drip": "every: 20ms", "huge_body": "bytes: 100KiB",
    "sequence": "steps: [cut, ok, 'status:503', drop]", "quota": "rate: 5/s, burst: 2",
    "store": "store: redis, mode: refused",
}  # fmt: skip
"""The parameters of each kind that has to have some."""


def test_every_kind_of_fault_is_carried_but_those_of_real_time(tmp_path: Path, zygotes: Zygotes) -> None:
    """Each comes in its window and is gone after it, and the client ends up served."""
    kinds = [name for name, kind in KINDS.items() if kind.plane in MODELLED]
    lines = "".join(
        f"  - {{name: {name}, kind: {name}, at: {2 + 0.4 * n:.1f}s, for: 200ms, {EVERY_KIND.get(name, '')}}}\n"
        for n, name in enumerate(kinds)
    )
    text = f"format: kato-harness/1\nload: {{rate: 30/s, mix: {{observe: 2, predict: 1}}}}\nfaults:\n{lines}"
    manifest, history = played(tmp_path, prepared(tmp_path, simulate_clients.by_httpx, text), zygotes.start)
    start_ns, rows = manifest["start_ns"], list(history.faults.rows())
    assert [row["kind"] for row in rows] == kinds
    for n, row in enumerate(rows):
        begins_ns = start_ns + round((2 + 0.4 * n) * 1e9)
        assert (row["applied_ns"], row["cleared_ns"]) == (begins_ns, begins_ns + 200_000_000)
    unfelt = [row["kind"] for row in rows if not row["felt_ns"]]
    assert set(unfelt) <= {"slow_close", "limit_data", "huge_body", "store"}, unfelt
    assert history.calls["outcome"].tolist()[-20:] == ["ok"] * 20


@pytest.mark.parametrize("profile", ["kato-1w", "kato-4w"])
def test_a_kato_that_takes_its_time_does_so_in_virtual_time(tmp_path: Path, zygotes: Zygotes, profile: str) -> None:
    """Service times of the profile, equal for equal seeds."""
    load = "{rate: 20/s, duration: 4s, mix: {observe: 1}}"
    text = f"format: kato-harness/1\ntarget: {{profile: {profile}}}\nload: {load}\n"
    run = prepared(tmp_path, simulate_clients.by_aiohttp, text)
    _, history = played(tmp_path, run, zygotes.start, "a")
    played(tmp_path, run, zygotes.start, "b")
    assert digest(tmp_path / "a" / "spool") == digest(tmp_path / "b" / "spool")
    took_ns = history.calls["end_ns"] - history.calls["start_ns"]
    assert len(np.unique(took_ns)) > 50
    assert 1e6 < np.median(took_ns) < 1e9


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("target: {url: 'http://127.0.0.1:8000'}", "is a KATO in real time"),
        ("topology: {replicas: 3}", "are real parts"),
        ("integration: {use: reference, python: /usr/bin/python3}", "own interpreter"),
        (
            "faults: [{name: pod, kind: external, apply: 'true', undo: 'true', proof: 'true', at: 2s, for: 1s}]",
            "acts on real parts",
        ),
    ],
)
def test_what_has_no_model_is_refused_before_the_run(tmp_path: Path, more: str, words: str) -> None:
    text = f"format: kato-harness/1\nload: {{rate: 5/s}}\n{more}\n"
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        check_modelled(prepare(load_scenario(path), Options(integration="reference", allow_destructive=True)))
    assert "without --virtual" in caught.value.cure


def test_many_runs_come_back_judged_in_order(tmp_path: Path) -> None:
    """Clients × seeds from one set of processes; one that fails in the middle costs only its own verdict."""
    runs = [
        prepared(tmp_path, factory, seed=seed)
        for factory in (simulate_clients.by_pybreaker, simulate_clients.with_a_thread, simulate_clients.by_aiohttp)
        for seed in (1, 2)
    ]
    found = list(simulate_many(Job(run) for run in runs))
    assert [result.job.prepared for result in found] == runs
    assert [result.error is None for result in found] == [True, True, False, False, True, True]
    for result in (found[0], found[-1]):
        assert result.judgement is not None and result.run is not None
        assert {verdict.law for verdict in result.judgement.verdicts} >= {"T1", "D1", "X3"}
        assert len(result.run.history.calls) > 50
