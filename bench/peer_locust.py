"""Stock Locust's two HTTP users for `bench/peers.py`: one observe after another, the host is its URL."""

from __future__ import annotations

from locust import FastHttpUser, HttpUser, task
from peer_tools import BODY

HEADERS = {"content-type": "application/json"}


class Fast(FastHttpUser):
    """Locust's own fast client (geventhttpclient)."""

    @task
    def observe(self) -> None:
        """One observe."""
        self.client.post("", data=BODY, headers=HEADERS)


class Plain(HttpUser):
    """Locust's usual client (requests)."""

    @task
    def observe(self) -> None:
        """One observe."""
        self.client.post("", data=BODY, headers=HEADERS)
