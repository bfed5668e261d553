"""What every report says alike, and the formats for terminals and CI."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped
from report_runs import demo_run
from report_words import demo_judgement, judgement_of

from harness import errors
from harness.model import SloResult, Verdict
from harness.report import FORMATS, github, junit, summary, terminal, words

RUN = demo_run()
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        return True


def failed(**more: object) -> Verdict:
    return replace(Verdict("B3", "CountsRightFailures", "fail", "stayed closed", "count 5xx"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("facts", "said"), [
    ({}, "target embedded · seed 7"),
    ({"registry": {"kind": "consul", "what": "stand-in"}}, "seed 7 · Consul: stand-in"),
    ({"registry": {"kind": "dns", "what": "stub resolver"}}, "seed 7 · DNS: stub resolver"),
    ({"envoy": {"version": "1.40.0"}}, "seed 7 · Envoy 1.40.0"),
])  # fmt: skip
def test_what_stood_between_client_and_kato_is_said_with_its_name(facts: dict[str, object], said: str) -> None:
    """A stand-in is called one, wherever the run's subject is named."""
    run = {"integration": "fixed-consul", "target": "embedded", "seed": 7}
    assert summary.subject_line({"run": run, "facts": facts}).endswith(said)


@settings(deadline=None)
@given(st.floats(1e-3, 1e12))
def test_a_number_is_printed_without_exponent_and_within_half_a_per_cent(value: float) -> None:
    for shown in (words.digits(value), words.figures(value)):
        assert "e" not in shown
        assert float(shown.replace(",", "")) == pytest.approx(value, rel=0.005, abs=5e-4)


@pytest.mark.parametrize(
    ("value_ns", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ns"),
        (12_340, "12.3 µs"),
        (340_000_000, "340 ms"),
        (4_440_000_000, "4.44 s"),
        (999_999, "1 ms"),
        (None, "–"),
    ],
)
def test_a_duration_carries_the_unit_that_keeps_it_readable(value_ns: int | None, shown: str) -> None:
    assert words.duration(value_ns) == shown


def test_failures_that_decide_come_first_and_laws_are_in_order_of_number() -> None:
    told = [
        failed(law="B10"),
        failed(law="B2", status="pass"),
        failed(law="A1", accepted="until 2027-02-01"),
        failed(law="B2"),
        failed(law="A2", required=False),
    ]
    order = [(verdict.law, verdict.status) for verdict in summary.worst_first(told)]
    assert order == [("B2", "fail"), ("B10", "fail"), ("A1", "fail"), ("A2", "fail"), ("B2", "pass")]


def test_the_headline_names_the_broken_laws_and_slos_and_leaves_out_what_does_not_count() -> None:
    assert summary.headline(demo_judgement()) == "Broken: 2 laws (B3, B8) and 1 SLO (usable)"


def test_an_invalid_run_names_the_gate_that_it_failed() -> None:
    gate = failed(law="X1", name="FaultEffective")
    headline = summary.headline(judgement_of(failed(status="invalid"), gate, exit_code=errors.EXIT_INVALID))
    assert headline == "Invalid run: its evidence can't carry verdicts (X1)"


def test_a_failed_gate_is_no_broken_promise_of_the_client() -> None:
    assert summary.headline(judgement_of(failed(), failed(law="X3"))) == "Broken: 1 law (B3)"


def test_a_run_without_failures_counts_the_promises_that_were_proven_and_no_gates() -> None:
    held = [failed(status="pass"), failed(law="X1", status="pass"), failed(law="K1", status="pass", severity="info")]
    assert summary.headline(judgement_of(*held, exit_code=0)) == "Kept: 1 required law proven, none broken"


def test_the_headline_of_a_kept_run_says_which_watched_laws_were_broken() -> None:
    told = [failed(status="pass"), failed(law="D6", required=False), failed(law="B7", required=False, status="pass")]
    headline = summary.headline(judgement_of(*told, exit_code=0))
    assert headline == "Kept: 1 required law proven, none broken; broken, and not counted: D6"


def test_an_objective_that_does_not_count_is_said_to_be_so_in_its_line_and_in_the_headline() -> None:
    missed = SloResult("slow", "p(99) < 1s", "fail", "2 s", "does not hold", samples=500, severity="info")
    judgement = judgement_of(failed(status="pass"), slos=(missed,), exit_code=0)
    assert summary.headline(judgement).endswith("broken, and not counted: SLO slow")
    assert summary.slo_said(missed) == "p(99) < 1s: does not hold; measured 2 s [severity info]"
    assert "severity" not in summary.slo_said(replace(missed, severity="gate"))


def test_notices_reach_the_reader_of_every_format() -> None:
    judgement = judgement_of(failed(), notices=("known: B7 isn't needed any more",))
    for render in (terminal.render, github.render):
        assert "known: B7 isn't needed any more" in render(RUN, judgement).decode()


@pytest.mark.parametrize("exit_code", errors.WORST_FIRST)
def test_every_exit_code_has_a_headline_and_a_meaning(exit_code: int) -> None:
    judgement = judgement_of(failed(), exit_code=exit_code)
    assert summary.headline(judgement)
    assert f"exit {exit_code}: {summary.EXIT_MEANINGS[exit_code]}" in terminal.render(RUN, judgement).decode()


def test_a_failure_line_names_client_file_and_line_where_a_witness_knows_it() -> None:
    line = summary.verdict_line(failed(law="B8", witnesses=({"call": 3, "where": "app/kato.py:41"},)), {})
    assert line == "FAIL B8 app/kato.py:41 stayed closed; count 5xx"


