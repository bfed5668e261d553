"""The scenario file: YAML to Scenario with all problems at once, and Scenario with a Policy to a Timeline."""

from __future__ import annotations

from harness.scenario.load import cells, given, load_scenario, override
from harness.scenario.timeline import Timeline, resolve
from harness.scenario.types import Scenario

__all__ = ["Scenario", "Timeline", "cells", "given", "load_scenario", "override", "resolve"]
