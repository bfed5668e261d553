"""Affinity weighting: a session may weigh symbols by how strongly they were learned together with one emotive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.twin.kato.knowledge import Knowledge
from harness.twin.kato.messages import CrashError

_FLOOR = 0.01


class Weights:
    """Symbol weights |affinity| / frequency + 0.01; symbols without a weight count nothing."""

    __slots__ = ("_of",)

    def __init__(self, of: Mapping[str, float]) -> None:
        self._of = of

    def _sum(self, symbols: Iterable[str]) -> float:
        return sum(self._of.get(symbol, 0.0) for symbol in symbols)

    def similarity(self, matches: Sequence[str], state: Sequence[str], pattern: Sequence[str]) -> float | None:
        """2·matched / (state + pattern), in weights."""
        total = self._sum(state) + self._sum(pattern)
        return 2.0 * self._sum(matches) / total if total > 0 else None

    def measures(
        self, matches: Sequence[str], pattern: Sequence[str], present: Sequence[str], extras: Sequence[str]
    ) -> dict[str, float]:
        """Weighted evidence, confidence and signal-to-noise ratio of one match."""
        matched = self._sum(matches)
        wholes = {
            "weighted_evidence": self._sum(pattern),
            "weighted_confidence": self._sum(present),
            "weighted_snr": matched + self._sum(extras),
        }
        return {name: matched / whole if whole > 0 else 0.0 for name, whole in wholes.items()}


def check_emotive(emotive: object) -> None:
    """Raises CrashError for an emotive that can't be looked up."""
    if emotive and isinstance(emotive, (list, dict)):
        raise CrashError


def affinity_weights(knowledge: Knowledge, emotive: object, symbols: Iterable[str]) -> Weights | None:
    """The weights of `symbols` for an emotive; None where the session names none."""
    if not emotive:
        return None
    check_emotive(emotive)
    of = {}
    for symbol in symbols:
        strength = abs(knowledge.affinities.get(symbol, {}).get(emotive, 0.0) if isinstance(emotive, str) else 0.0)
        counted = knowledge.symbols.get(symbol)
        of[symbol] = _FLOOR + (strength / counted.frequency if counted and counted.frequency else 0.0)
    return Weights(of)
