"""People in a conversation: each turn is remembered and asked for its context; a finished conversation is learned.

locust -f locustfiles/chat.py --host http://127.0.0.1:8000
"""

from __future__ import annotations

import random

from kato_user import KatoUser
from locust import SequentialTaskSet, constant_pacing, task

from harness.data import chat_turns

TURNS = 8


class Conversation(SequentialTaskSet):
    """Turns with their predictions, then what was said is learned."""

    user: KatoUser

    @task(TURNS)
    def turn(self) -> None:
        """Say something and look at what it reminds KATO of."""
        self.user.call("observe", self.user.session, chat_turns(lambda _: random.random()))
        self.user.call("predict", self.user.session)

    @task(1)
    def goodbye(self) -> None:
        """End the conversation."""
        self.user.call("learn", self.user.session)


class Person(KatoUser):
    """One turn a second."""

    wait_time = constant_pacing(1.0)
    tasks = [Conversation]  # noqa: RUF012 - Locust's own way to say it
