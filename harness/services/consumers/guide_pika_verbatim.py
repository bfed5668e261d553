"""The guide's RabbitMQ consumer to the letter: it never imports requests, and takes the NameError for KATO's fault."""

from __future__ import annotations

import os

from harness.services.consumers import guide_pika

if __name__ == "__main__":
    delattr(guide_pika, "requests")
    guide_pika.KatoMessageConsumer(os.environ["AMQP_URL"], os.environ["KATO_URL"]).start()
