"""The law of answers on literal histories."""

from __future__ import annotations

from typing import Any

from law_cases import calls_of, promise, said

from harness.evidence.history import History
from harness.evidence.table import Table, Words
from harness.laws import LAWS
from harness.laws.case import Case
from harness.laws.data import at_most
from harness.laws.registry import Ruling
from harness.model import UNLEARNED, UNNAMED, Verdict

CALLS = "call op start_ms end_ms outcome\n1 predict 0 8 ok\n2 predict 10 18 degraded\n3 observe 20 28 ok"
FACTS: dict[str, Any] = {"methods": ["observe", "predict", "symbols"]}


def test_f5_passes_when_answers_name_what_was_shown() -> None:
    assert said("F5", promise(), FACTS, calls=CALLS).status == "pass"


def test_f5_fails_when_an_answer_names_something_else() -> None:
    """A degraded answer too."""
    verdict = _with_details("", f"{UNLEARNED}view:bestseller", "")
    assert verdict.reason == "1 answer of 2 named what their user had never shown, such as view:bestseller"
    assert calls_of(verdict) == [2]


def test_f5_proves_nothing_of_a_service_whose_answers_are_all_empty() -> None:
    """One answer that names something is enough."""
    assert _with_details(UNNAMED, UNNAMED, "").status == "not_exercised"
    assert _with_details(UNNAMED, "", "").status == "pass"


def test_f5_fails_a_service_that_names_nothing_of_what_kato_foretold() -> None:
    """Not for a prediction of nothing, an answer that a fault changed, or one that is unknown; nor for a few."""
    told = _silent([2] * 6 + [1])
    assert (told.status, told.measured, told.bound, told.share) == ("fail", "6 unread", "some named", 6 / 7)
    assert told.reason == "none of 7 answers named anything, though KATO foretold something for 6"
    assert _silent([3] * 5, status=201).status == "fail"
    assert [witness["call"] for witness in _silent([1, 3, 3, 3, 3, 3]).witnesses] == [2, 3, 4, 5, 6]
    assert _silent([3] * 4).status == "not_exercised"
    assert _silent([1] * 9).status == "not_exercised"
    assert _silent([0] * 9).status == "not_exercised"
    assert _silent([3] * 9, fault="malformed").status == "not_exercised"
    assert _silent([3] * 9, status=500).status == "not_exercised"
    assert _silent([3] * 9, reply_ms=0).status == "not_exercised"
    assert _silent([3] * 9, outcome="degraded").status == "not_exercised"
    named = _silent([3] * 9, named=1)
    assert named.status == "pass"
    assert named.reason == "9 answers named only what was shown, 8 of them nothing (8 though KATO foretold something)"


def _silent(
    futures: list[int], fault: str = "-", status: int = 200, reply_ms: int = 9, outcome: str = "ok", named: int = 0
) -> Ruling:
    """Of answers that name nothing but in the first `named`; `futures` as in the arrivals."""
    numbers = range(1, len(futures) + 1)
    calls = "call op start_ms end_ms outcome\n" + "\n".join(
        f"{n} predict {9 * n} {9 * n + 8} {outcome}" for n in numbers
    )
    arrivals = "call op arrive_ms reply_ms status fault futures\n" + "\n".join(
        f"{n} predict {9 * n} {reply_ms} {status} {fault} {told}" for n, told in zip(numbers, futures, strict=True)
    )
    history = History.literal((), FACTS, calls=calls, arrivals=arrivals)
    details = Words.of([""] * named + [UNNAMED] * (len(futures) - named))
    told = History(calls=Table({**history.calls.columns, "detail": details}), arrivals=history.arrivals, facts=FACTS)
    return LAWS["F5"].judge(Case(told, promise()))


def test_f5_judges_what_a_service_answers_to_an_observe_where_it_has_no_other_answer() -> None:
    """A front that observes and predicts in one request."""
    told = "", "", f"{UNLEARNED}x"
    assert _ruling(CALLS, *told, methods=("observe", "symbols")).status == "fail"
    assert _ruling(CALLS, *told).status == "pass"


def test_f5_says_how_many_of_how_many_were_invented() -> None:
    """One of two answers; a prediction that failed is none, whatever it says."""
    failed = f"{CALLS}\n4 predict 30 38 error"
    ruling = _ruling(failed, "", f"{UNLEARNED}x", "", f"{UNLEARNED}y")
    assert (ruling.measured, ruling.bound, ruling.share) == ("1 invented", "0", 0.5)


def test_f5_says_what_clean_answers_leave_possible() -> None:
    """Of two answers one named anything; what an observe says counts for nothing."""
    ruling = _ruling(CALLS, "", UNNAMED, UNNAMED)
    assert (ruling.status, ruling.measured, ruling.bound) == ("pass", "0 invented", at_most(1))
    assert ruling.reason == "2 answers named only what was shown, 1 of them nothing"


def test_f5_needs_an_answer() -> None:
    """Nobody predicted."""
    found = said("F5", promise(), FACTS, calls="call op start_ms end_ms outcome\n1 observe 0 8 ok")
    assert (found.status, found.reason) == ("not_exercised", "no prediction was answered")


def _with_details(*details: str) -> Verdict:
    return LAWS["F5"].verdict(_ruling(CALLS, *details), 1.0)


def _ruling(calls: str, *details: str, methods: tuple[str, ...] = ("observe", "predict", "symbols")) -> Ruling:
    facts = {"methods": methods}
    history = History.literal((), facts, calls=calls)
    table = Table({**history.calls.columns, "detail": Words.of(details)})
    return LAWS["F5"].judge(Case(History(calls=table, facts=facts), promise()))


def test_f5_does_not_apply_to_a_client_that_names_nothing() -> None:
    assert said("F5", promise(), {}, calls=CALLS).status == "not_applicable"
