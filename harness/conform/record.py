"""Cases recorded anew from a server: the same requests, with the answers of today (contract data of a new release)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from harness.conform.contract import NO_BODY, Case, Step
from harness.conform.replay import Send, Sleep, body_of, filled, new_run, request_of
from harness.conform.wire import sender


def record(url: str, cases: Iterable[Case]) -> str:
    """The requests of `cases` with the answers of the server at `url`, as the text of a case file.

    Raises UsageError for a bad URL, PartMissing where nobody answers.
    """
    with sender(url) as send:
        lines = [json.dumps(case, ensure_ascii=False) for case in recorded(cases, send, time.sleep)]
    return "".join(f"{line}\n" for line in lines)


def recorded(cases: Iterable[Case], send: Send, sleep: Sleep) -> list[dict[str, Any]]:
    """The cases as records of a case file, each with the answer that came."""
    run = new_run()
    return [_recorded(case, send, sleep, f"{run}{number:03d}") for number, case in enumerate(cases)]


def _recorded(case: Case, send: Send, sleep: Sleep, run: str) -> dict[str, Any]:
    variables = {"run": run}
    return {"case": case.name, "steps": [_asked(step, variables, send, sleep) for step in case.steps]}


def _asked(step: Step, variables: dict[str, str], send: Send, sleep: Sleep) -> dict[str, Any]:
    sleep(step.wait_s)
    started = time.monotonic()
    status, headers, raw = send(step.method, str(filled(step.path, variables)), *request_of(step, variables))
    elapsed_ms = round((time.monotonic() - started) * 1000, 1)
    body = body_of(headers, raw)
    if step.save and isinstance(body, dict) and isinstance(body.get("session_id"), str):
        variables[step.save] = body["session_id"]
    answer = {"status": status, "content_type": headers.get("content-type", ""), "body": _generic(body, variables)}
    return {**_request(step), "expect": answer, "elapsed_ms": elapsed_ms}


def _request(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"method": step.method, "path": step.path}
    optional = {"save": step.save, "raw": step.raw, "headers": dict(step.headers), "wait_s": step.wait_s}
    told |= {name: value for name, value in optional.items() if value}
    return told if step.body is NO_BODY else {**told, "body": step.body}


def _generic(body: Any, variables: Mapping[str, str]) -> Any:
    """The body with `${name}` in place of what this recording made up."""
    names = {value: f"${{{name}}}" for name, value in variables.items()}
    pattern = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))

    def generic(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda found: names[found[0]], value)
        if isinstance(value, list):
            return [generic(item) for item in value]
        if isinstance(value, dict):
            return {key: generic(item) for key, item in value.items()}
        return value

    return generic(body)
