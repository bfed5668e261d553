"""A real OTLP receiver, HTTP and gRPC, whose spans go into the run folder as lines of JSON."""

from __future__ import annotations

from harness.otlp.receiver import Receiver

__all__ = ["Receiver"]
