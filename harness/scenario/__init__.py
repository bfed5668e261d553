"""The scenario file: YAML to Scenario with all problems at once, and Scenario with a Policy to a Timeline."""

from __future__ import annotations

from harness.scenario.guards import check_permissions
from harness.scenario.lint import lint, text_of
from harness.scenario.load import cells, given, load_scenario, override
from harness.scenario.schema import json_schema
from harness.scenario.secrets import reveal
from harness.scenario.timeline import Timeline, resolve
from harness.scenario.types import Scenario

__all__ = [
    "Scenario",
    "Timeline",
    "cells",
    "check_permissions",
    "given",
    "json_schema",
    "lint",
    "load_scenario",
    "override",
    "resolve",
    "reveal",
    "text_of",
]
