"""Every key of the scenario file has an example that is accepted and one that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scenario_examples import EXAMPLES

from harness.errors import ScenarioError
from harness.faults import KINDS
from harness.scenario import Scenario, load_scenario
from harness.scenario.faultkeys import COMMON, FaultEntry, Only
from harness.scenario.kinds import Either, ListOf, MapOf, Record, keys_of
from harness.scenario.load import LAYERS
from harness.scenario.policykeys import WHOLE, Part

HEAD = "format: kato-harness/1\n"


# by type of a fault kind's parameter: what is accepted, what is refused
BY_TYPE = {
    "duration": ("0.5 * policy.timeout.read", "5"),
    "bytes": ("64KiB", "64 pounds"),
    "int": ("500", "several"),
    "number": ("10", "ten"),
    "text": ("some words", "[]"),
    "steps": ('["cut*4", "status:503"]', "[cut by 4]"),
    "retry_after": ("{date: 2}", "{day: 2}"),
}


def _keys(record: type, prefix: str) -> Iterator[str]:
    for word, entry in keys_of(record).items():
        yield prefix + word
        yield from _inner(entry.kind, f"{prefix}{word}.")


def _inner(kind: Any, prefix: str) -> Iterator[str]:
    if isinstance(kind, Record):
        if kind.type.__name__ != "Length":
            yield from _keys(kind.type, prefix)
    elif isinstance(kind, (ListOf, MapOf)):
        yield from _inner(kind.item, prefix)
    elif isinstance(kind, Either):
        for each in (kind.scalar, kind.list, kind.map):
            yield from _inner(each, prefix)
    elif isinstance(kind, FaultEntry):
        yield from (prefix + word for word in COMMON)
        yield from _keys(Only, f"{prefix}only.")
    elif isinstance(kind, Part) and prefix.count(".calls.") == 0:
        for word, inner in kind.keys.items():
            yield prefix + word
            yield from _inner(inner, f"{prefix}{word}.")


def _load(text: str) -> Scenario:
    head = "" if text.startswith("format:") else HEAD
    return load_scenario("case.yaml", text=head + text)


def test_every_key_has_its_examples() -> None:
    """The table above names exactly the keys that exist."""
    known = {*LAYERS, *_keys(Scenario, ""), *_inner(WHOLE, "policy.")}
    assert known == set(EXAMPLES)


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_is_accepted(key: str) -> None:
    """The accepted example loads."""
    assert _load(EXAMPLES[key][0]).format == "kato-harness/1"


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_is_refused(key: str) -> None:
    """The refused example names a place in the file and a cure."""
    with pytest.raises(ScenarioError) as caught:
        _load(EXAMPLES[key][1])
    for problem in caught.value.problems:
        assert problem.file == "case.yaml"
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.what
        assert problem.cure


def _entry(kind: str, name: str, value: str) -> str:
    """A fault of that kind with `name` as given and every other required parameter as accepted."""
    params = {param.name: _accepted(param) for param in KINDS[kind].params if param.required}
    written = ", ".join(f"{word}: {text}" for word, text in {**params, name: value}.items())
    return f"faults: [{{kind: {kind}, {written}}}]"


def _accepted(param: Any) -> str:
    return str(param.choices[0]) if param.type == "choice" else BY_TYPE[param.type][0]


PARAMS = [(kind.name, param.name) for kind in KINDS.values() for param in kind.params]


@pytest.mark.parametrize(("kind", "name"), PARAMS)
def test_a_parameter_of_a_fault_is_accepted_and_refused(kind: str, name: str) -> None:
    """Each parameter of each kind takes its unit and refuses another."""
    param = next(each for each in KINDS[kind].params if each.name == name)
    assert _load(_entry(kind, name, _accepted(param))).faults[0].params[name] is not None
    with pytest.raises(ScenarioError):
        _load(_entry(kind, name, "nonsense" if param.type == "choice" else BY_TYPE[param.type][1]))


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_parameter_is_refused_with_the_known_ones(kind: str) -> None:
    """A typo in a parameter is never a fault that does nothing."""
    with pytest.raises(ScenarioError, match="unknown key 'latencyy'"):
        _load(_entry(kind, "latencyy", "1s"))
