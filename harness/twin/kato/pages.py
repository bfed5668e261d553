"""The OpenAPI document, and a word in place of the HTML pages that FastAPI makes of it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from harness.twin.kato.calls import Call
from harness.twin.kato.messages import HTML_TYPE, JSON_TYPE, Answer

_PAGE = b"<!DOCTYPE html><html><head><title>KATO API</title></head><body>The schema: /openapi.json</body></html>"


def openapi(call: Call) -> Answer:
    """GET /openapi.json"""
    return Answer(200, _document(), JSON_TYPE)


def docs(call: Call) -> Answer:
    """GET /docs, /redoc: a page that says where the schema is."""
    return Answer(200, _PAGE, HTML_TYPE)


@cache
def _document() -> bytes:
    return (files("harness") / "contracts" / "3.10" / "openapi.json").read_bytes()
