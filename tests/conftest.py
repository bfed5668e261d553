"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

collect_ignore_glob = ["clients/*", "data/*"]
"""Scenario files that tests use are no tests themselves."""

settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")