def test_an_audit_of_the_clients_files_says_where_a_broken_law_may_lie() -> None:
    """The first finding of that law; those of other laws say nothing of it."""
    found = [
        {"rule": "T1/no-timeout", "where": "app/kato.py:7:1"},
        {"rule": "B8/lock-held", "where": "app/kato.py:41:5"},
    ]
    line = summary.verdict_line(failed(law="B8"), {"client": {"findings": found}})
    assert line.startswith("FAIL B8 app/kato.py:41 ")


def test_a_failure_line_names_the_law_where_no_place_is_known() -> None:
    assert summary.verdict_line(failed(), {}) == "FAIL B3 CountsRightFailures: stayed closed; count 5xx"


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_verdict_is_one_line_whatever_the_client_s_errors_say(reason: str, cure: str) -> None:
    assert len(summary.verdict_line(failed(reason=reason, cure=cure), {}).splitlines()) == 1


def test_an_accepted_failure_says_until_when() -> None:
    assert "[accepted: until 2027-02-01]" in summary.verdict_line(failed(accepted="until 2027-02-01"), {})


def test_the_accounting_names_calls_that_are_missing() -> None:
    line = summary.accounting_line({"accounting": {"issued": 10, "ok": 7, "error": 1}})
    assert line == "issued 10 = 7 ok + 1 error (difference 2: calls are unaccounted for)"


def test_plain_lines_hold_every_law_and_no_escape_codes() -> None:
    text = terminal.render(RUN, demo_judgement()).decode()
    assert "\x1b" not in text
    assert all(verdict.law in text for verdict in demo_judgement().verdicts)


def test_a_terminal_gets_a_coloured_table_and_the_path_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    terminal.show(RUN, demo_judgement(), out, report="runs/1/report.html")
    assert "\x1b[" in out.getvalue()
    assert out.getvalue().endswith("report: runs/1/report.html\n")
    assert all(verdict.law in out.getvalue() for verdict in demo_judgement().verdicts)


def test_no_color_gives_plain_lines_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    terminal.show(RUN, demo_judgement(), out)
    assert out.getvalue().encode() == terminal.render(RUN, demo_judgement())


def test_runs_side_by_side_share_a_row_a_law() -> None:
    out = io.StringIO()
    kept = judgement_of(failed(status="pass"), failed(law="T9", status="not_applicable"), exit_code=0)
    terminal.side_by_side([("guide", judgement_of(failed())), ("fixed", kept)], out)
    row = next(line for line in out.getvalue().splitlines() if line.lstrip().startswith("B3"))
    assert "✗ fail" in row
    assert "✓ pass" in row
    assert "T9" not in out.getvalue()


def test_runs_side_by_side_show_their_slos_too() -> None:
    out = io.StringIO()
    terminal.side_by_side(
        [("guide", demo_judgement()), ("fixed", judgement_of(failed(status="pass"), exit_code=0))], out
    )
    row = next(line for line in out.getvalue().splitlines() if line.lstrip().startswith("SLO usable"))
    assert "✗ fail: most calls were" in row


def test_junit_fails_what_decides_skips_what_is_unproven_and_passes_what_held() -> None:
    suite = next(iter(JUnitXml.fromstring(junit.render(RUN, demo_judgement()))))
    kinds = {case.name.split()[0]: [type(result) for result in case.result] for case in suite if "SLO" not in case.name}
    assert [law for law, found in kinds.items() if found == [Failure]] == ["B3", "B8"]
    assert {law for law, found in kinds.items() if found == [Skipped]} == {"D2", "M2", "K1", "B5", "R5", "B10"}
    assert {law for law, found in kinds.items() if not found} == {"T1", "R6", "X3"}


def test_junit_shows_an_invalid_verdict_as_an_error() -> None:
    document = JUnitXml.fromstring(junit.render(RUN, judgement_of(failed(status="invalid"), exit_code=6)))
    assert [type(result) for suite in document for case in suite for result in case.result] == [Error]


@settings(deadline=None)
@given(TEXTS)
def test_junit_is_well_formed_whatever_the_client_s_errors_say(reason: str) -> None:
    assert JUnitXml.fromstring(junit.render(RUN, judgement_of(failed(reason=reason)))).failures == 1


def test_github_annotates_the_client_s_own_line_and_escapes_the_message() -> None:
    witness = {"call": 1, "where": "app/kato.py:41"}
    lines = (
        github.commands(RUN, judgement_of(failed(reason="100 % broken\nhere", witnesses=(witness,))))
        .decode()
        .splitlines()
    )
    title = "title=B3 CountsRightFailures"
    assert lines == [f"::error file=app/kato.py,line=41,{title}::100 %25 broken%0Ahere%0Acure: count 5xx"]


def test_github_warns_of_what_does_not_decide() -> None:
    slo = SloResult("calm", "amplification < 2", "fail", "3", "too many", severity="warn")
    lines = github.commands(RUN, judgement_of(failed(required=False), slos=(slo,))).decode().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::warning", "::warning"]
    assert lines[1].endswith("::amplification < 2: too many; measured 3 [severity warn]")


@settings(deadline=None)
@given(TEXTS)
def test_the_step_summary_keeps_its_table_whatever_a_reason_holds(reason: str) -> None:
    rows = [
        line
        for line in github.render(RUN, judgement_of(failed(reason=reason))).decode().split("\n")
        if line.startswith("|")
    ]
    assert [row.count("|") for row in rows] == [4, 4, 4]


def test_listing_the_formats_imports_no_numeric_library() -> None:
    code = (
        "import sys, harness.report; print([m for m in ('numpy', 'pandas', 'matplotlib', 'rich') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_every_format_but_the_page_renders_the_demo_and_differs_from_the_others() -> None:
    quick = {name: form.render(RUN, demo_judgement()) for name, form in FORMATS.items() if name not in ("html", "json")}
    assert len(set(quick.values())) == len(quick) == 8
