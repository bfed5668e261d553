"""What a run may touch, and how an accepted failure is written down."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness.errors import ScenarioError, UsageError
from harness.scenario import Scenario, check_permissions, load_scenario
from harness.scenario.guards import destructive_parts, loopback
from harness.scenario.known import add_known

HEAD = "format: kato-harness/1\n"


def _load(text: str) -> Scenario:
    return load_scenario("case.yaml", text=HEAD + text)


@pytest.mark.parametrize(
    ("host", "mine"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("kato", False),
        ("127.0.0.1.evil", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, mine: bool) -> None:
    """Names that only look like loopback are not."""
    assert loopback(host) is mine


def test_a_target_elsewhere_needs_leave() -> None:
    """By the scenario's guards or the command line; loopback needs none."""
    check_permissions(_load("target: http://127.0.0.1:8000"))
    away = "target: http://kato.internal:8000"
    with pytest.raises(UsageError, match=r"--allow-target kato\.internal"):
        check_permissions(_load(away))
    check_permissions(_load(away), targets=["kato.internal"])
    check_permissions(_load(f"{away}\nguards: {{allow_target: [kato.internal]}}"))


def test_a_target_behind_a_reference_is_checked_when_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret URL is no way around the guard, and its value is not printed but for the host."""
    monkeypatch.setenv("KATO_URL", "http://user:pw@kato.internal")
    with pytest.raises(UsageError, match=r"kato\.internal") as caught:
        check_permissions(_load("target: '${env:KATO_URL}'"))
    assert "pw" not in str(caught.value)


def test_learning_on_a_foreign_kato_needs_leave() -> None:
    """Patterns stay there."""
    text = "target: http://127.0.0.1:8000\nload: {mix: {observe: 1, learn: 1}}"
    with pytest.raises(UsageError, match="--allow-writes"):
        check_permissions(_load(text))
    check_permissions(_load(text), writes=True)
    check_permissions(_load("load: {mix: {observe: 1, learn: 1}}"))


def test_what_is_marked_destructive_needs_leave() -> None:
    """A mark on the scenario or a fault; a kind that is destructive by nature, but not on our own throw-away KATO."""
    assert destructive_parts(_load("destructive: true\nfaults: [{name: a, kind: refuse, destructive: true}]")) == (
        "the scenario",
        "a",
    )
    external = "faults: [{name: pod, kind: external, apply: a, undo: b, proof: status(/health) != 200}]"
    with pytest.raises(UsageError, match="marked destructive: pod"):
        check_permissions(_load(external))
    check_permissions(_load(external), destructive=True)
    check_permissions(_load("faults: [{kind: kill}]"))


def test_more_sessions_than_nodes_on_a_foreign_kato_are_refused() -> None:
    """A KATO worker keeps 100 nodes and deletes the vectors of the one it evicts."""
    with pytest.raises(ScenarioError, match="more than"):
        _load("target: http://127.0.0.1:1\nload: {sessions: {concurrent: 81}}")
    assert _load("load: {sessions: {concurrent: 500}}").load.sessions.concurrent == 500


def test_an_accepted_failure_ends_with_its_date() -> None:
    """The last day still counts."""
    (known,) = _load("known: [{law: D2, reason: r, at_most: 3 per 1000, until: 2027-02-01}]").known
    assert not known.expired(datetime.date(2027, 2, 1))
    assert known.expired(datetime.date(2027, 2, 2))
    assert known.at_most == 0.003


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "known: []\n",
        "known: [{law: B1, reason: x, until: 2030-01-01}]\n",
        "known:\n- law: B1\n  reason: x\n  until: 2030-01-01",
        "known:\n  # why\n  - {law: B1, reason: x, until: 2030-01-01}\n\nslos: {a: lost == 0}\n",
    ],
)
def test_accepting_a_failure_adds_one_line_and_touches_nothing_else(tail: str, tmp_path: Path) -> None:
    """Comments, order and style of the file stay."""
    path = tmp_path / "case.yaml"
    path.write_text(f"{HEAD}load: 20/s  # as in production\n{tail}")
    before = load_scenario(path).known
    add_known(path, {"law": "D2", "reason": 'said: "later" #1', "until": "2031-01-01"})
    after = load_scenario(path).known
    assert [known.law for known in after] == ["D2", *(known.law for known in before)]
    assert after[0].reason == 'said: "later" #1'
    assert "# as in production" in path.read_text()


@pytest.mark.parametrize(
    "item",
    ["{law: D2, reason: x, until: 2030-01-01}", "law: D2\n  reason: x\n  until: 2030-01-01"],
    ids=["flow", "block"],
)
def test_accepting_again_replaces_the_laws_general_entry(item: str, tmp_path: Path) -> None:
    """An entry for one place stays, and so do the comments around."""
    path = tmp_path / "case.yaml"
    other = "- {law: D2, where: {op: observe}, reason: y, until: 2030-01-01}"
    path.write_text(f"{HEAD}known:\n- {item}\n\n# about the next\n{other}\n")
    add_known(path, {"law": "D2", "reason": "null", "until": "2031-01-01"})
    assert [(known.reason, known.until.year) for known in load_scenario(path).known] == [("null", 2031), ("y", 2030)]
    assert f"\n\n# about the next\n{other}\n" in path.read_text()


def test_accepting_what_can_not_be_accepted_changes_nothing(tmp_path: Path) -> None:
    """The new text is read before it is written."""
    path = tmp_path / "case.yaml"
    path.write_text(HEAD)
    with pytest.raises(ScenarioError, match="can't be accepted"):
        add_known(path, {"law": "X1", "reason": "r", "until": "2031-01-01"})
    assert path.read_text() == HEAD


def test_a_list_of_another_file_is_not_copied(tmp_path: Path) -> None:
    """Lists replace: a list here would hide the one that is extended."""
    (tmp_path / "base.yaml").write_text(f"{HEAD}known: [{{law: B1, reason: x, until: 2030-01-01}}]\n")
    path = tmp_path / "case.yaml"
    path.write_text(f"{HEAD}extends: base.yaml\n")
    with pytest.raises(UsageError, match="extends"):
        add_known(path, {"law": "D2", "reason": "r", "until": "2031-01-01"})
