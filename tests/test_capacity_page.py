"""A capacity search as a page: the answer first, a dot for each probe that was measured, nothing from elsewhere."""

from __future__ import annotations

import math
import re

import pytest

from harness.capacity import Capacity, ProbeResult, search
from harness.report.capacity import page


def _probe(rate: float, longer: float) -> ProbeResult:
    measure = 0.02 / max(1 - rate / 200, 0.01)
    words = f"p(95) < 50ms & {rate:g}"
    return ProbeResult(rate, measure <= 0.05, min(rate, 200), math.log(measure / 0.05), words=words)


def _found() -> Capacity:
    return search(_probe, 10)


def test_a_page_says_the_answer_and_draws_each_probe_once_filled_where_it_held() -> None:
    """1/(1 − ρ) reaches the bound at 120/s."""
    found = _found()
    shown = page("How much load demo carries", {"": found})
    assert re.search(r'<p class="answer">Capacity: 1(19|20)(\.\d+)?/s \(95 % interval ', shown)
    held = sum(probe.held for probe in found.probes)
    assert 0 < held < len(found.probes)
    assert shown.count("<circle") == len(found.probes)
    assert shown.count('fill="var(--ok)"') == held
    assert shown.count("<tr>") == len(found.probes) + 1


def test_a_page_is_whole_by_itself_and_escapes_what_it_is_told() -> None:
    shown = page("<demo>", {"": _found()})
    assert "<title>&lt;demo&gt;</title>" in shown
    assert "p(95) &lt; 50ms &amp; 10" in shown
    assert not re.search(r"https?://|<script|<link", shown)


def test_searches_under_faults_stand_below_each_other_each_under_its_name() -> None:
    shown = page("demo", {"": _found(), "outage": _found()})
    assert re.findall(r"<h2>(.*?)</h2>", shown) == ["Without faults", "Under the fault outage"]


@pytest.mark.parametrize("excess", [math.nan, math.inf])
def test_a_search_that_measured_nothing_has_no_drawing_and_says_so(excess: float) -> None:
    none = search(lambda rate, longer: ProbeResult(rate, False, 0.0, excess, words="no call has the outcome ok"), 64)
    shown = page("demo", {"": none})
    assert "<svg" not in shown
    assert "Capacity: none found" in shown


def test_a_lower_bound_is_drawn_up_to_the_edge() -> None:
    """Everything held: the interval has no upper end."""
    most = search(_probe, 10, ceiling=100)
    shown = page("demo", {"": most})
    assert "Capacity: at least 100/s" in shown
    assert "nan" not in shown
    assert "inf" not in shown.replace("inflight", "")
