"""The law of what is observed, on literal histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from law_cases import calls_of, promise, said

from harness.data import chat_turns, fingerprint
from harness.laws.data import at_most
from harness.model import Verdict
from harness.rng import Stream

FACTS: dict[str, Any] = {"oracle": "twin"}
Observation = Mapping[str, Any]

TURNS = [chat_turns(Stream(number, "turns").unit) for number in range(20)]


def judged(given: Sequence[Observation], got: Sequence[Observation | None]) -> Verdict:
    """What D8 says where KATO committed `got` of what was `given` (None: nothing)."""
    calls = ["call op start_ms end_ms outcome content"]
    arrivals = ["call op arrive_ms reply_ms status commit_seq payload"]
    for number, (asked, seen) in enumerate(zip(given, got, strict=True), 1):
        at = 10 * number
        calls.append(f"{number} observe {at} {at + 4} ok {fingerprint(asked)}")
        if seen is not None:
            arrivals.append(f"{number} observe {at + 1} {at + 3} 200 {number} {fingerprint(seen)}")
    return said("D8", promise(), FACTS, calls="\n".join(calls), arrivals="\n".join(arrivals))


def test_d8_passes_where_everything_arrived() -> None:
    """However it was written down."""
    told = [{"emotives": turn["emotives"], "vectors": None, "strings": tuple(turn["strings"])} for turn in TURNS]
    assert judged(TURNS, told).status == "pass"


def test_d8_fails_where_a_part_was_left_out() -> None:
    """Emotives, vectors, or a string of several; of all observations, or of those that had it."""
    verdict = judged(TURNS, [{**turn, "emotives": {}} for turn in TURNS])
    assert verdict.status == "fail" and "emotives" in verdict.reason and "strings" not in verdict.reason
    assert calls_of(verdict) == [1, 2, 3, 4, 5]
    assert judged(TURNS, [{**turn, "strings": turn["strings"][:1]} for turn in TURNS]).status == "fail"
    assert judged(TURNS, [{**turn, "strings": turn["strings"][1:]} for turn in TURNS]).status == "fail"
    seen = [{"strings": ["seen"], "vectors": [[1.0, 2.0]] if number % 3 == 0 else []} for number in range(15)]
    verdict = judged(seen, [{"strings": ["seen"]}] * 15)
    assert verdict.status == "fail" and "5 observations" in verdict.reason and "vectors" in verdict.reason


def test_d8_says_how_many_of_those_that_came() -> None:
    """Cut, whole, and what clean ones leave possible."""
    cut = judged(TURNS, [{**turn, "emotives": {}} for turn in TURNS[:5]] + TURNS[5:19] + [None])
    assert (cut.measured, cut.bound, "5 observations of 19" in cut.reason) == ("5 cut", "0", True)
    whole = judged(TURNS, [{**turn, "emotives": {}} for turn in TURNS[:4]] + TURNS[4:19] + [None])
    assert (whole.measured, whole.bound) == ("0 cut", at_most(15))
    assert whole.reason == "15 observations reached KATO whole"


def test_d8_looks_at_observes_alone() -> None:
    """A prediction has a content of nothing, whatever stands there."""
    calls = "call op start_ms end_ms outcome content\n" + "\n".join(
        f"{n} predict {n} {n} ok {fingerprint(TURNS[n])}" for n in range(1, 9)
    )
    arrivals = "call op arrive_ms commit_seq payload\n" + "\n".join(
        f"{n} predict {n} {n} {fingerprint({'strings': ['a']})}" for n in range(1, 9)
    )
    assert said("D8", promise(), FACTS, calls=calls, arrivals=arrivals).status == "not_applicable"


def test_d8_counts_what_it_knows_of() -> None:
    """An observe of which nobody knows what was given, predictions that observed, what came and was not committed."""
    rows = [(n, "observe", fingerprint(turn), n) for n, turn in enumerate(TURNS[:9], 1)]
    rows += [(10, "observe", 0, 10)] + [(n, "predict", fingerprint(TURNS[n]), n) for n in range(11, 19)]
    rows += [(19, "observe", fingerprint(TURNS[0]), 0)]
    calls = ["call op start_ms end_ms outcome content", *(f"{n} {op} {n} {n} ok {given}" for n, op, given, _ in rows)]
    seen = [f"{n} observe {n} {commit} {fingerprint(TURNS[0])}" for n, _, _, commit in rows]
    seen[:9] = [f"{n} observe {n} {n} {given}" for n, _, given, _ in rows[:9]]
    arrivals = ["call op arrive_ms commit_seq payload", *seen]
    found = said("D8", promise(), FACTS, calls="\n".join(calls), arrivals="\n".join(arrivals))
    assert (found.status, found.reason) == ("pass", "9 observations reached KATO whole")


def test_d8_asks_for_more_than_four() -> None:
    """Fewer may have been cut by a fault on their way."""
    assert judged(TURNS, [{**turn, "emotives": {}} for turn in TURNS[:4]] + TURNS[4:]).status == "pass"
    assert judged(TURNS, [{**turn, "emotives": {}} for turn in TURNS[:5]] + TURNS[5:]).status == "fail"


def test_d8_can_tell_nothing_of_a_client_with_words_of_its_own() -> None:
    """Its words are no cut, though some of them look like one by chance."""
    joined = [{**turn, "strings": [": ".join(turn["strings"])]} for turn in TURNS]
    assert judged(TURNS, joined).status == "inconclusive"
    assert judged(TURNS, joined[:5] + TURNS[5:]).status == "inconclusive"
    named = [{"strings": [f"chat:{word}" for word in turn["strings"]], "vectors": []} for turn in TURNS]
    assert judged(TURNS, named).status == "inconclusive"


def test_d8_passes_a_client_that_adds_something() -> None:
    """All that it was given is there."""
    assert judged(TURNS, [{**turn, "strings": [*turn["strings"], "at noon"]} for turn in TURNS]).status == "pass"


def test_d8_needs_observations_of_which_something_can_be_left_out() -> None:
    """And that were committed."""
    assert judged([{"strings": ["a"]}] * 9, [{"strings": ["a"]}] * 9).status == "not_applicable"
    assert judged(TURNS, [None] * len(TURNS)).status == "not_exercised"
    assert said("D8", promise(), {"oracle": "none"}, calls="call op\n1 observe").status == "inconclusive"


def test_d8_takes_the_requests_of_a_call_together() -> None:
    """A client may observe strings and vectors one after the other: that it is committed twice is another law's."""
    whole = fingerprint({"strings": ["a"], "vectors": [[1.0]]})
    parts = fingerprint({"strings": ["a"]}), fingerprint({"vectors": [[1.0]]})
    calls = "call op start_ms end_ms outcome content\n" + "\n".join(
        f"{n} observe {n} {n} ok {whole}" for n in range(1, 9)
    )
    arrivals = "call op arrive_ms commit_seq payload\n" + "\n".join(
        f"{n} observe {n} {2 * n + k} {parts[k]}" for n in range(1, 9) for k in (0, 1)
    )
    assert said("D8", promise(), FACTS, calls=calls, arrivals=arrivals).status == "pass"
