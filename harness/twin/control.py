"""The commands that a parent sends on the control channel, and their replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.errors import HarnessError, UsageError
from harness.twin.process import Instance, Process

Fields = dict[str, Any]

NAMED = 10
"""So many of the sessions that would not go are named."""


async def obey(process: Process, command: Mapping[str, Any]) -> Fields:
    """Carry out one command; the reply has its `id`, `ok`, and either what it asked for or `error`."""
    identity = {"id": command["id"]} if "id" in command else {}
    try:
        do = _COMMANDS.get(str(command.get("do")))
        if do is None:
            raise UsageError(f"unknown command {command.get('do')!r}", f"one of {', '.join(_COMMANDS)}")
        return {**identity, "ok": True, **(await do(process, command))}
    except (HarnessError, KeyError, TypeError, ValueError) as error:
        words = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        return {**identity, "ok": False, "error": words}


async def _add_rule(process: Process, command: Mapping[str, Any]) -> Fields:
    rule = command["rule"]
    process.witness.rules.add(
        rule["name"], rule["kind"], rule.get("params") or {}, rule.get("only") or {}, rule.get("seed", 0)
    )
    return {}


async def _remove_rule(process: Process, command: Mapping[str, Any]) -> Fields:
    process.witness.rules.remove(command["name"])
    return {}


def _chosen(process: Process, command: Mapping[str, Any]) -> tuple[Instance, ...]:
    """The instance that a command names, or all."""
    number = command.get("instance")
    if number is None:
        return process.instances
    if not 0 <= number < len(process.instances):
        raise UsageError(f"there is no instance {number}", f"they are numbered from 0 to {len(process.instances) - 1}")
    return (process.instances[number],)


async def _pause(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in _chosen(process, command):
        instance.witness.pause()
    return {}


async def _resume(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in _chosen(process, command):
        instance.witness.resume()
    return {}


async def _kill(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in _chosen(process, command):
        instance.kill()
    return {}


async def _drain(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in _chosen(process, command):
        instance.drain(float(command["within"]))
    return {}


async def _restart(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in _chosen(process, command):
        await instance.restart()
    return {}


async def _store(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in process.instances:
        instance.witness.set_store(command["store"], command["mode"], float(command.get("slow", 0.0)))
    return {}


async def _keep_idle(process: Process, command: Mapping[str, Any]) -> Fields:
    for instance in process.instances:
        instance.witness.keeps_idle = bool(command["on"])
    return {}


async def _stats(process: Process, command: Mapping[str, Any]) -> Fields:
    return process.stats()


async def _stm(process: Process, command: Mapping[str, Any]) -> Fields:
    return {"lengths": await process.witness.backend.stm_lengths()}


async def _clear_up(process: Process, command: Mapping[str, Any]) -> Fields:
    deleted, left = await process.witness.backend.clear_up()
    return {"deleted": deleted, "left": len(left), "names": left[:NAMED]}


async def _connections(process: Process, command: Mapping[str, Any]) -> Fields:
    return {"open": sum(len(instance.witness.connections) for instance in _chosen(process, command))}


async def _stop(process: Process, command: Mapping[str, Any]) -> Fields:
    process.stop()
    return {}


_COMMANDS: Mapping[str, Callable[[Process, Mapping[str, Any]], Any]] = {
    "add_rule": _add_rule,
    "remove_rule": _remove_rule,
    "pause": _pause,
    "resume": _resume,
    "kill": _kill,
    "drain": _drain,
    "restart": _restart,
    "store": _store,
    "keep_idle": _keep_idle,
    "stats": _stats,
    "connections": _connections,
    "stm": _stm,
    "clear_up": _clear_up,
    "stop": _stop,
}
