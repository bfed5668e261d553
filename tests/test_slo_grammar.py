"""The one-line language of SLOs: what it means, what it refuses, and what k6 and Taurus say differently."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.slo import Slo, parse, write
from harness.slo.foreign import translated
from harness.units import TextError


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("p(95) < 50ms in baseline", Slo("p", "<", 0.05, 0.95, phase="baseline")),
        ("error_rate < 0.1% in baseline", Slo("error_rate", "<", 0.001, phase="baseline")),
        (
            "goodput > 50% of baseline in fault:redis over 5s",
            Slo("goodput", ">", 0.5, of_baseline=True, phase="fault:redis", window="over", window_s=5.0),
        ),
        ("amplification < 1.2 in fault:redis", Slo("amplification", "<", 1.2, phase="fault:redis")),
        ("error_rate > 50% over 10s", Slo("error_rate", ">", 0.5, window="over", window_s=10.0)),
        (
            "p(99.9) of service_time where op=predict, user=premium-* <= 1.5s in fault:a+b for 3s",
            Slo(
                "p",
                "<=",
                1.5,
                0.999,
                "service_time",
                {"op": "predict", "user": "premium-*"},
                False,
                "fault:a+b",
                "for",
                3.0,
            ),
        ),
        ("mean of dispatch_delay < 25 ms", Slo("mean", "<", 0.025, series="dispatch_delay")),
        ("goodput>45/s in fault:outage", Slo("goodput", ">", 45.0, phase="fault:outage")),
        ("lost == 0", Slo("lost", "==", 0.0)),
        ("duplicates == 0 in recovery", Slo("duplicates", "==", 0.0, phase="recovery")),
        (
            "count where outcome=degraded and status=5xx < 10",
            Slo("count", "<", 10.0, where={"outcome": "degraded", "status": "5xx"}),
        ),
        (
            "max where outcome=any < 10s within 30s",
            Slo("max", "<", 10.0, where={"outcome": "any"}, window="within", window_s=30.0),
        ),
        ("p(95) < 1.5 of baseline in recovery", Slo("p", "<", 1.5, 0.95, of_baseline=True, phase="recovery")),
        ("rate where instance=2 > 600/min", Slo("rate", ">", 10.0, where={"instance": "2"})),
    ],
)
def test_a_line_says_what_it_says(text: str, slo: Slo) -> None:
    """METRIC [of SERIES] [where …] OP VALUE [of baseline] [in PHASE] [over|for|within DURATION]."""
    assert parse(text) == slo


@pytest.mark.parametrize(
    ("text", "what", "index"),
    [
        ("", "a metric is missing", 0),
        ("speed < 3ms", "'speed' is not a metric", 0),
        ("p(100) < 3ms", "100th percentile", 0),
        ("p(0) < 3ms", "0th percentile", 0),
        ("p < 3ms", "the percentile is missing", 2),
        ("p(95) of latency < 3ms", "'latency' is not a series", 9),
        ("error_rate of service_time < 1%", "error_rate has no series", 14),
        ("p(95) where < 3ms", "names nothing", 12),
        ("p(95) where colour=red < 3ms", "'colour' can't be asked for", 12),
        ("p(95) where op=forecast < 3ms", "'forecast' is not a call", 12),
        ("error_rate where outcome=ok < 3%", "about outcomes already", 17),
        ("count where status=999 < 3", "'999' is not a status", 12),
        ("p(95) = 3ms", "'=' is not a comparison", 6),
        ("p(95) == 3ms", "never exactly a value", 6),
        ("p(95) <", "a value is missing", 7),
        ("p(95) < 300", "is k6's", 0),
        ("p(95) < 300 in baseline", "300 has no unit", 8),
        ("p(95) < 3% in baseline", "is not a duration", 8),
        ("error_rate < 120%", "more than all calls", 13),
        ("goodput > 45 in recovery", "45 has no unit", 10),
        ("amplification < 120%", "not a plain number", 16),
        ("lost < 1.5", "not a number of calls", 7),
        ("lost < 2 of baseline", "grows with the length", 12),
        ("goodput > 50% of warmup", "`baseline` is missing", 17),
        ("goodput > 50% of baseline in baseline", "compared with itself", 37),
        ("p(95) < 3ms in start", "'start' is not a phase", 15),
        ("p(95) < 3ms in fault:", "is not a phase", 15),
        ("p(95) < 3ms over 100ms", "too short", 17),
        ("p(95) < 3ms over night", "is not a duration", 17),
        ("p(95) < 3ms over 5s in baseline", "doesn't belong here", 20),
    ],
)
def test_a_line_that_says_nothing_is_refused_at_its_place(text: str, what: str, index: int) -> None:
    """With the words that are missing and the index at which they are."""
    with pytest.raises(TextError) as caught:
        parse(text)
    assert what in caught.value.what
    assert caught.value.index == index
    assert caught.value.cure


UNITS = {"p": st.integers(1, 10**5).map(lambda n: n / 1000), "goodput": st.integers(1, 10**4).map(lambda n: n / 8)}
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["observe", "predict"]),
        "user": st.sampled_from(["a", "premium-*"]),
        "status": st.sampled_from(["503", "5xx"]),
        "instance": st.sampled_from(["0", "12"]),
    },
)


@st.composite
def _slos(draw: st.DrawFn) -> Slo:
    metric = draw(
        st.sampled_from(["p", "mean", "max", "error_rate", "goodput", "rate", "amplification", "lost", "count"])
    )
    relative = metric not in ("lost", "count") and draw(st.booleans())
    value = draw(st.integers(0, 50)) * (
        1.0 if metric in ("lost", "count") else 0.25 if metric != "error_rate" or relative else 0.02
    )
    window = draw(st.sampled_from(["", "over", "for", "within"]))
    return Slo(
        metric,
        draw(st.sampled_from(["<", "<=", ">", ">="])),
        value,
        draw(st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])) if metric == "p" else 0.0,
        draw(st.sampled_from(["response_time", "service_time"])) if metric in ("p", "mean", "max") else "response_time",
        draw(FILTERS),
        relative,
        draw(st.sampled_from(["", "recovery", "fault:a", "fault:a+b"])),
        window,
        float(draw(st.integers(1, 600))) if window else 0.0,
    )


@settings(deadline=None)
@given(_slos())
def test_a_written_line_reads_back(slo: Slo) -> None:
    """The canonical line means the same objective."""
    assert parse(write(slo)) == slo


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_an_objective_or_refused_within_it(text: str) -> None:
    """No text brings the parser down."""
    _read(text)


PIECES = st.lists(
    st.sampled_from(
        [
            "p(95)",
            "error_rate",
            "goodput",
            "of",
            "where",
            "op=observe",
            "<",
            ">=",
            "50ms",
            "1%",
            "45/s",
            "baseline",
            "in",
            "recovery",
            "fault:a",
            "over",
            "for",
            "within",
            "5s",
            "avg-rt",
            "rate",
            "200",
            "p95",
            ",",
            "stop as failed",
            ":",
        ]
    ),
    max_size=9,
)


@settings(deadline=None)
@given(PIECES)
def test_any_order_of_right_words_is_an_objective_or_refused_within_it(pieces: list[str]) -> None:
    """Right words in the wrong order too; and what is accepted can be written."""
    _read(" ".join(pieces))


def _read(text: str) -> None:
    try:
        write(parse(text))
    except TextError as error:
        assert 0 <= error.index <= len(text)
        assert error.cure


# every example of k6's "Thresholds" and of the usage sections of its metric pages: accepted (""), or the way to say it
K6 = {
    "avg < 200": "mean < 200ms",
    "count >= 500": "",
    "p(90) < 300": "p(90) < 300ms",
    "rate<0.01": "error_rate < 1%",
    "p(95)<200": "p(95) < 200ms",
    "count<100": "",
    "value<4000": None,
    "rate>0.95": "error_rate < 5%",
    "p(99)<300": "p(99) < 300ms",
    "p(70)<250": "p(70) < 250ms",
    "avg<200": "mean < 200ms",
    "med<150": "p(50) < 150ms",
    "min<100": "p(1) < 100ms",
    "max<2000": "max < 2000ms",
    "rate<50": "rate < 50/s",
    "p(90) < 400": "p(90) < 400ms",
    "p(95) < 800": "p(95) < 800ms",
    "p(99.9) < 2000": "p(99.9) < 2000ms",
    "p(99) < 10": "p(99) < 10ms",
    "rate>0.9": "error_rate < 10%",
    "rate==1": "error_rate == 0%",
    "rate<=0.1": "error_rate <= 10%",
    "http_req_failed: ['rate<0.01']": "error_rate < 1%",
    "http_req_duration: ['p(95)<200']": "p(95) < 200ms",
    "http_req_duration{type:API}: p(95)<500": "p(95) < 500ms",
    "http_req_duration{type:staticContent}: p(95)<200": "p(95) < 200ms",
    "http_req_duration{status:503}: p(95)<200": "p(95) where status=503 < 200ms",
    "http_req_duration{name:predict}: max<200": "max where op=predict < 200ms",
    "group_duration{group:::individualRequests}: avg < 400": "mean < 400ms",
    "group_duration{group:::batchRequests}: avg < 200": "mean < 200ms",
    "checks: rate>0.9": "error_rate < 10%",
    "checks{myTag:hola}: rate>0.9": "error_rate < 10%",
    "Errors: count<100": "count < 100",
    "ContentSize: value<4000": None,
    "RTT: p(99)<300": "p(99) < 300ms",
}

# every example of Taurus's "Pass/Fail Criteria"
TAURUS = {
    "avg-rt of IndexPage>150ms for 10s, stop as failed": "mean <= 150ms for 10s",
    "fail of CheckoutPage>50% for 10s, stop as failed": "error_rate <= 50% for 10s",
    "avg-rt>2s500ms": "mean <= 2.5s",
    "avg-lt for mylabel>2": "mean of service_time <= 2s",
    "avg-ct>100ms": "mean of service_time <= 100ms",
    "stdev-rt>0.5": "p(95) <= 500ms",
    "p90>1s for 10s": "p(90) <= 1s for 10s",
    "p99.9>10s, stop as failed": "p(99.9) <= 10s",
    "hits for my-label>100 for 5s, stop as non-failed": "rate > 100/s for 5s",
    "bytes for my-label>10MB": None,
    "succ<100%": "error_rate <= 0%",
    r"succ\<100%": "error_rate <= 0%",
    "failures>50% for 5s, stop as failed": "error_rate <= 50% for 5s",
    "rc500>20 for 5s, stop as failed": "count where status=500 <= 20 for 5s",
    "rc4??>20%": "count where status=4xx <= 20",
    "rc*>=10 for 1m": "rate < 10/s for 1m",
    r"rc\*>=10 for 1m": "rate < 10/s for 1m",
    "rcException>99% for 1m, continue as failed": "error_rate <= 99% for 1m",
    "rc*Exception>99% for 1m, continue as failed": "error_rate <= 99% for 1m",
    "avg-rt>1s for 5s": "mean <= 1s for 5s",
    "My message: avg-rt>10s": "mean <= 10s",
    "My Message: avg-rt of Sample Label>150ms for 10s, stop as failed": "mean <= 150ms for 10s",
    "Sample Label fails too much: fail of Sample Label>50% for 10s, stop as failed": "error_rate <= 50% for 10s",
    "avg-rt>1.5s, continue as failed": "mean <= 1.5s",
    "avg-rt of observe>150ms within 10s": "mean where op=observe <= 150ms over 10s",
    "fail of predict>3": "count where op=predict outcome=error <= 3",
}


@pytest.mark.parametrize(("text", "here"), [*K6.items(), *TAURUS.items()])
def test_what_others_say_is_accepted_or_refused_with_the_way_to_say_it_here(text: str, here: str | None) -> None:
    """None: nothing of the kind is measured here, and the refusal says what is."""
    if here == "":
        assert parse(text)
        return
    with pytest.raises(TextError) as caught:
        parse(text)
    assert re.search(r"is (k6|Taurus)'s$", caught.value.what)
    if here is None:
        assert "such as p(95) < 300ms" in caught.value.cure
    else:
        assert f"say {here}" in caught.value.cure
        assert parse(here)


@settings(deadline=None)
@given(
    st.from_regex(
        r"(avg-rt|p9[05]|fail|succ|rc50\?|hits)( of [a-z]{1,5})?[<>]=?"
        r"[0-9]{1,3}(ms|s|%)?( (for|within|over) [1-9]s)?(, stop as failed)?",
        fullmatch=True,
    )
)
def test_every_translation_can_be_said_here(text: str) -> None:
    """A cure that is itself refused would be no cure."""
    said = translated(text)
    if said is not None and said.here:
        parse(said.here)
