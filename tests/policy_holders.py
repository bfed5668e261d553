"""Clients for tests of what is read: they hold, or are decorated with, what the test gives them."""

from __future__ import annotations

from typing import Any

from harness.policy.read import read_policy


class Holder:
    """A client that holds what the test gives it."""

    def __init__(self, **held: Any) -> None:
        vars(self).update(held)

    def observe(self, session_id: str, observation: dict[str, Any]) -> None: ...

    def predict(self, session_id: str) -> None: ...


def client_with(decorate: Any) -> Any:
    """A client class whose two calls are decorated."""

    class Client:
        @decorate
        def observe(self, session_id: str, observation: dict[str, Any]) -> None: ...

        @decorate
        def predict(self, session_id: str) -> None: ...

    return Client()


def read(*inspect: Any) -> dict[str, Any]:
    return read_policy(Holder(), inspect)
