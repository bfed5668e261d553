"""The queues of a corrected consumer (RabbitMQ 3.10 or later)."""

from __future__ import annotations

from typing import Any

OBSERVATIONS, PREDICTIONS, DEAD = "observations", "predictions", "observations.dead"
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
BOUNDED: dict[str, Any] = {
    **QUORUM,
    "x-delivery-limit": 5,
    "x-single-active-consumer": True,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": DEAD,
    # a dead letter that the broker loses would be a lost observation
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
"""Five deliveries, then the dead letters; one active consumer, since the order of a session matters to KATO."""
