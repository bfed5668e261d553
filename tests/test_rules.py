"""Fault rules of the witness: which requests they hit, and that equal seeds hit equally."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness_rig import Rig

from harness.errors import UsageError
from harness.faults import KINDS
from harness.rng import Stream
from harness.twin.rules import Only, Rules, make_kind


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def hits(rig: Rig, count: int) -> list[int]:
    """The status of `count` observes, 0 where the connection was cut."""
    statuses = []
    for _ in range(count):
        client = rig.client()
        client.observe()
        statuses += client.statuses() or [0]
    return statuses


@pytest.mark.parametrize(
    ("only", "hit"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"nth": 3}, [3]),
        ({"first": 2}, [1, 2]),
        ({"every": 2}, [2, 4, 6]),
        ({"first": 4, "every": 2}, [2, 4]),
        ({"op": "observe"}, [1, 2, 3, 4, 5, 6]),
        ({"op": "predict"}, []),
        ({"path": "/sessions/s1"}, [1, 2, 3, 4, 5, 6]),
        ({"path": "/sessions/*/observe"}, [1, 2, 3, 4, 5, 6]),
        ({"path": "/sessions/*/learn"}, []),
        ({"header": "x-tier"}, []),
        ({"share": 0.0}, []),
        ({"share": 1.0}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_only_says_which_requests_are_hit(rig: Rig, only: Mapping[str, Any], hit: list[int]) -> None:
    """Kind filters look at the request, number filters at its place among those of that kind; all must agree."""
    rig.rule("status", only, status=503)
    assert [at for at, status in enumerate(hits(rig, 6), 1) if status == 503] == hit


def test_numbers_count_matching_requests_only(rig: Rig) -> None:
    """Other requests in between move no counter."""
    rig.rule("status", {"op": "observe", "nth": 2}, status=503)
    client = rig.client()
    for path in ("/sessions/s1/observe", "/sessions/s1/learn", "/sessions/s1/observe", "/sessions/s1/observe"):
        client.post(path)
    assert client.statuses() == [200, 404, 503, 200]


@pytest.mark.parametrize(("header", "hit"), [("x-tier", 2), ("X-Tier=gold", 1), ("x-tier = iron", 0)])
def test_a_header_is_asked_for_by_name_or_by_value(rig: Rig, header: str, hit: int) -> None:
    """`name` alone means present, `name=value` equal."""
    rig.rule("status", {"header": header}, status=503)
    client = rig.client()
    client.observe(x_tier="gold")
    client.observe(x_tier="lead")
    client.observe()
    assert client.statuses().count(503) == hit


@given(st.integers(0, 2**32), st.floats(0.05, 0.95))
def test_a_share_is_the_same_for_the_same_seed(seed: int, share: float) -> None:
    """The n-th matching request is hit or not by (seed, rule, n) alone, and about that share is hit."""
    only = Only(share=share)
    once = [only.picks(number, Stream(seed, "rule/a")) for number in range(1, 400)]
    again = [only.picks(number, Stream(seed, "rule/a")) for number in reversed(range(1, 400))]
    assert once == again[::-1]
    assert abs(sum(once) / len(once) - share) < 0.15


def test_a_sequence_cycles_over_all_connections(rig: Rig) -> None:
    """One global counter: four cuts, one 503, one pass, and again."""
    rig.rule("sequence", steps=["cut*4", "status:503", "ok"])
    assert hits(rig, 9) == [0, 0, 0, 0, 503, 200, 0, 0, 0]
    assert [row["fault"] for row in rig.arrivals()] == ["rule"] * 5 + [""] + ["rule"] * 3


def test_a_dropped_step_of_a_sequence_was_committed(rig: Rig) -> None:
    """`drop` loses the reply, `cut` the request."""
    rig.rule("sequence", steps=["drop", "cut"])
    hits(rig, 2)
    assert [row["commit_seq"] for row in rig.arrivals()] == [2, 0]


def test_a_quota_passes_its_burst_and_then_its_rate(rig: Rig) -> None:
    """Two at once, then one in half a second; the others are told when to come back."""
    rig.rule("quota", rate=2, burst=2)
    assert hits(rig, 4) == [200, 200, 429, 429]
    rig.timers.advance(0.5)
    assert hits(rig, 2) == [200, 429]
    client = rig.client()
    client.observe()
    assert b"retry-after: 1\r\n" in client.taken()


def test_delays_add_up_and_the_first_other_effect_wins(rig: Rig) -> None:
    """Every rule counts the request, whichever decides its fate; the fault's name is that of the decisive rule."""
    rig.rule("delay", name="slow", delay=0.2)
    rig.rule("status", name="broken", status=503)
    rig.rule("status", name="late", status=500)
    rig.rule("delay", name="slower", delay=0.3)
    client = rig.client()
    client.observe()
    rig.timers.advance(0.49)
    assert client.taken() == b""
    rig.timers.advance(0.02)
    assert client.statuses() == [503]
    assert rig.arrivals()[0]["fault"] == "broken"
    counters = rig.witness.rules.counters()
    assert [counters[name]["picked"] for name in ("slow", "broken", "late", "slower")] == [1, 1, 1, 1]


