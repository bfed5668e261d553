"""Kinds that only the scenario has: the format, the integration's name, load stages, law ids, data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.scenario.expr import Expr
from harness.scenario.expr import parse as parse_expression
from harness.scenario.kinds import Key, read_keys
from harness.scenario.leaves import (
    BAD,
    EXPRESSION,
    POSITIVE_RATE,
    RATE,
    REFERENCE,
    Leaf,
    Sink,
    Text,
    beside,
    choice,
    shown,
)
from harness.scenario.nodes import Node, Where
from harness.slo.grammar import GRAMMAR
from harness.slo.grammar import parse as parse_slo
from harness.units import NUMBER, TextError, rate_per_s

FORMAT_NAME = "kato-harness/1"


def _format(text: str) -> str:
    if text != FORMAT_NAME:
        raise TextError(f"{text!r} is not a format that this harness reads", f"write format: {FORMAT_NAME}")
    return text


FORMAT = Leaf(_format, {"const": FORMAT_NAME})


def _law(text: str) -> str:
    if not re.fullmatch(r"[A-Z]\d{1,2}", text):
        raise TextError(
            f"{text!r} is not the id of a law",
            "an id is a letter and a number, such as B3: see `kato-harness list laws`",
        )
    return text


LAW = Leaf(_law, {"type": "string", "pattern": r"^[A-Z]\d{1,2}$"})


def _slo(text: str) -> str:
    parse_slo(text)
    return text.strip()


SLO = Leaf(_slo, {"type": "string", "description": GRAMMAR})


def _abort(text: str) -> str:
    slo = parse_slo(text)
    if not slo.window:
        raise TextError("a guard looks at a window", f"add one: {text.strip()} over 10s", len(text.rstrip()))
    if slo.phase or slo.of_baseline:
        raise TextError(
            "a guard knows no phases: it looks at the last seconds", "leave `in PHASE` and `of baseline` out"
        )
    if slo.metric in ("duplicates", "lost", "amplification"):
        raise TextError(
            f"{slo.metric} isn't known while the run goes on", "use p(N), mean, max, error_rate, goodput, rate or count"
        )
    return text.strip()


ABORT = Leaf(_abort, {"type": "string", "description": "an SLO's line with over, for or within"})


_USE = re.compile(r"[^:]+\.py(:[\w.]+)?|[\w./-]+(:[\w.]+)?")


@dataclass(frozen=True, slots=True)
class Use:
    """A registered integration, `file.py:factory` relative to the file it stands in, or `package.module:factory`."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        text = node.text
        if node.kind != "scalar" or node.null or not _USE.fullmatch(text):
            return sink.note(
                node.where,
                f"{name} can't be {shown(node)}",
                "write a name of `kato-harness list integrations`, or file.py:factory",
            )
        file, colon, factory = text.partition(":")
        if file.endswith(".py") and not factory:
            return sink.note(
                node.where,
                f"{name}: {text!r} names no factory",
                f"write {text}:factory, the function that makes the client",
            )
        if not file.endswith(".py"):
            return text
        return f"{Path(node.where.file).parent / Path(file).expanduser()}{colon}{factory}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


USE = Use()


def _url(text: str) -> str:
    if text != "embedded" and not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", text):
        raise TextError(f"{text!r} is not a target", "write embedded, or a URL such as http://127.0.0.1:8000")
    return text


@dataclass(frozen=True, slots=True)
class TargetUrl:
    """`embedded`, a URL, or a reference to one."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind == "scalar" and REFERENCE.fullmatch(node.text):
            return node.text
        return Leaf(_url, {}).read(node, sink, name)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


TARGET_URL = TargetUrl()
HEALTH = Text(pattern=r"https?://\S+", meaning="URL such as http://127.0.0.1:{port}/health")


@dataclass(frozen=True, slots=True)
class Profile:
    """A named profile of the twin, or a JSON file beside the scenario."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.text.endswith(".json"):
            return beside(node)
        return choice("instant", "kato-1w", "kato-4w").read(node, sink, name)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


PROFILE = Profile()


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stretch of load as written: rates in calls/s, length as an expression over the policy. After a spike the
    rate before it goes on."""

    start_rate: float
    end_rate: float
    for_: Expr = field(default=parse_expression("10s"))
    spike: bool = False
    where: Where = field(default=Where(), compare=False)


def _ramp(text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    if not dots:
        raise TextError(f"{text!r} is not a ramp", "write two rates: 0/s..40/s")
    return rate_per_s(low), rate_per_s(high)


RAMP = Leaf(_ramp, {"type": "string", "pattern": rf"^{NUMBER}/(s|min|h)\.\.{NUMBER}/(s|min|h)$"})
_STAGES: Mapping[str, Mapping[str, Key]] = {
    "ramp": {"ramp": Key(RAMP, "from..to", True), "over": Key(EXPRESSION, "how long", True)},
    "hold": {"hold": Key(RATE, "a steady rate", True), "for": Key(EXPRESSION, "how long", True)},
    "spike": {"spike": Key(RATE, "a short high rate", True), "for": Key(EXPRESSION, "how long", True)},
}


@dataclass(frozen=True, slots=True)
class Stages:
    """A rate, or a list of stages: {ramp: a..b, over: t}, {hold: r, for: t}, {spike: r, for: t}."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind == "scalar":
            return POSITIVE_RATE.read(node, sink, name)
        if node.kind != "list" or not node.items:
            return sink.note(node.where, f"{name} needs a rate or a list of stages, not {shown(node)}", "such as 40/s")
        stages = [self._stage(item, sink) for item in node.items]
        return tuple(stage for stage in stages if stage is not BAD)

    def _stage(self, node: Node, sink: Sink) -> Any:
        word = next((word for word in _STAGES if word in node.entries), "")
        if not word:
            return sink.note(
                node.where,
                "a stage is a ramp, a hold or a spike",
                "write {hold: 40/s, for: 60s} or {ramp: 0/s..40/s, over: 10s}",
            )
        values = read_keys(node, _STAGES[word], sink, word)
        if len(values) < 2:
            return BAD
        rates = values[word] if word == "ramp" else (values[word], values[word])
        start, end = rates
        return StageSpec(start, end, values["over" if word == "ramp" else "for"], word == "spike", node.where)

    def schema(self) -> dict[str, Any]:
        stages = [
            {
                "type": "object",
                "additionalProperties": False,
                "required": list(keys),
                "properties": {name: entry.kind.schema() for name, entry in keys.items()},
            }
            for keys in _STAGES.values()
        ]
        return {"anyOf": [POSITIVE_RATE.schema(), {"type": "array", "minItems": 1, "items": {"anyOf": stages}}]}


STAGES = Stages()
