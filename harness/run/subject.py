"""The service under test in a run: started with KATO's address in its environment, load pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import PartMissing, UsageError
from harness.scenario.secrets import reveal
from harness.scenario.subject import Subject as Spec
from harness.scenario.types import Target
from harness.stack import subject
from harness.stack.ports import free_port

HasConsumer = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Service:
    """A subject that is up. `base_url` is where load goes ('': not over HTTP); `child` is None where it isn't ours."""

    base_url: str
    child: subject.Subject | None = None

    def facts(self) -> dict[str, Any]:
        """What became of it, for the manifest; an end that the run did not ask for is evidence, not an error."""
        if self.child:
            self.child.look()
        exits = self.child.exits if self.child else []
        ended = [{"time_ns": time_ns, "exit_code": code} for time_ns, code in exits]
        return {"subject": {"ours": self.child is not None, "url": self.base_url, "exits": ended}}


def up(
    spec: Spec, told: Mapping[str, str], folder: Path, cwd: Path, undo: ExitStack, has_consumer: HasConsumer | None
) -> Service:
    """The service, up and measured. `told` is added to its environment: KATO_URL and what else there is.

    Raises PartMissing when it does not become ready, UsageError for a queue without a broker.
    """
    port = free_port()
    ready = _readiness(subject.filled(str(reveal(spec.ready)), port), has_consumer)
    origin = subject.filled(str(reveal(spec.origin)), port)
    if not spec.command:
        subject.await_other(spec.ready or origin, ready, spec.within)
        return Service(origin)
    own = {name: subject.filled(str(value), port) for name, value in reveal(spec.env).items()}
    env = {**told, "PORT": str(port), **own}
    command = subject.filled(str(spec.command), port)
    child = subject.start(command, env, cwd, folder / "logs" / "subject.log", ready, spec.within)
    undo.callback(child.stop)
    meter = subject.Meter(child, folder / "spool" / "subject.raw")
    undo.callback(meter.close)
    return Service(origin, child)


def kato_of(target: Target, logs: Path, cwd: Path, undo: ExitStack) -> str:
    """The URL of a real KATO, which is started where it has a command; raises PartMissing where none is."""
    if not target.command:
        from harness.twin.forward.target import nobody_at  # late: a run on the embedded KATO needs none of it

        url = str(reveal(target.url))
        if words := nobody_at(url):
            raise PartMissing(f"nobody listens at the KATO's URL {target.url}: {words}", "start it, or name its URL")
        return url
    port = free_port()
    ready = subject.filled(str(reveal(target.ready)), port)
    env = {name: subject.filled(str(value), port) for name, value in reveal(target.env).items()}
    command = subject.filled(str(reveal(target.command)), port)
    up_at = subject.filled(str(reveal(target.origin)), port)
    child = subject.start(
        command, {"PORT": str(port), **env}, cwd, logs / "kato.log", lambda: subject.answers(ready), target.within,
        "the KATO",
    )  # fmt: skip
    undo.callback(child.stop)
    return up_at


def _readiness(ready: str, has_consumer: HasConsumer | None) -> Callable[[], bool]:
    if not ready.startswith("queue:"):
        return (lambda: subject.answers(ready)) if ready else (lambda: True)
    if has_consumer is None:
        raise UsageError(f"{ready} is a queue, and the run has no broker", "add topology: {broker: rabbitmq}")
    return lambda: has_consumer(ready.removeprefix("queue:"))
