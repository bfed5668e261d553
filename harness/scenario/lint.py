"""What is wrong with scenario files, all of it, without running them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import Problem, ScenarioError, UsageError
from harness.policy import Policy, from_mapping
from harness.scenario.leaves import suggest
from harness.scenario.load import cells, load_scenario
from harness.scenario.nodes import find
from harness.scenario.references import at
from harness.scenario.timeline import resolve
from harness.scenario.types import Scenario


def lint(
    paths: Iterable[str | Path], *, laws: Collection[str] = (), policies: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Every problem of these files, in their order, with times resolved for the policy that each one carries.

    `laws` are the known ids (none: ids are not checked). `policies` maps integrations to what they declare, for
    scenarios without a policy of their own.
    """
    return [problem for path in paths for problem in _file(path, laws, policies or {})]


def _file(path: str | Path, laws: Collection[str], policies: Mapping[str, Any]) -> list[Problem]:
    try:
        scenario = load_scenario(path)
        problems = [problem for cell in cells(scenario) for problem in _times(cell, policies)]
    except ScenarioError as error:
        return list(error.problems)
    except UsageError as error:
        return [Problem(str(path), 1, 1, error.what, error.cure)]
    return list(dict.fromkeys([*problems, *(unknown_laws(scenario, laws) if laws else ())]))


def _times(scenario: Scenario, policies: Mapping[str, Any]) -> list[Problem]:
    declared = scenario.policy or policies.get(scenario.integration.use) or {}
    try:
        resolve(scenario, from_mapping(declared) if declared else Policy())
    except ScenarioError as error:
        return list(error.problems)
    return []


def named_laws(scenario: Scenario) -> dict[str, str]:
    """The ids under `laws` and `known`, by their place in the file."""
    named = {
        **{f"laws.watch.{index}": law for index, law in enumerate(scenario.laws.watch)},
        **{f"laws.skip.{law}": law for law in scenario.laws.skip},
        **{f"known.{index}.law": known.law for index, known in enumerate(scenario.known)},
    }
    if isinstance(scenario.laws.require, tuple):
        named |= {f"laws.require.{index}": law for index, law in enumerate(scenario.laws.require)}
    return named


def unknown_laws(scenario: Scenario, laws: Collection[str]) -> list[Problem]:
    """A problem for each id that a scenario names and that isn't one of `laws`."""
    return [
        at(scenario, place).problem(f"there is no law {law}", suggest(law, laws))
        for place, law in named_laws(scenario).items()
        if law not in laws and find(scenario.tree, place) is not None
    ]


def text_of(problems: Iterable[Problem]) -> str:
    """The problems as lines for a terminal, one blank line between files."""
    lines: list[str] = []
    file = None
    for problem in problems:
        if file not in (None, problem.file):
            lines.append("")
        file = problem.file
        lines.append(str(problem))
    return "\n".join(lines)
