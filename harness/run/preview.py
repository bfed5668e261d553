"""`plan`: a scenario's timeline, its expected calls, and for each law whether it is provable here and what it needs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.laws import LAWS
from harness.laws.required import provable
from harness.plan import Plan
from harness.policy import Promise, to_mapping
from harness.run.mesh_preview import mesh_lines, mesh_preview
from harness.run.options import Options
from harness.run.parts import start_generator
from harness.run.prepare import Prepared, prepare, promise_of
from harness.scenario import Scenario, Timeline, resolve
from harness.scenario.promises import is_duration, key_of

NOWHERE = "http://127.0.0.1:9"
"""Where the client is told that KATO is while it is only asked what it promises (the discard port)."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen, before it does."""

    prepared: Prepared
    promise: Promise
    timeline: Timeline
    plan: Plan
    head: int
    mesh: Mapping[str, Any] | None = None

    def laws(self) -> list[tuple[str, bool, str]]:
        """(law, provable here, what it needs or what proves it)."""
        timeline, parts = self.timeline, self.prepared.layout.parts
        return [(f"{law.id} {law.name}", *provable(law.id, self.promise.policy, timeline.faults, timeline.load, parts))
                for law in LAWS.values()]  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The preview as plain values."""
        return {
            "scenario": self.prepared.scenario.name,
            "integration": self.prepared.scenario.integration.use,
            "sha256": self.plan.digest() if not self.plan.load.users else self.plan.identity(),
            "expected_calls": round(self.plan.expected_calls()),
            "sessions": self.plan.load.sessions,
            "policy": to_mapping(self.promise.policy),
            "assumed": dict(self.timeline.assumed),
            "phases": [asdict(span) for span in self.timeline.phases],
            "faults": [asdict(fault) for fault in self.timeline.faults],
            "calls": [call._asdict() for call in islice(self.plan.calls(), self.head)],
            "laws": [{"law": law, "provable": yes, "needs": words} for law, yes, words in self.laws()],
            **({"mesh": dict(self.mesh)} if self.mesh else {}),
        }

    def text(self) -> str:
        """The preview for people."""
        shown = self.as_json()
        size = f"{shown['expected_calls']} calls on {shown['sessions']} sessions"
        lines = [
            f"{shown['scenario']} on {shown['integration']}: {size}",
            f"plan sha256 {shown['sha256']}",
            "",
            "timeline (s)",
            *(f"  {_s(s.start_ns)} to {_s(s.end_ns)}  {s.name}" for s in self.timeline.phases),
            *(
                f"  {_s(f.at_ns)} to {_s(f.until_ns)}  fault {f.name}: {f.kind} {_params({**f.params, **f.only})}"
                for f in self.timeline.faults
            ),
            *_assumed(self.timeline.assumed),
            "",
            "first calls",
            *(
                f"  {call['call']:>4}  {_s(call['offset_ns'])} s  session {call['session']:<4} {call['op']}"
                for call in shown["calls"]
            ),
            "",
            *([*mesh_lines(self.mesh), ""] if self.mesh else []),
            *_proofs(self.laws()),
        ]
        return "\n".join(lines) + "\n"


def _assumed(numbers: Mapping[str, float]) -> list[str]:
    """The numbers in the times above that are the guide's, because the client neither declares nor shows its own."""
    shown = ", ".join(
        f"{path} {value:g}{' s' if is_duration(str(key_of(path))) else ''}" for path, value in numbers.items()
    )
    return [f"  by default, as the client says nothing of it: {shown}"] if shown else []


def _proofs(laws: Sequence[tuple[str, bool, str]]) -> list[str]:
    """The proof budget: what is provable, law by law, and what isn't, by what it would take."""
    missing: dict[str, list[str]] = {}
    for law, yes, words in laws:
        if not yes:
            missing.setdefault(words, []).append(law.split()[0])
    return [
        "what it can prove, and what exercises it",
        *(f"  {law:<28} {words}" for law, yes, words in laws if yes),
        "",
        "what it can't, and why",
        *(f"  {', '.join(ids):<28} {words}" for words, ids in missing.items()),
    ]


def _s(time_ns: int) -> str:
    return f"{time_ns / 1e9:8.3f}"


def _params(params: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())


def preview(scenario: Scenario, options: Options, head: int = 10, mesh: bool = False) -> Preview:
    """The preview of a scenario; the client is imported and asked what it promises, but not called.

    `mesh`: with what its mesh implies; raises UsageError where it has none.
    """
    prepared = prepare(scenario, options)
    promise = promise_of(prepared, ask(prepared))
    timeline = resolve(prepared.scenario, promise.policy, scale=prepared.scale)
    operations = tuple(timeline.load.mix)
    implied = mesh_preview(prepared.layout, promise.policy, operations) if mesh else None
    return Preview(prepared, promise, timeline, Plan.of(timeline.load, prepared.scenario.seed), head, implied)


def ask(prepared: Prepared) -> Mapping[str, Any]:
    """What the client says of itself, in a process of its own."""
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="kato-harness-")))
        (folder / "spool").mkdir()
        order = prepared.orders(folder)[0]
        part = start_generator("the client", order, folder / "client.log")
        undo.callback(part.stop)
        part.channel.send(order | {"base_url": NOWHERE, "registry": NOWHERE, "amqp": {}})
        return part.expect("ready")
