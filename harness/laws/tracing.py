"""Tracing laws: every request is a span of its call's trace, and a collector that is gone costs nothing."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints
from harness.laws.chains import chains_of
from harness.laws.registry import (
    Ruling,
    broken,
    exercise,
    inapplicable,
    inconclusive,
    law,
    passed,
    plural,
    unexercised,
)
from harness.laws.traces import PART, exported, outages, requests_of, traced
from harness.stats import needed_for, quantile, quantile_interval

UNTRACED = inapplicable("the client is not said to trace: topology: {collector: otlp}")
SLOWER = 1.05
"""laws.md, O2: p99 grows by at most 5 %."""
MOST_GROWTH = 32 << 20
"""What a queue of spans may take in memory: 2,048 of them (the SDK's default) with room."""


@law(
    "O1",
    "TracePerAttempt",
    family="tracing",
    rule="every request on the wire carries a traceparent; one trace a call, a span of its own for each attempt, "
    "resend_count from 1 on re-sends, status ERROR on the span of a failed one",
    trap="a mesh's retries carry the caller's span; without a provider an instrumentation makes no spans; a trace that "
    "was not sampled says so in its header, and exports none",
    cure="set up a TracerProvider with a batch exporter; make the span in the transport, once an attempt, and have it "
    "say http.request.resend_count and status ERROR: instrumentations don't count re-sends",
    example="HTTPXClientInstrumentor().instrument() in a process without a TracerProvider: no header, no span",
    wants="a client that traces: topology: {collector: otlp}; for re-sends a fault that makes it try again",
)
def trace_per_attempt(case: Case) -> Ruling:
    if not traced(case):
        return UNTRACED
    requests = requests_of(case)
    count = len(requests.at)
    if not count:
        return unexercised("no request of a known call was seen")
    if requests.bare.any():
        rows, bare = np.unique(requests.row[requests.bare]), int(requests.bare.sum())
        reason = f"{bare:,} of {plural(count, 'request')} carried no traceparent"
        return broken(case, rows, reason, of=len(case.calls), measured=f"{1 - bare / count:.1%} traced", bound="100 %")
    if len(rows := _several_traces(case)):
        return broken(case, rows, f"{plural(len(rows), 'call')} were spread over several traces", of=len(case.calls))
    if len(rows := _shared_spans(case)):
        reason = f"attempts of {plural(len(rows), 'call')} share one span: nobody can tell them apart"
        return broken(case, rows, reason, of=len(case.calls))
    return _of_spans(case, count)


def _several_traces(case: Case) -> Ints:
    requests = requests_of(case)
    pairs = np.unique(np.stack([requests.row, requests.trace]), axis=1)
    rows, times = np.unique(pairs[0], return_counts=True)
    found: Ints = rows[times > 1]
    return found


def _shared_spans(case: Case) -> Ints:
    requests = requests_of(case)
    shared = np.bincount(requests.span) > 1
    found: Ints = np.unique(requests.row[shared[requests.span]])
    return found


def _of_spans(case: Case, count: int) -> Ruling:
    """What the exported spans say of the requests; nothing where none came to a collector."""
    requests, spans = requests_of(case), case.history.spans
    resent = len(chains_of(case).retries)
    said = f"{plural(count, 'request')} carried a trace a call and a span an attempt, {resent:,} of them sent again"
    collector = (case.facts.get("tracing") or {}).get("collector")
    if not collector:
        return passed(f"{said}; nothing was exported, so spans themselves are not judged", measured="100 % traced")
    found, lossless = exported(case), not outages(case)
    silent = (found < 0) & requests.sampled
    missing = np.unique(requests.row[silent])
    if len(missing) and (lossless or not len(spans)):
        reason = f"no span came to the collector for {int(silent.sum()):,} of {plural(count, 'request')}"
        return broken(case, missing, reason, of=len(case.calls), measured=f"{len(spans):,} spans")
    if not requests.attempts:
        return inconclusive("attempts are not seen at the client's side: nobody knows which were sent again")
    known = found >= 0
    wrong = _wrong_count(case)[requests.at[known]] != (spans["resend"][found[known]] > 0)
    if wrong.any():
        rows = np.unique(requests.row[known][wrong])
        return broken(case, rows, f"http.request.resend_count does not tell re-sends in {plural(len(rows), 'call')}")
    quiet = _failed(case)[requests.at[known]] & ~spans["status"].among("error")[found[known]]
    if quiet.any():
        rows = np.unique(requests.row[known][quiet])
        return broken(case, rows, f"{plural(int(quiet.sum()), 'failed attempt')} ended in a span without status ERROR")
    return passed(f"{said}; {plural(int(known.sum()), 'span')} exported", measured="100 % traced")


def _wrong_count(case: Case) -> Mask:
    """The attempts that repeat an earlier one."""
    return chains_of(case).again


def _failed(case: Case) -> Mask:
    """The attempts that failed before the end of their headers, or with a status of 4xx or 5xx."""
    table = case.attempts.table
    found: Mask = (table["headers_ns"] == 0) | (table["status"] >= 400)
    return found


@law(
    "O2",
    "ExporterOutage",
    family="tracing",
    rule="while the collector is silent or gone no call fails for it, p99 grows by at most 5 %, memory stays bounded",
    trap="a few calls certify no p99; an exporter that never sent anything can't be harmed",
    cure="BatchSpanProcessor with a bounded queue, which drops; never SimpleSpanProcessor",
    example="SimpleSpanProcessor exports inside the call: a black hole at the collector is one in every call",
    needs=frozenset({"timeout", "refuse", "latency", "reset_peer", "slow_close", "bandwidth"}),
    wants=f"a fault of the collector: `only: {{part: {PART}}}`",
    part=PART,
)
def exporter_outage(case: Case) -> Ruling:
    if not traced(case):
        return UNTRACED
    windows = outages(case)
    if not windows:
        return unexercised(f"the collector was there all the time; it takes {exercise('O2')}")
    if not len(case.history.spans):
        return unexercised("no span ever came to the collector, so its outage could harm nobody")
    calls = case.calls
    ran = ~calls["outcome"].among("cancelled", "overflow")
    under = ran & _under(case, [w.name for w in windows]) & ~_under(case, _others(case))
    calm = ran & ~_under(case, [w.name for w in case.windows])
    if not under.any():
        return unexercised("no call was made while only the collector was out")
    failed = np.flatnonzero(under & ~calls["outcome"].among("ok", "degraded"))
    if len(failed) and not (calm & ~calls["outcome"].among("ok", "degraded")).any():
        reason = f"{plural(len(failed), 'call')} failed while only the collector was out, none without"
        return broken(case, failed, reason, of=int(under.sum()), measured=f"{len(failed)} failed", bound="0")
    if grown := _growth(case):
        reason = f"memory grew by {grown / 2**20:.0f} MiB in the collector's outage: the queue is unbounded"
        return Ruling("fail", reason)
    return _slowed(case, under, calm)


def _others(case: Case) -> list[str]:
    about = {window.name for window in outages(case)}
    return [window.name for window in case.windows if window.name not in about]


def _under(case: Case, names: list[str]) -> Mask:
    """The calls that overlap a fault of one of those names."""
    calls, found = case.calls, np.zeros(len(case.calls), bool)
    for window in case.windows:
        if window.name in names:
            found |= (calls["start_ns"] < window.end_ns) & (calls["end_ns"] > window.start_ns)
    return found


def _growth(case: Case) -> int:
    """By how many bytes a generator's memory grew in the outages, where that is more than a bounded queue takes."""
    samples, most = case.history.samples, 0
    for process in samples["process"].names:
        mine = samples.where(samples["process"].among(process))
        for window in outages(case) if process.startswith("generator") else ():
            inside = (mine["time_ns"] >= window.start_ns) & (mine["time_ns"] <= window.end_ns)
            rss = mine["rss"][inside]
            most = max(most, int(rss[-1] - rss[0]) if len(rss) else 0)
    return most if most > MOST_GROWTH else 0


def _slowed(case: Case, under: Mask, calm: Mask) -> Ruling:
    took = (case.calls["end_ns"] - case.calls["start_ns"]).astype(np.float64)
    needed = needed_for(0.99)
    if not calm.any():
        return inconclusive("no call was made without a fault: nothing to compare with")
    before, during = quantile(took[calm], 0.99), quantile(took[under], 0.99)
    limit = quantile_interval(took[calm], 0.99).high * SLOWER
    said = f"p99 {during / 1e6:.2f} ms in the outage, {before / 1e6:.2f} ms outside"
    measured = f"{during / before - 1:+.1%}"
    if quantile_interval(took[under], 0.99).above(limit):
        rows = np.flatnonzero(under & (took > limit))
        rows = rows[np.argsort(-took[rows], kind="stable")]
        return broken(case, rows, said, of=int(under.sum()), measured=measured, bound="+5 %")
    if min(int(under.sum()), int(calm.sum())) < needed:
        told = f"{int(under.sum()):,} calls in the outage and {int(calm.sum()):,} outside"
        return inconclusive(f"{told}: p99 takes {needed} of each")
    if during <= before * SLOWER:
        return passed(f"{said}; no call failed for it", measured=measured, bound="+5 %")
    return inconclusive(f"{said}: more than 5 % apart, and the intervals overlap", measured=measured, bound="+5 %")
