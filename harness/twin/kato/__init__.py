"""KATO 3.10.1 without I/O: what it answers, from its contract and recorded cases."""

from __future__ import annotations

from harness.twin.kato.engine import Kato
from harness.twin.kato.messages import Answer

__all__ = ["Answer", "Kato"]
