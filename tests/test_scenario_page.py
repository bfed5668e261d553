"""The page about the scenario file: its examples load, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
from scenario_examples import EXAMPLES

from harness.policy import from_mapping
from harness.scenario import cells, json_schema, load_scenario, resolve
from harness.scenario.kinds import keys_of
from harness.scenario.nodes import parse, plain
from harness.slo.grammar import GRAMMAR, KEYS, METRICS, SERIES

PAGE = (Path(__file__).parent.parent / "docs" / "scenario.md").read_text()
LEAST, EVERYTHING = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", [LEAST, EVERYTHING], ids=["least", "everything"])
def test_the_pages_examples_load_and_resolve(text: str) -> None:
    """In every cell and environment, and editors agree."""
    scenario = load_scenario("page.yaml", text=text)
    jsonschema.validate(plain(parse(text, "page.yaml")), json_schema())
    for cell in cells(scenario):
        timeline = resolve(cell, from_mapping(scenario.policy))
        assert timeline.end_ns > max(fault.until_ns for fault in timeline.faults)


def test_everything_overrides_every_default() -> None:
    """The example of every key sets each top-level key that has no stand-in in the text below it."""
    written = set(plain(parse(EVERYTHING, "page.yaml")))
    assert written >= set(keys_of(type(load_scenario("page.yaml", text=LEAST))))


def test_the_page_names_every_key() -> None:
    """A key that isn't on the page doesn't exist for its readers."""
    words = set(re.findall(r"\w+", PAGE))
    assert {part for key in EXAMPLES for part in key.split(".")} <= words


def test_the_page_names_the_whole_language_of_slos() -> None:
    """Grammar, metrics, series and keys."""
    assert GRAMMAR in PAGE
    assert all(word.split("(")[0] in PAGE for word in (*METRICS, *SERIES, *KEYS))
