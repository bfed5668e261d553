"""The guide's RabbitMQ consumer, with the import that it forgets: prefetch 1, no time-outs, requeue on every error."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pika
import requests


class KatoMessageConsumer:
    """Consumes observations, sends each to KATO, publishes the predictions."""

    def __init__(self, rabbitmq_url: str, kato_url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
        self.channel = self.connection.channel()
        self.kato_url = kato_url
        self.channel.queue_declare(queue="observations", durable=True)
        self.channel.queue_declare(queue="predictions", durable=True)

    def process_observation(self, ch: Any, method: Any, properties: Any, body: bytes) -> None:
        """One message: whatever goes wrong, it comes again at once."""
        try:
            data = json.loads(body)
            requests.post(f"{self.kato_url}/sessions/{data['session_id']}/observe", json=data["observation"])
            predictions = requests.get(f"{self.kato_url}/sessions/{data['session_id']}/predictions").json()
            answer = {"session_id": data["session_id"], "predictions": predictions}
            self.channel.basic_publish(exchange="", routing_key="predictions", body=json.dumps(answer))
            ch.basic_ack(delivery_tag=method.delivery_tag)
        except Exception as error:  # noqa: BLE001 - the guide's own
            sys.stderr.write(f"Error processing observation: {error}\n")
            ch.basic_nack(delivery_tag=method.delivery_tag, requeue=True)

    def start(self) -> None:
        """Consume until something ends it."""
        self.channel.basic_qos(prefetch_count=1)
        self.channel.basic_consume(queue="observations", on_message_callback=self.process_observation)
        self.channel.start_consuming()


if __name__ == "__main__":
    KatoMessageConsumer(os.environ["AMQP_URL"], os.environ["KATO_URL"]).start()
