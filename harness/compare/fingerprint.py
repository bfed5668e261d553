"""What must be equal for two runs to be compared: the machine, the versions, and the experiment; not the client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def fingerprint(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Dotted key to value: machine and versions as the run folder has them, what was offered, and to what.

    Seeds and clients are left out: runs of one comparison differ in them. So is the number of sessions that follows
    from a client's promises, unless the scenario gives one.
    """
    run, scenario = manifest.get("run", {}), manifest.get("scenario", {})
    load = dict(manifest.get("load", {}))
    if "concurrent" not in scenario.get("load", {}).get("sessions", {}):
        load.pop("sessions", None)
    return _flat(
        {
            **manifest.get("machine", {}),
            "load": load,
            "faults": manifest.get("faults", []),
            "target": scenario.get("target", run.get("target", "")),
            "scale": run.get("scale", ""),
            "virtual": bool(manifest.get("facts", {}).get("virtual", False)),
        }
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return flat


def differences(one: Mapping[str, str], other: Mapping[str, str], despite: Iterable[str] = ()) -> list[str]:
    """One line for each key whose values differ, but those of `despite`."""
    keys = sorted(({*one} | {*other}) - {*despite})
    return [
        f"{key}: {one.get(key, 'unknown')} against {other.get(key, 'unknown')}"
        for key in keys
        if one.get(key) != other.get(key)
    ]
