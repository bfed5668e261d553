"""A session's config and lifetime reach KATO through the client, or the run says that they can't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import UsageError
from harness.integrations.kato import session_body
from harness.load.caller import opener
from harness.model import Load


class Client:
    """Its open_session is given."""

    def __init__(self, open_session: Callable[..., Any]) -> None:
        self.open_session = open_session


def load(**more: Any) -> Load:
    return Load((), **more)


def test_what_the_load_gives_is_passed_by_name() -> None:
    """config and ttl, each only where it is asked for."""
    told = Client(lambda node_id, config=None, ttl=0: (node_id, config, ttl))
    assert opener(told, load())("n") == ("n", None, 0)
    assert opener(told, load(ttl_s=2, config={"persistence": 3}))("n") == ("n", {"persistence": 3}, 2)
    assert opener(Client(lambda node_id, **more: more), load(ttl_s=2))("n") == {"ttl": 2}


def test_a_client_that_takes_neither_is_asked_for_neither() -> None:
    """A plain client runs; a key that would do nothing is refused with the words that help."""
    plain = Client(lambda node_id: node_id)
    assert opener(plain, load())("n") == "n"
    with pytest.raises(UsageError, match="ttl"):
        opener(plain, load(ttl_s=2))


def test_the_body_holds_only_what_was_given() -> None:
    """KATO's own lifetime and config stand where nothing is said."""
    assert session_body("n") == {"node_id": "n"}
    assert session_body("n", {"persistence": 3}, 2) == {"node_id": "n", "config": {"persistence": 3}, "ttl_seconds": 2}
