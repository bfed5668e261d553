"""Fault rules of the witness: which requests they hit (`only`), in what order, and with what effect.

Every choice is a function of the rule's seed and of how many requests matched it so far, so that equal traffic meets
equal faults whatever the clock did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from harness.errors import UsageError
from harness.rng import Stream
from harness.twin import effects
from harness.twin.effects import After, Before, Delay, Effect
from harness.twin.http import Request

Choose = Callable[[int, int], Effect | None]
"""(how many requests the rule picked before this one, now in ns) → what happens to this one; None: nothing."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A rule's behaviour: what it does request by request, and what it does to a canary that asks for it."""

    choose: Choose
    canary: Effect


@dataclass(frozen=True, slots=True)
class Only:
    """Which requests a rule hits: op, path, header and instance look at the request, the others at its number among
    those."""

    op: str | None = None
    path: str | None = None
    header: str | None = None
    nth: int | None = None
    first: int | None = None
    every: int | None = None
    share: float | None = None
    instance: int | None = None

    def matches(self, request: Request, op: str, instance: int) -> bool:
        """Is the request of the kind asked for?"""
        return (
            (self.op is None or self.op == op)
            and (self.instance is None or self.instance == instance)
            and (self.path is None or _path_matches(self.path, request.path))
            and (self.header is None or _header_matches(self.header, request.headers))
        )

    def picks(self, number: int, draws: Stream) -> bool:
        """Is the `number`-th (1, 2, …) matching request hit?"""
        return (
            (self.nth is None or number == self.nth)
            and (self.first is None or number <= self.first)
            and (self.every is None or number % self.every == 0)
            and (self.share is None or draws.unit(number) < self.share)
        )


def _path_matches(pattern: str, path: str) -> bool:
    return fnmatchcase(path, pattern) if any(sign in pattern for sign in "*?[") else path.startswith(pattern)


def _header_matches(wanted: str, headers: Mapping[str, str]) -> bool:
    name, has_value, value = wanted.partition("=")
    found = headers.get(name.strip().lower())
    return found is not None and (not has_value or found == value.strip())


class Rule:
    """One installed rule with its counters: `matched` requests of its kind, `picked` those that were its turn."""

    __slots__ = ("_draws", "kind", "matched", "name", "only", "picked")

    def __init__(self, name: str, kind: Kind, only: Only, seed: int) -> None:
        self.name = name
        self.kind = kind
        self.only = only
        self.matched = 0
        self.picked = 0
        self._draws = Stream(seed, f"rule/{name}")

    def decide(self, request: Request, op: str, now_ns: int, instance: int) -> Effect | None:
        """The effect on this request, or None; advances the counters."""
        if not self.only.matches(request, op, instance):
            return None
        self.matched += 1
        if not self.only.picks(self.matched, self._draws):
            return None
        effect = self.kind.choose(self.picked, now_ns)
        self.picked += 1
        return effect


@dataclass(slots=True)
class Verdict:
    """What all rules together do to one request; `fault` names the rule that decided, `delay` is in seconds."""

    fault: str = ""
    delay: float = 0.0
    effect: Before | After | None = None


class Rules:
    """The installed rules in the order of their arrival: delays add up, the first other effect wins."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, name: str, kind: str, params: Mapping[str, Any], only: Mapping[str, Any], seed: int = 0) -> None:
        """Install a rule; raises UsageError for an unknown kind, parameter or `only` key, or a name in use."""
        if name in self._rules:
            raise UsageError(f"rule {name!r} is installed already", "remove it first or take another name")
        self._rules[name] = Rule(name, make_kind(kind, params), make_only(only), seed)

    def remove(self, name: str) -> None:
        """Take a rule away; raises UsageError when there is none of that name."""
        if self._rules.pop(name, None) is None:
            raise UsageError(f"no rule is named {name!r}", f"installed: {', '.join(self._rules) or 'none'}")

    def decide(self, request: Request, op: str, now_ns: int, instance: int = 0) -> Verdict:
        """What happens to this request at an instance; every rule's counters advance, whichever wins."""
        verdict = Verdict()
        for rule in self._rules.values():
            effect = rule.decide(request, op, now_ns, instance)
            if effect is not None:
                _merge(verdict, rule.name, effect)
        return verdict

    def for_canary(self, name: str) -> Verdict:
        """The effect of the rule that a canary names, whatever its `only` says; no counter moves."""
        verdict = Verdict()
        rule = self._rules.get(name)
        if rule is not None:
            _merge(verdict, name, rule.kind.canary)
        return verdict

    def counters(self) -> dict[str, dict[str, int]]:
        """Per rule how many requests matched and how many of those it picked."""
        return {name: {"matched": rule.matched, "picked": rule.picked} for name, rule in self._rules.items()}


