"""Cases replayed over anything that sends a request and gives back status, headers and body."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.conform.compare import differences
from harness.conform.contract import ANY_BODY, NO_BODY, Case, Step
from harness.conform.exchanges import Exchange
from harness.conform.report import Row

Reply = tuple[int, Mapping[str, str], bytes]
Send = Callable[[str, str, Mapping[str, str], bytes], Reply]
"""(method, path with query, headers, body) to (status, headers with lower-case names, body)."""

Sleep = Callable[[float], None]

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_JSON = "application/json"


def new_run() -> str:
    """A word for `${run}` that keeps this replay's nodes apart from those of all others."""
    return f"{secrets.randbelow(9 * 10**9) + 10**9}"


def replay(cases: Iterable[Case], send: Send, sleep: Sleep) -> Iterator[Row]:
    """One row a step, in order."""
    run = new_run()
    for number, case in enumerate(cases):
        variables = {"run": f"{run}{number:03d}"}
        for at, step in enumerate(case.steps, 1):
            yield replay_step(case.name, at, step, variables, send, sleep)


def replay_exchanges(exchanges: Iterable[Exchange], send: Send, sleep: Sleep) -> Iterator[Row]:
    """One row an exchange, in order; sessions go from one to the next."""
    variables = {"run": new_run()}
    for exchange in exchanges:
        yield replay_step(exchange.scenario, exchange.number, exchange.step, variables, send, sleep)


def replay_step(case: str, number: int, step: Step, variables: dict[str, str], send: Send, sleep: Sleep) -> Row:
    """Send one step; what it saves is added to `variables`."""
    if step.wait_s:
        sleep(step.wait_s)
    path = str(filled(step.path, variables))
    status, headers, raw = send(step.method, path, *request_of(step, variables))
    body = body_of(headers, raw)
    if step.save and isinstance(body, dict) and isinstance(body.get("session_id"), str):
        variables[step.save] = body["session_id"]
    expected = step.expected
    wanted = replace(expected, body=filled(expected.body, variables), headers=dict(filled(expected.headers, variables)))
    wrong = differences(path, wanted, status, headers, body)
    endpoint = f"{step.method} {_VARIABLE.sub('{id}', step.path)}"
    return Row(endpoint, case, number, _told(wanted.status, wanted.body), _told(status, body), tuple(wrong))


def request_of(step: Step, variables: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a step; JSON unless its own headers say otherwise."""
    headers = {name.lower(): str(filled(value, variables)) for name, value in step.headers.items()}
    if step.raw is not None:
        headers.setdefault("content-type", _JSON)
        return headers, str(filled(step.raw, variables)).encode()
    if step.body is not NO_BODY:
        headers.setdefault("content-type", _JSON)
        return headers, json.dumps(filled(step.body, variables)).encode()
    return headers, b""


def body_of(headers: Mapping[str, str], raw: bytes) -> Any:
    """A JSON body parsed, any other as text."""
    if raw and headers.get("content-type", "").startswith(_JSON):
        try:
            return json.loads(raw)
        except ValueError:
            pass
    return raw.decode("utf-8", "replace")


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """`value` with each `${name}` replaced; a name without a value stays."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if isinstance(value, Mapping):
        return {filled(key, variables): filled(item, variables) for key, item in value.items()}
    return value


def _told(status: int, body: Any) -> str:
    if body is ANY_BODY:
        return f"{status} …"
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return f"{status} {text}".strip()
