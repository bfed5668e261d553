"""What an integration's own attribute `policy` promises, held to the keys of a scenario's `policy`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.policy.merge import flatten, is_seconds, unflatten
from harness.scenario.leaves import Sink
from harness.scenario.nodes import parse
from harness.scenario.policykeys import WHOLE


def checked(policy: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The nested policy (durations in float seconds) as a scenario file's would be read.

    Raises UsageError with everything that can't be. `where`: whose it is, as app/kato.py:Client.
    """
    written = {key: f"{value:.9f}s" if is_seconds(key, value) else value for key, value in flatten(policy).items()}
    sink = Sink()
    found: Any = WHOLE.read(parse(json.dumps(unflatten(written)), where), sink, "policy")
    if sink:
        told = "\n".join(f"  {each.what}\n    cure: {each.cure}" for each in sink)
        raise UsageError(f"the policy of {where} can't be read\n{told}", "its keys are those of a scenario's `policy`")
    return dict(found)
