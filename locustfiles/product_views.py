"""Visitors of a shop: they view products, and now and then are shown what they may like next.

locust -f locustfiles/product_views.py --host http://127.0.0.1:8000 --integration fixed-requests
"""

from __future__ import annotations

import random

from kato_user import KatoUser
from locust import between, task

from harness.data import product_ranks, product_view


class Visitor(KatoUser):
    """Three views to one recommendation, half a second to two seconds apart."""

    wait_time = between(0.5, 2.0)

    @task(3)
    def view(self) -> None:
        """Look at a product; popular ones are looked at more often."""
        self.call("observe", self.session, product_view(*product_ranks([random.random()])))

    @task(1)
    def recommendations(self) -> None:
        """Ask what comes next."""
        self.call("predict", self.session)
