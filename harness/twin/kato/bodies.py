"""Request bodies as FastAPI reads them: content type, JSON, then the fields (contract, section 3)."""

from __future__ import annotations

import json
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from harness.twin.kato.messages import CrashError, Request, detail
from harness.twin.kato.validation import (
    MISSING,
    Check,
    Errors,
    anything,
    boolean,
    dict_of,
    integer,
    list_of,
    model,
    number,
    optional,
    record,
    string,
)


class Observation(msgspec.Struct, gc=False):
    """An observe body. Decoding straight into it accepts a part of what KATO accepts, and nothing that it refuses."""

    strings: list[str] = []
    vectors: list[list[float]] = []
    emotives: dict[str, float] = {}
    metadata: dict[str, Any] = {}


decode_observation = msgspec.json.Decoder(Observation).decode

_OBSERVATION: dict[str, tuple[Check, Any]] = {
    "strings": (list_of(string), []),
    "vectors": (list_of(list_of(number)), []),
    "emotives": (dict_of(number), {}),
    "metadata": (dict_of(anything), {}),
}
OBSERVE = model(_OBSERVATION)
CREATE = model(
    {
        "node_id": (string, MISSING),
        "metadata": (optional(dict_of(anything)), {}),
        "ttl_seconds": (optional(integer), None),
        "config": (optional(dict_of(anything)), None),
    }
)
SEQUENCE = model(
    {
        "observations": (list_of(model({**_OBSERVATION, "unique_id": (optional(string), None)})), MISSING),
        "learn_after_each": (boolean, False),
        "learn_at_end": (boolean, False),
        "clear_stm_between": (boolean, False),
    }
)
CONFIG = dict_of(anything)


def read_body(request: Request, check: Check) -> dict[str, Any]:
    """The checked body; raises RefusedError with FastAPI's 400 or 422, CrashError where FastAPI itself fails."""
    body = _parsed(request)
    errors: Errors = []
    if body is None:
        errors.append(record("missing", ("body",), "Field required", None))
        value: dict[str, Any] = {}
    else:
        value = check(body, ("body",), errors)
    if errors:
        raise detail(422, errors)
    return value


def read_query(request: Request, name: str, default: int) -> int:
    """An integer of the query string; raises RefusedError with FastAPI's 422."""
    text = query_value(request, name)
    if text is None:
        return default
    errors: Errors = []
    value = integer(text, ("query", name), errors)
    if errors:
        raise detail(422, errors)
    return value


def query_value(request: Request, name: str) -> str | None:
    """The last value of `name` in the query string."""
    if not request.query:
        return None
    return dict(parse_qsl(request.query, keep_blank_values=True)).get(name)


def _parsed(request: Request) -> Any:
    body = request.body
    if not body:
        return None
    if not _is_json(request.headers.get("content-type", "")):
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise CrashError from None
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        broken = record("json_invalid", ("body", error.pos), "JSON decode error", {})
        raise detail(422, [{**broken, "ctx": {"error": error.msg}}]) from None
    except (ValueError, RecursionError):
        raise detail(400, "There was an error parsing the body") from None


def _is_json(content_type: str) -> bool:
    if not content_type or content_type == "application/json":
        return True
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
