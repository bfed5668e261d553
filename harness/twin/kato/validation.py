"""Checks of one JSON value against a type, with the error records that pydantic gives for it (contract, section 3).

A check takes the value, where it stands and the list of errors; it returns the converted value, and appends a record
for each thing that is wrong. The lenient conversions are pydantic's: "12" is an integer, true is the number 1.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

Place = tuple[str | int, ...]
Errors = list[dict[str, Any]]
Check = Callable[[Any, Place, Errors], Any]

MISSING = object()
_INTEGER = re.compile(r"[+-]?\d+(?:_\d+)*(?:\.0+)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE)
_STRAY_UNDERSCORE = re.compile(r"_.*|.*_|.*__.*", re.DOTALL)
_INT64 = 2**63
_MAX_INTEGER_TEXT = 4300
_TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))
_FALSE = frozenset(("0", "false", "f", "no", "n", "off"))


def record(kind: str, place: Place, message: str, value: Any) -> dict[str, Any]:
    """One error as pydantic words it."""
    return {"type": kind, "loc": list(place), "msg": message, "input": value}


def anything(value: Any, place: Place, errors: Errors) -> Any:
    """Accepts all."""
    return value


def string(value: Any, place: Place, errors: Errors) -> str:
    """A string and nothing that could become one."""
    if isinstance(value, str):
        return value
    errors.append(record("string_type", place, "Input should be a valid string", value))
    return ""


def integer(value: Any, place: Place, errors: Errors) -> int:
    """An integer, a whole float, a boolean, or the text of an integer."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _whole(value, place, errors)
    if isinstance(value, str):
        return _integer_text(value, place, errors)
    errors.append(record("int_type", place, "Input should be a valid integer", value))
    return 0


def _whole(value: float, place: Place, errors: Errors) -> int:
    if not math.isfinite(value):
        errors.append(record("finite_number", place, "Input should be a finite number", value))
    elif value % 1.0:
        words = "Input should be a valid integer, got a number with a fractional part"
        errors.append(record("int_from_float", place, words, value))
    elif abs(value) >= _INT64:
        errors.append(_too_long(place, value))
    else:
        return int(value)
    return 0


def _integer_text(value: str, place: Place, errors: Errors) -> int:
    text = value.strip()
    if len(text) > _MAX_INTEGER_TEXT:
        errors.append(_too_long(place, value))
    elif text.isascii() and _INTEGER.fullmatch(text):
        return int(text.partition(".")[0])
    else:
        words = "Input should be a valid integer, unable to parse string as an integer"
        errors.append(record("int_parsing", place, words, value))
    return 0


def _too_long(place: Place, value: Any) -> dict[str, Any]:
    words = "Unable to parse input string as an integer, exceeded maximum size"
    return record("int_parsing_size", place, words, value)


def number(value: Any, place: Place, errors: Errors) -> float:
    """A number, a boolean, or the text of a number; NaN and infinities too."""
    if isinstance(value, (int, float)):
        with suppress(OverflowError):
            return float(value)
    if isinstance(value, str):
        text = value.strip()
        if not _STRAY_UNDERSCORE.fullmatch(text):
            text = text.replace("_", "")
            if text.isascii() and _NUMBER.fullmatch(text):
                return float(text)
        words = "Input should be a valid number, unable to parse string as a number"
        errors.append(record("float_parsing", place, words, value))
    else:
        errors.append(record("float_type", place, "Input should be a valid number", value))
    return 0.0


def boolean(value: Any, place: Place, errors: Errors) -> bool:
    """A boolean, 0 or 1, or one of pydantic's words for them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, (int, float)):
        if value in (0, 1):
            return bool(value)
        if value % 1 or not -_INT64 <= value < _INT64:
            errors.append(record("bool_type", place, "Input should be a valid boolean", value))
            return False
    else:
        errors.append(record("bool_type", place, "Input should be a valid boolean", value))
        return False
    words = "Input should be a valid boolean, unable to interpret input"
    errors.append(record("bool_parsing", place, words, value))
    return False


def optional(check: Check) -> Check:
    """`check`, or null."""
    return lambda value, place, errors: None if value is None else check(value, place, errors)


def list_of(check: Check) -> Check:
    """A list with each item checked."""

    def checked(value: Any, place: Place, errors: Errors) -> list[Any]:
        if not isinstance(value, list):
            errors.append(record("list_type", place, "Input should be a valid list", value))
            return []
        return [check(item, (*place, at), errors) for at, item in enumerate(value)]

    return checked


def dict_of(check: Check) -> Check:
    """A dictionary with each value checked."""

    def checked(value: Any, place: Place, errors: Errors) -> dict[str, Any]:
        if not isinstance(value, dict):
            errors.append(record("dict_type", place, "Input should be a valid dictionary", value))
            return {}
        return {key: check(item, (*place, key), errors) for key, item in value.items()}

    return checked


def model(fields: Mapping[str, tuple[Check, Any]]) -> Check:
    """A dictionary with these fields (check and default; MISSING: required), in this order; others are ignored."""

    def checked(value: Any, place: Place, errors: Errors) -> dict[str, Any]:
        if not isinstance(value, dict):
            words = "Input should be a valid dictionary or object to extract fields from"
            errors.append(record("model_attributes_type", place, words, value))
            return {}
        return {name: _field(name, check, default, value, place, errors) for name, (check, default) in fields.items()}

    return checked


def _field(name: str, check: Check, default: Any, value: dict[str, Any], place: Place, errors: Errors) -> Any:
    if name in value:
        return check(value[name], (*place, name), errors)
    if default is MISSING:
        errors.append(record("missing", (*place, name), "Field required", value))
    return default
