"""The law of answers on literal histories."""

from __future__ import annotations

from typing import Any

from law_cases import calls_of, promise, said

from harness.evidence.history import History
from harness.evidence.table import Table, Words
from harness.laws import LAWS
from harness.laws.case import Case
from harness.model import UNLEARNED, UNNAMED, Verdict

CALLS = "call op start_ms end_ms outcome\n1 predict 0 8 ok\n2 predict 10 18 degraded\n3 observe 20 28 ok"
FACTS: dict[str, Any] = {"methods": ["observe", "predict", "symbols"]}


def test_f5_passes_when_answers_name_what_was_shown() -> None:
    assert said("F5", promise(), FACTS, calls=CALLS).status == "pass"


def test_f5_fails_when_an_answer_names_something_else() -> None:
    """A degraded answer too."""
    verdict = _with_details("", f"{UNLEARNED}view:bestseller", "")
    assert verdict.status == "fail" and "view:bestseller" in verdict.reason
    assert calls_of(verdict) == [2]


def test_f5_proves_nothing_of_a_service_whose_answers_are_all_empty() -> None:
    """One answer that names something is enough."""
    assert _with_details(UNNAMED, UNNAMED, "").status == "not_exercised"
    assert _with_details(UNNAMED, "", "").status == "pass"


def _with_details(*details: str) -> Verdict:
    history = History.literal((), FACTS, calls=CALLS)
    calls = Table({**history.calls.columns, "detail": Words.of(details)})
    return LAWS["F5"].verdict(LAWS["F5"].judge(Case(History(calls=calls, facts=FACTS), promise())), 1.0)


def test_f5_does_not_apply_to_a_client_that_names_nothing() -> None:
    assert said("F5", promise(), {}, calls=CALLS).status == "not_applicable"
