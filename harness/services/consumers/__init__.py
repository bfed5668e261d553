"""Consumers of observations: RabbitMQ to KATO, predictions back."""
