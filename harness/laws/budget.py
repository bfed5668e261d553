"""Whether what a client does one after the other fits into the total that it promises (law T5 without a mesh)."""

from __future__ import annotations

import numpy as np

from harness.laws.bounds import requests_of, started_late, totals_ns
from harness.laws.case import Case
from harness.laws.chains import chains_of
from harness.laws.registry import Ruling, broken, inapplicable, passed, plural, unexercised


def client_budget(case: Case) -> Ruling:
    """The ruling on calls that make several requests within one declared total.

    A client that cuts each step to what is left keeps its total whatever the steps' own time-outs add up to, so only
    calls that outlived it are held against it; a re-try that began after it is R11's matter.
    """
    total = totals_ns(case)
    if not total.any():
        return inapplicable("no route re-tries within a time-out, and the client declares no total")
    calls, tries = case.calls, case.attempts
    took = calls["end_ns"] - calls["start_ns"]
    several = (total > 0) & (requests_of(case) > 1) & ~tries.any(started_late(case) & chains_of(case).again)
    late = several & (took > total + case.epsilon_ns)
    if late.any():
        rows = np.flatnonzero(late)[np.argsort(-took[late], kind="stable")]
        worst = int(rows[0])
        timeout = case.policy.of(str(calls["op"][worst])).timeout
        each = (timeout and timeout.read) or 0.0
        reason = (
            f"{plural(len(rows), 'call')} made up to {int(requests_of(case)[rows].max())} requests in a row, "
            f"each with up to {each:g} s of its own, and outlived their total"
        )
        measured, bound = f"{took[worst] / 1e9:.2f} s", f"{total[worst] / 1e9:.2f} s"
        count = int(several.sum())
        return broken(case, rows, reason, of=count, status="warn", measured=measured, bound=bound)
    near = several & (took > 0.8 * total)
    if not near.any():
        return unexercised("no call of several requests came near its total")
    return passed(f"{plural(int(near.sum()), 'call')} of several requests ended within their total")
