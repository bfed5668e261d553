"""The witness in front of a real KATO: forwards, and keeps the same evidence."""

from harness.twin.forward.backend import forwarding_witness
from harness.twin.forward.target import Target, parse_target

__all__ = ["Target", "forwarding_witness", "parse_target"]
