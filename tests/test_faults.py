"""Fault kinds: complete records, proofs that a healthy reply never gives, and the client's first contact."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.history import History
from harness.faults import KINDS, FaultKind, Probe, Toxic
from harness.faults.external import parse_proof

MS = 1_000_000
HEALTHY = Probe(
    start_ns=1_000 * MS,
    end_ns=1_002 * MS,
    connected_ns=1_001 * MS,
    headers_ns=1_002 * MS,
    status=200,
    headers={"content-type": "application/json", "content-length": "2"},
    body=b"{}",
    size=2,
    length=2,
    chunks_ns=(1_002 * MS,),
)

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "latency": {"latency": 0.5},
    "bandwidth": {"rate_kbps": 10},
    "slow_close": {"delay": 0.5},
    "slicer": {"delay": 0.01},
    "limit_data": {"bytes": 100},
    "delay": {"delay": 0.5},
    "drip": {"every": 0.1},
    "huge_body": {"bytes": 1_000_000},
    "sequence": {"steps": ["cut*4", "status:503"]},
    "quota": {"rate": 5},
    "store": {"store": "redis"},
    "registry": {"mode": "missing"},
    "poison": {"form": "bad_json"},
    "external": {"apply": "true", "undo": "true", "proof": "status(/health) != 200"},
}
"""Parameters of the kinds that need some."""


def example(kind: FaultKind) -> dict[str, Any]:
    return kind.complete(EXAMPLES.get(kind.name, {}))


def each_kind(*planes: str) -> Any:
    chosen = [kind for kind in KINDS.values() if not planes or kind.plane in planes]
    return pytest.mark.parametrize("kind", chosen, ids=lambda kind: kind.name)


@each_kind()
def test_a_kind_is_documented_and_its_example_is_right(kind: FaultKind) -> None:
    assert kind.doc
    assert all(param.doc for param in kind.params)
    assert kind.check(example(kind)) == ()
    assert {param.name for param in kind.params} == example(kind).keys()
    assert all(re.fullmatch(r"[A-Z]\d+", law) for law in kind.reveals)


@each_kind()
def test_a_healthy_reply_proves_no_fault(kind: FaultKind) -> None:
    assert not kind.effective(example(kind), [HEALTHY])
    assert not kind.effective(example(kind), [])


@each_kind()
def test_a_canary_waits_long_enough_and_never_for_ever(kind: FaultKind) -> None:
    ask = kind.ask(example(kind))
    assert 0 < ask.wait_s <= 10
    assert ask.marked == (kind.name != "external")


@each_kind("toxiproxy")
def test_a_tcp_kind_is_carried_in_the_direction_that_is_asked_for(kind: FaultKind) -> None:
    params = example(kind)
    toxics = kind.toxics(params)
    assert toxics is not None
    if "direction" not in params:
        assert toxics == ()
        return
    assert [toxic.stream for toxic in toxics] == ["downstream"]
    both = kind.toxics({**params, "direction": "both"})
    assert both is not None
    assert [toxic.stream for toxic in both] == ["downstream", "upstream"]
    assert all(type(value) is int for toxic in both for value in toxic.attributes.values())


@each_kind("witness", "process", "registry", "external")
def test_other_kinds_are_not_carried_by_toxiproxy(kind: FaultKind) -> None:
    assert kind.toxics(example(kind)) is None


def test_durations_become_the_units_that_toxiproxy_counts_in() -> None:
    latency = KINDS["latency"].toxics({"latency": 0.25, "jitter": 0.1, "direction": "downstream"})
    assert latency == (Toxic("latency", "downstream", {"latency": 250, "jitter": 100}),)
    slicer = KINDS["slicer"]
    sliced = slicer.toxics(slicer.complete({"delay": 0.0005}))
    assert sliced == (Toxic("slicer", "downstream", {"average_size": 1, "size_variation": 0, "delay": 500}),)


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("latency", {"latency": 0.1, "jitter": 0.2}, "jitter is larger"),
        ("slicer", {"average_size": 2, "size_variation": 2, "delay": 0.01}, "smaller than average_size"),
        ("sequence", {"steps": ["cut*4", "status:999", "cat"]}, "'status:999' is unknown"),
        ("sequence", {"steps": ["ok*4"]}, "no step of the cycle is a fault"),
        ("sequence", {"steps": []}, "no step of the cycle is a fault"),
        ("external", {"apply": "a", "undo": "b", "proof": "status(health) != 200"}, "neither"),
        ("external", {"apply": "a", "undo": "b", "proof": "time(/) > 500"}, "neither"),
    ],
)
def test_what_is_wrong_between_parameters_is_told(name: str, params: dict[str, Any], words: str) -> None:
    kind = KINDS[name]
    assert words in " ".join(kind.check(kind.complete(params)))


def seen(**more: Any) -> Probe:
    fields = {name: getattr(HEALTHY, name) for name in HEALTHY.__dataclass_fields__}
    return Probe(**{**fields, **more})


NOTHING = {"headers_ns": 0, "status": 0, "headers": {}, "body": b"", "size": 0, "length": -1, "chunks_ns": ()}


def lost(outcome: str, after_ms: int = 2) -> Probe:
    return seen(**NOTHING, outcome=outcome, end_ns=(1_000 + after_ms) * MS)


def slow(ms: int) -> Probe:
    return seen(end_ns=(1_000 + ms) * MS)


PROOFS: list[tuple[str, dict[str, Any], Probe, bool]] = [
    ("registry", {}, replace(HEALTHY, body=b"[]"), True),
    ("registry", {}, replace(HEALTHY, body=b'["127.0.0.2"]'), False),
    ("registry", {"mode": "error"}, replace(HEALTHY, status=500), True),
    ("registry", {"mode": "slow", "slow": 0.5}, slow(490), True),
    ("registry", {"mode": "moved"}, replace(HEALTHY, headers={"x-moved": "1"}), True),
    ("registry", {"mode": "moved"}, replace(HEALTHY, body=b'["127.0.0.2"]'), False),
    ("restart", {}, replace(HEALTHY, outcome="connect_error"), True),
    ("latency", {}, slow(490), True),
    ("latency", {}, slow(300), False),
    ("latency", {"jitter": 0.5}, slow(260), True),
    ("latency", {"jitter": 0.5}, slow(20), False),
    ("latency", {"direction": "both"}, slow(600), False),
    ("slow_close", {}, seen(closed_ns=1_502 * MS), True),
    ("slow_close", {}, seen(closed_ns=1_003 * MS), False),
    ("timeout", {}, lost("read_timeout", 300), True),
    ("timeout", {}, lost("protocol_error", 2), False),
    ("timeout", {"timeout": 0.2}, lost("protocol_error", 200), True),
    ("timeout", {"timeout": 0.2}, lost("protocol_error", 100), False),
    ("reset_peer", {}, lost("reset"), True),
    ("reset_peer", {}, lost("protocol_error"), False),
    ("limit_data", {}, seen(outcome="protocol_error"), True),
    ("refuse", {}, lost("connect_error"), True),
    ("refuse", {}, lost("read_timeout"), False),
    ("status", {}, seen(status=503), True),
    ("status", {"status": 429}, seen(status=503), False),
    ("drip", {}, seen(chunks_ns=(0, 100 * MS, 200 * MS)), True),
    ("drip", {}, seen(chunks_ns=(0, 100 * MS, 101 * MS)), False),
    ("truncate", {}, seen(outcome="protocol_error", size=10), True),
    ("truncate", {}, seen(outcome="protocol_error", size=20), False),
    ("malformed", {}, seen(body=b"{'a'", size=4), True),
    ("malformed", {}, seen(body=b"", size=0), False),
    ("empty_body", {}, seen(body=b"", size=0), True),
    ("empty_body", {}, seen(status=503, body=b"", size=0), False),
    ("wrong_content_type", {}, seen(headers={"content-type": "text/html"}), True),
    ("huge_body", {}, seen(length=1_000_000), True),
    ("commit_then_drop", {}, lost("protocol_error"), True),
    ("commit_then_drop", {"how": "reset"}, lost("reset"), True),
    ("commit_then_status", {}, seen(status=500), True),
    ("sequence", {}, lost("protocol_error"), True),
    ("sequence", {}, seen(status=503), True),
    ("sequence", {"steps": ["ok", "status:500"]}, lost("protocol_error"), False),
    ("quota", {}, seen(status=429), True),
    ("pause", {}, lost("read_timeout", 300), True),
    ("kill", {}, lost("connect_error"), True),
    ("kill", {}, lost("protocol_error"), True),
    ("store", {"mode": "slow"}, slow(2_000), True),
    ("store", {"mode": "hung"}, lost("read_timeout", 500), True),
    ("store", {"mode": "error"}, seen(status=500), True),
    ("external", {}, seen(status=503), True),
    ("external", {}, lost("connect_error"), True),
    ("external", {"proof": "time(/) > 100ms"}, slow(200), True),
    ("external", {"proof": "time(/) > 100ms"}, slow(50), False),
    ("external", {"proof": "kubectl get pod"}, lost("connect_error"), False),
]


@pytest.mark.parametrize(("name", "more", "probe", "proved"), PROOFS)
def test_a_kind_is_proved_by_its_own_effect_only(name: str, more: dict[str, Any], probe: Probe, proved: bool) -> None:
    kind = KINDS[name]
    assert kind.effective({**example(kind), **more}, [HEALTHY, probe]) is proved


@given(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.integers(0, 599), st.integers(0, 599))
def test_a_proof_compares_as_written(compare: str, bound: int, status: int) -> None:
    proof = parse_proof(f"status(/health) {compare} {bound}")
    assert proof is not None
    assert proof.holds(seen(status=status)) is bool(eval(f"{status} {compare} {bound}"))


def row(kind: str, **more: Any) -> dict[str, Any]:
    params = json.dumps(example(KINDS[kind]))
    times = {"applied_ns": 100 * MS, "effective_ns": 101 * MS, "cleared_ns": 200 * MS}
    return {"name": "f", "kind": kind, "params": params, **times, **more}


ATTEMPTS = """
call attempt start_ms end_ms result        status
1    1       10       20     -             200
2    1       40       90     connect_error 0
3    1       95       150    -             200
4    1       120      130    -             503
5    1       160      170    reset         0
6    1       190      900    -             200
7    1       210      220    connect_error 0
"""

ARRIVALS = """
call arrive_ms status fault
1    11        200    -
3    105       200    -
4    121       503    f
5    161       0      other
8    250       503    f
"""


@pytest.mark.parametrize(
    ("kind", "felt_ms"),
    [
        ("refuse", 160),
        ("timeout", 160),
        ("latency", 190),
        ("bandwidth", 100),
        ("status", 121),
        ("commit_then_drop", 121),
        ("pause", 105),
        ("kill", 160),
        ("external", 100),
    ],
)
def test_a_fault_is_felt_at_the_first_attempt_or_arrival_that_it_changed(kind: str, felt_ms: int) -> None:
    history = History.literal(attempts=ATTEMPTS, arrivals=ARRIVALS)
    assert KINDS[kind].felt(history, row(kind)) == felt_ms * MS


@each_kind()
def test_a_fault_that_was_never_applied_or_met_nobody_is_never_felt(kind: FaultKind) -> None:
    history = History.literal(attempts=ATTEMPTS, arrivals=ARRIVALS)
    assert kind.felt(history, row(kind.name, applied_ns=0)) == 0
    assert kind.felt(history, row(kind.name, applied_ns=1_000 * MS, cleared_ns=2_000 * MS)) == 0
    assert kind.felt(History.literal(), row(kind.name)) == 0


def test_the_kind_that_the_documentation_adds_is_one() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "adding-a-fault.md").read_text()
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    kind = names["IDLE_CUT"]
    params = kind.complete({"after": 0.2})
    assert kind.name not in KINDS
    assert kind.toxics(params) == (Toxic("timeout", "downstream", {"timeout": 200}),)
    assert kind.effective(params, [lost("protocol_error")])
    assert not kind.effective(params, [HEALTHY])
