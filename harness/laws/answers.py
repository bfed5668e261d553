"""The law of answers: what a service tells its users was learned from them."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case
from harness.laws.data import at_most
from harness.laws.registry import Ruling, broken, inapplicable, law, passed, plural, unexercised
from harness.model import UNLEARNED, UNNAMED

FEW = 5
"""So many answers that name nothing are no accident."""


@law(
    "F5",
    "LearnedAnswers",
    family="fallback",
    rule="an answer, degraded or not, names only symbols that its own user had shown to KATO, and not always nothing "
    "where KATO foretold something",
    trap="where a client has no `predict`, its answers to observes are meant; bestsellers in place of recommendations "
    "are an invention unless the answer says so by another name; a service that leaves out all that its user has seen "
    "names nothing where each user has a node of its own",
    cure="read both shapes of a prediction, and substitute with the user's own last good answer",
    example="a chatbot that passes KATO's error body on as the conversation's context",
    wants="a client that says which symbols an answer names: `symbols(result)`; predictions after learn",
    zero_tolerance=True,
)
def learned_answers(case: Case) -> Ruling:
    methods = case.facts.get("methods", ())
    if "symbols" not in methods:
        return inapplicable("the client doesn't say which symbols its answers name")
    calls = case.calls
    answered = calls["op"].among("predict" if "predict" in methods else "observe") & calls["outcome"].among(
        "ok", "degraded"
    )
    strange = np.flatnonzero(answered & calls["detail"].starting(UNLEARNED))
    count = int(answered.sum())
    if len(strange):
        names = calls["detail"][int(strange[0])].removeprefix(UNLEARNED)
        reason = f"{plural(len(strange), 'answer')} of {count:,} named what their user had never shown, such as {names}"
        return broken(case, strange, reason, of=count, measured=f"{len(strange):,} invented", bound="0")
    if not count:
        return unexercised("no prediction was answered")
    naming = count - int((answered & calls["detail"].among(UNNAMED)).sum())
    silent = np.flatnonzero(answered & calls["detail"].among(UNNAMED) & calls["outcome"].among("ok") & _foretold(case))
    if not naming:
        if len(silent) >= FEW:
            reason = (
                f"none of {plural(count, 'answer')} named anything, though KATO foretold something for {len(silent):,}"
            )
            return broken(case, silent, reason, of=count, measured=f"{len(silent):,} unread", bound="some named")
        return unexercised(
            f"none of {plural(count, 'answer')} named anything: KATO foretold nothing, or it is not known"
        )
    said = f"{plural(count, 'answer')} named only what was shown, {count - naming:,} of them nothing"
    if len(silent):
        said += f" ({len(silent):,} though KATO foretold something)"
    return passed(said, measured="0 invented", bound=at_most(naming))


def _foretold(case: Case) -> Mask:
    """The calls for which KATO's answer, as it reached the client, held predictions that expect something more."""
    seen = case.arrivals.table
    whole = (seen["status"] // 100 == 2) & (seen["reply_ns"] > 0) & seen["fault"].among("")
    return case.arrivals.any(seen["op"].among("predict") & whole & (seen["futures"] > 1))