def _merge(verdict: Verdict, name: str, effect: Effect) -> None:
    if isinstance(effect, Delay):
        verdict.delay += effect.seconds
        verdict.fault = verdict.fault or name
    elif verdict.effect is None:
        verdict.effect = effect
        verdict.fault = name


def make_only(only: Mapping[str, Any]) -> Only:
    """The filter from its keys; raises UsageError for a key that it doesn't know."""
    try:
        return Only(**only)
    except TypeError:
        known = ", ".join(Only.__dataclass_fields__)
        unknown = ", ".join(set(only) - set(Only.__dataclass_fields__))
        raise UsageError(f"`only` has no key {unknown}", f"its keys are {known}") from None


def make_kind(kind: str, params: Mapping[str, Any]) -> Kind:
    """The behaviour of a fault kind with these parameters; raises UsageError where either is unknown."""
    make = _KINDS.get(kind)
    if make is None:
        raise UsageError(f"the witness has no fault kind {kind!r}", f"its kinds are {', '.join(_KINDS)}")
    try:
        return make(**params)
    except (TypeError, ValueError) as error:
        raise UsageError(f"fault kind {kind}: {error}", "`kato-harness list faults` shows the parameters") from None


def _always(effect: Effect) -> Kind:
    return Kind(lambda turn, now_ns: effect, effect)


def _status(status: int = 503, retry_after: Any = None, body: str = "kato") -> Kind:
    return _always(Before(lambda request: effects.status_fate(request, status, body, retry_after)))


def _delay(delay: float) -> Kind:
    return _always(Delay(delay))


def _drip(every: float, bytes: int = 1, total: int = 20) -> Kind:
    return _always(effects.drip(bytes, every, total))


def _truncate(after: int = 10) -> Kind:
    return _always(effects.truncate(after))


def _malformed() -> Kind:
    return _always(effects.rewritten(effects.malformed))


def _empty_body() -> Kind:
    return _always(effects.rewritten(lambda reply: (reply.headers, b"")))


def _wrong_content_type() -> Kind:
    page = {"content-type": "text/html; charset=utf-8"}
    return _always(effects.rewritten(lambda reply: ({**reply.headers, **page}, effects.HTML_PAGE)))


def _huge_body(bytes: int) -> Kind:
    return _always(effects.huge(bytes))


def _drop_after(how: str = "close") -> Kind:
    return _always(After(lambda request, reply: effects.cut(how)))


def _status_after(status: int = 500) -> Kind:
    return _always(After(lambda request, reply: effects.status_fate(request, status)))


def _drop_before(how: str = "close") -> Kind:
    return _always(Before(lambda request: effects.cut(how)))


def _sequence(steps: Sequence[str]) -> Kind:
    cycle = [effect for word in steps for effect in _sequence_step(word)]
    if not cycle:
        raise ValueError("steps is empty")
    probe = next((effect for effect in cycle if effect is not None), Delay(0.0))
    return Kind(lambda turn, now_ns: cycle[turn % len(cycle)], probe)


def _sequence_step(text: str) -> list[Effect | None]:
    word, _, times = text.replace(" ", "").partition("*")
    name, _, value = word.partition(":")
    effect: Effect | None
    if name == "ok":
        effect = None
    elif name == "cut":
        effect = _drop_before().canary
    elif name == "drop":
        effect = _drop_after().canary
    elif name == "status":
        effect = _status(int(value)).canary
    else:
        raise ValueError(f"step {text!r} is none of ok, cut, status:N, drop")
    return [effect] * int(times or 1)


def _quota(rate: float, burst: int = 1) -> Kind:
    """Token bucket: `burst` requests at once, `rate` a second after that; the others get 429 with Retry-After."""
    tokens, filled_ns = float(burst), -1

    def choose(turn: int, now_ns: int) -> Effect | None:
        nonlocal tokens, filled_ns
        earned = (now_ns - filled_ns) * rate / 1e9 if filled_ns >= 0 else 0.0
        tokens, filled_ns = min(float(burst), tokens + earned), now_ns
        if tokens >= 1:
            tokens -= 1
            return None
        return _too_many((1 - tokens) / rate)

    return Kind(choose, _too_many(1 / rate))


def _too_many(wait: float) -> Before:
    return Before(lambda request: effects.status_fate(request, 429, retry_after=max(1, math.ceil(wait))))


_KINDS: Mapping[str, Callable[..., Kind]] = {
    "status": _status,
    "delay": _delay,
    "drip": _drip,
    "truncate": _truncate,
    "malformed": _malformed,
    "empty_body": _empty_body,
    "wrong_content_type": _wrong_content_type,
    "huge_body": _huge_body,
    "commit_then_drop": _drop_after,
    "commit_then_status": _status_after,
    "drop_before_commit": _drop_before,
    "sequence": _sequence,
    "quota": _quota,
}