def test_a_removed_rule_hits_nobody(rig: Rig) -> None:
    """And a rule of the same name starts to count anew."""
    rig.rule("status", {"nth": 1}, status=503)
    assert hits(rig, 2) == [503, 200]
    rig.witness.rules.remove("rule")
    assert hits(rig, 1) == [200]
    rig.rule("status", {"nth": 1}, status=503)
    assert hits(rig, 2) == [503, 200]


def test_a_delayed_reply_was_committed_at_once(rig: Rig) -> None:
    """A client that gives up meanwhile can't know it."""
    rig.rule("delay", delay=2.0)
    client = rig.client()
    client.observe()
    assert len(rig.kato.observed["s1"]) == 1
    client.connection.lost()
    rig.timers.advance(3)
    (row,) = rig.arrivals()
    assert (row["commit_seq"], row["reply_ns"], row["fault"]) == (2, 0, "rule")


@pytest.mark.parametrize("kind", ["status", "drop_before_commit", "commit_then_drop", "malformed", "quota", "sequence"])
def test_a_canary_suffers_the_rule_it_names_and_moves_no_counter(rig: Rig, kind: str) -> None:
    """Whatever `only` says, so that a rule for the third observe can be proved before the third observe."""
    params: dict[str, Any] = {"quota": {"rate": 1, "burst": 5}, "sequence": {"steps": ["ok", "cut"]}}.get(kind, {})
    rig.rule(kind, {"op": "learn", "nth": 3}, **params)
    client = rig.client()
    client.get("/", x_kato_canary="rule")
    assert not client.taken().endswith(b"{}")
    other = rig.client()
    other.get("/", x_kato_canary="probe")
    assert other.taken().endswith(b"{}")
    assert rig.witness.rules.counters()["rule"] == {"matched": 0, "picked": 0}


def test_every_kind_of_the_witness_plane_is_known_with_its_parameters() -> None:
    """The witness takes each registered kind with all its parameters, under the names that scenarios use."""
    values = {"duration": 0.5, "bytes": 4, "int": 500, "number": 3.0, "text": "kato", "retry_after": 1.0}
    for kind in KINDS.values():
        if kind.plane == "witness":
            params = {
                param.name: param.choices[0] if param.choices else values.get(param.type, ["cut*2", "status:503"])
                for param in kind.params
            }
            assert make_kind(kind.name, params)


@pytest.mark.parametrize(
    ("kind", "params", "only", "words"),
    [
        ("statsu", {}, {}, "no fault kind 'statsu'"),
        ("status", {"sttus": 1}, {}, "fault kind status"),
        ("delay", {}, {}, "fault kind delay"),
        ("sequence", {"steps": ["cut", "jump"]}, {}, "'jump'"),
        ("sequence", {"steps": []}, {}, "empty"),
        ("status", {}, {"opp": "observe"}, "no key opp"),
    ],
)
def test_a_wrong_rule_is_refused_with_words(
    kind: str, params: dict[str, Any], only: dict[str, Any], words: str
) -> None:
    """Nothing is installed."""
    rules = Rules()
    with pytest.raises(UsageError, match=words):
        rules.add("rule", kind, params, only)
    assert not rules
