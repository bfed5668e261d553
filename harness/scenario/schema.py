"""The JSON Schema of scenario files (draft 2020-12), made from the table of keys that reads them."""

from __future__ import annotations

from typing import Any

from harness.scenario.kinds import keys_of
from harness.scenario.types import Scenario


def json_schema() -> dict[str, Any]:
    """The schema of a whole file, for editors: what it accepts, the reader may still refuse (names, references)."""
    keys = {name: {**entry.kind.schema(), "description": entry.doc} for name, entry in keys_of(Scenario).items()}
    layers = {
        "extends": {
            "description": "files laid under this one: maps merge, lists replace",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "environments": {
            "description": "values by environment, chosen by --env",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/overlay"},
        },
        "matrix": {
            "description": "dotted keys with lists of values: one run a cell, the worst decides",
            "type": "object",
            "additionalProperties": {"type": "array", "minItems": 1},
        },
    }
    overlay = {name: {"$ref": f"#/properties/{name}"} for name in (*keys, "matrix") if name != "format"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kato-harness scenario",
        "type": "object",
        "additionalProperties": False,
        "required": ["format"],
        "properties": {"format": keys.pop("format"), **layers, **keys},
        "$defs": {"overlay": {"type": "object", "additionalProperties": False, "properties": overlay}},
    }
