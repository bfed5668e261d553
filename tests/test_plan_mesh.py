"""`plan --mesh`: what the YAML implies, said before any traffic."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.run import Options, shipped_scenario
from harness.run.preview import preview
from harness.scenario import load_scenario


def said(env: str | None, name: str = "mesh_slow") -> str:
    scenario = load_scenario(shipped_scenario(name), env=env)
    return preview(scenario, Options(integration="fixed-requests"), 0, True).text()


def test_the_guides_files_eject_nobody_and_leave_premium_users_without_end() -> None:
    """Ten times as fast, as the client: 3 s of route, 1 s a try, four attempts at worst."""
    text = said("guide")
    assert "time-out 3 s, per try 1 s" in text
    assert "at worst 4 attempts on the wire" in text
    assert "none of 3 endpoints can be ejected" in text
    assert "time-out never, per try never" in text
    assert "POST is sent again after 500, 502, 503, 504, reset" in text


def test_the_corrected_files_bound_everything_and_eject_after_the_fifth() -> None:
    text = said(None)
    assert "endpoints can be ejected after 5 503s in a row" in text
    assert "time-out never" not in text


def test_a_scenario_without_a_mesh_has_nothing_to_imply() -> None:
    with pytest.raises(UsageError) as caught:
        said(None, "demo")
    assert "topology: {mesh:" in caught.value.cure


def test_labels_come_from_the_workloads_in_the_files() -> None:
    assert "labels from: the workloads in the files" in said("guide")


def test_a_plan_names_the_numbers_that_its_client_does_not_say() -> None:
    """`fast` has no breaker, so a recovery that waits for one takes the guide's; its read time-out is its own."""
    brownout, steady = (load_scenario(shipped_scenario(name)) for name in ("brownout", "steady"))
    shown = preview(brownout, Options(integration="fast"), 0)
    assert shown.timeline.assumed.keys() == {"policy.breaker.reset_timeout"}
    assert f"policy.breaker.reset_timeout {shown.timeline.assumed['policy.breaker.reset_timeout']:g} s" in shown.text()
    assert "by default" not in preview(steady, Options(integration="fast"), 0).text()
