"""The page: verdicts first, nothing fetched, nothing unescaped, equal bytes for equal evidence, small for any run."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from report_runs import START, S, demo_run
from report_words import demo_judgement, judgement_of

from harness.evidence import Run
from harness.evidence.history import History, empty, table
from harness.model import Verdict
from harness.report import html
from harness.report.palette import PALETTE

RUN = demo_run()
VOID = {"meta", "link", "br", "img", "hr", "input", "use", "path", "rect"}


@pytest.fixture(scope="module")
def page() -> str:
    return html.render(RUN, demo_judgement()).decode()


class Outline(HTMLParser):
    """Open tags, attributes that fetch, and ids, while checking that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [value for key in ("href", "src", "xlink:href") if (value := values.get(key))]
        self.ids += [value] if (value := values.get("id")) else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_equal_evidence_gives_equal_bytes(page: str) -> None:
    assert html.render(demo_run(), demo_judgement()).decode() == page


def test_nothing_is_fetched_and_nothing_is_scripted(page: str) -> None:
    outline = Outline(page)
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    assert "<script" not in page
    assert "url(http" not in page


def test_tags_are_balanced_and_ids_unique(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))


def test_the_verdicts_stand_before_every_plot_and_the_worst_is_first(page: str) -> None:
    places = [page.index(f'id="{law}"') for law in ("B3", "B8", "D2", "K1", "T1")]
    assert places == sorted(places)
    assert page.index("Broken: 2 laws") < places[0]
    assert places[-1] < page.index("<svg")


def test_every_plot_has_a_text_for_who_cannot_see_it_and_its_numbers_behind_it(page: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert len(figures) == 9
    for figure in figures:
        assert len(re.findall(r'<svg class="(?:wide|narrow)" [^>]*role="img" aria-label="[^"]{20,}"', figure)) == 2
        assert "<table>" in figure
        assert "data:text/csv" in figure


def test_every_colour_of_a_plot_follows_the_colour_scheme(page: str) -> None:
    plots = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}", plots)) == set()
    assert set(re.findall(r"var\(--([\w-]+)\)", plots)) <= set(PALETTE)


def test_light_colours_are_unique_so_that_a_drawing_can_name_them() -> None:
    assert len({light for light, _ in PALETTE.values()}) == len(PALETTE)


def test_a_witness_shows_its_call_with_attempts_and_arrivals(page: str) -> None:
    witness = re.search(r"call 404 ·.*?</table>", page, re.DOTALL)
    assert witness
    kinds = re.findall(r'<tr class="(\w+)">', witness[0])
    assert kinds[0] == "call"
    assert {"attempt", "arrival"} <= set(kinds)


def test_numbers_behind_a_plot_can_be_taken_away_as_csv(page: str) -> None:
    link = re.search(r'download="outcomes.csv" href="data:text/csv;charset=utf-8,([^"]*)"', page)
    assert link
    head, *rows = unquote(link[1]).strip().split("\n")
    assert head.startswith("from s,ok,")
    assert len(rows) == 88


def test_what_the_client_says_is_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script><img src=http://x/>"
    manifest = {**RUN.manifest, "run": {**RUN.manifest["run"], "question": evil}, "scenario": {"question": evil}}
    verdict = Verdict(
        "B3", "Name", "fail", evil, evil, evil, evil, witnesses=({"call": 3, "where": evil, "note": evil},)
    )
    text = html.render(replace(RUN, manifest=manifest), judgement_of(verdict)).decode()
    assert "<script" not in text
    assert "<img" not in text


def test_a_run_without_any_evidence_still_has_a_report() -> None:
    run = Run(Path("empty"), {"format": 1}, History(calls=empty("calls")))
    text = html.render(run, judgement_of(exit_code=5)).decode()
    assert "Nothing required was proven" in text
    assert Outline(text).open == []


def test_a_single_call_makes_a_report() -> None:
    history = History.literal(
        calls="""call intended_ms start_ms end_ms outcome op
                 1    1000        1000     1000   ok      observe"""
    )
    text = html.render(Run(Path("one"), {}, history), judgement_of(exit_code=0)).decode()
    assert Outline(text).open == []


def test_ten_thousand_fault_windows_and_breaker_changes_stay_within_two_megabytes() -> None:
    end = RUN.history.phases[-1].end_ns
    edges = np.linspace(START + S, end, 10_001).astype(np.int64)
    start, stop = edges[:-1], (edges[:-1] + edges[1:]) // 2
    faults = table(
        "faults",
        {
            "name": ["flap"] * 10_000,
            "kind": ["refuse"] * 10_000,
            "planned_ns": start,
            "effective_ns": start,
            "cleared_ns": stop,
        },
    )
    state = ["open", "closed"] * 5_000
    breaker = table("breaker", {"source": ["listener"] * 10_000, "state": state, "from_ns": start, "to_ns": edges[1:]})
    run = replace(RUN, history=replace(RUN.history, faults=faults, breaker=breaker))
    data = html.render(run, demo_judgement())
    assert len(data) <= 2 * 2**20
    assert b"9,500 more rows" in data


def test_a_repeated_fault_keeps_its_letter() -> None:
    rows = {"name": ["flap", "outage", "flap"], "kind": ["refuse"] * 3, "planned_ns": [START, START + S, START + 2 * S]}
    run = replace(RUN, history=replace(RUN.history, faults=table("faults", rows)))
    assert "the faults A flap · B outage, from" in html.render(run, demo_judgement()).decode()


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #rrggbb colours (WCAG 2.2, "contrast ratio")."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "raised"])
def test_text_has_the_contrast_that_tired_eyes_need(ground: str, side: int) -> None:
    texts = ["ink", "muted", "link", "fail", "invalid", "warn", "inconclusive", "pass", "neutral", "band-name"]
    assert {name for name in texts if contrast(PALETTE[name][side], PALETTE[ground][side]) < 4.5} == set()


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_lines_and_outcomes_stand_out_from_the_page(side: int) -> None:
    marks = [name for name in PALETTE if name.startswith("line-")] + ["ok", "timeout", "error", "degraded", "overflow"]
    assert {name for name in marks if contrast(PALETTE[name][side], PALETTE["paper"][side]) < 3} == set()
