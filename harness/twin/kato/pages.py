"""The OpenAPI document, and a word in place of the HTML pages that FastAPI makes of it."""

from __future__ import annotations

from harness import contracts
from harness.twin.kato.calls import Call
from harness.twin.kato.messages import HTML_TYPE, JSON_TYPE, Answer

_PAGE = b"<!DOCTYPE html><html><head><title>KATO API</title></head><body>The schema: /openapi.json</body></html>"


def openapi(call: Call) -> Answer:
    """GET /openapi.json"""
    return Answer(200, contracts.data("openapi.json", call.state.release), JSON_TYPE)


def docs(call: Call) -> Answer:
    """GET /docs, /redoc: a page that says where the schema is."""
    return Answer(200, _PAGE, HTML_TYPE)
