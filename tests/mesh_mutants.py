"""Seeded mutations of mesh policies: attempts, time-outs, conditions, thresholds and percentages in the guide's files
and the corrected ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.mesh import Translation, load, replica_labels, translate

DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "istio"
SEED = 11
GUIDE_PODS = ({"version": "v3.0.0"}, {"version": "v3.0.0"}, {"version": "v3.0.0", "tier": "premium"})
"""Two of the standard subset's own and one premium: the guide's Deployment alone leaves its premium users nobody."""

Json = dict[str, Any]
Change = Callable[[random.Random, Json, Json], str]


def _retries(rng: random.Random, service: Json, key: str, value: Any) -> str:
    route = rng.choice(service["spec"]["http"])
    route.setdefault("retries", {"attempts": 2})[key] = value
    return f"{route.get('name', 'route')} retries.{key}: {value}"


def attempts(rng: random.Random, service: Json, rule: Json) -> str:
    return _retries(rng, service, "attempts", rng.randint(0, 5))


def per_try(rng: random.Random, service: Json, rule: Json) -> str:
    return _retries(rng, service, "perTryTimeout", f"{rng.choice((2, 4, 7, 10, 15))}s")


def conditions(rng: random.Random, service: Json, rule: Json) -> str:
    words = ("5xx", "gateway-error", "reset", "connect-failure", "503", "5xx,reset", "gateway-error,reset", "500")
    return _retries(rng, service, "retryOn", rng.choice(words))


def route_timeout(rng: random.Random, service: Json, rule: Json) -> str:
    route = rng.choice(service["spec"]["http"])
    route["timeout"] = f"{rng.choice((5, 9, 12, 18, 25, 30))}s"
    return f"{route.get('name', 'route')} timeout: {route['timeout']}"


def max_percent(rng: random.Random, service: Json, rule: Json) -> str:
    percent = rng.choice((0, 10, 25, 33, 34, 50, 67, 100))
    rule["spec"]["trafficPolicy"]["outlierDetection"]["maxEjectionPercent"] = percent
    return f"maxEjectionPercent: {percent}"


def threshold(rng: random.Random, service: Json, rule: Json) -> str:
    key, count = rng.choice(("consecutive5xxErrors", "consecutiveGatewayErrors")), rng.randint(3, 8)
    rule["spec"]["trafficPolicy"]["outlierDetection"][key] = count
    return f"{key}: {count}"


def abort(rng: random.Random, service: Json, rule: Json) -> str:
    percent, status = rng.choice((5, 12.5, 30, 50)), rng.choice((429, 500, 503))
    service["spec"]["http"][-1]["fault"] = {"abort": {"httpStatus": status, "percentage": {"value": percent}}}
    return f"abort {percent}% with {status}"


def weights(rng: random.Random, service: Json, rule: Json) -> str:
    share = rng.choice((1, 10, 35, 50, 80))
    subsets = (("standard", 100 - share), ("high-performance", share))
    route = [{"destination": {"host": "kato", "subset": name}, "weight": part} for name, part in subsets]
    service["spec"]["http"][-1]["route"] = route
    return f"weight {share}% to high-performance"


CHANGES: tuple[Change, ...] = (
    attempts,
    per_try,
    route_timeout,
    conditions,
    max_percent,
    threshold,
    abort,
    weights,
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutated policy, in words and translated."""

    number: int
    base: str
    words: tuple[str, ...]
    translation: Translation
    labels: tuple[Mapping[str, str], ...]


def mutation(number: int) -> Mutation:
    """The mutation of that number: a pure function of it."""
    rng = random.Random(f"{SEED}:{number}")
    base = rng.choice(("guide", "fixed"))
    documents = [each for path in sorted((DEPLOY / base).glob("*.yaml")) for each in _plain(path)]
    service = next(each for each in documents if each["kind"] == "VirtualService")
    rule = next(each for each in documents if each["kind"] == "DestinationRule")
    words = tuple(dict.fromkeys(change(rng, service, rule) for change in rng.sample(CHANGES, rng.randint(1, 3))))
    nodes = [node for each in documents for node in load(json.dumps(each), f"{base}.yaml")]
    labels = GUIDE_PODS if base == "guide" else replica_labels(translate(nodes))[0]
    return Mutation(number, base, words, translate(nodes, labels), labels)


def _plain(path: Path) -> list[Json]:
    # a round trip through JSON: what an anchor shares is two things afterwards
    read = YAML(typ="safe").load_all(path.read_text(encoding="utf-8"))
    return json.loads(json.dumps([each for each in read if each]))  # type: ignore[no-any-return]
