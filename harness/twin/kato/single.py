"""Predictions for exactly one observed symbol: another path in KATO, with fewer keys and flat lists (contract, 2)."""

from __future__ import annotations

from typing import Any

from harness.twin.kato.config import Config
from harness.twin.kato.knowledge import Knowledge, Pattern, average
from harness.twin.kato.matching import Subsequences
from harness.twin.kato.prediction import Prediction, ranked
from harness.twin.kato.sql import is_changed
from harness.twin.kato.weights import Weights, affinity_weights


def predict_single(knowledge: Knowledge, symbol: str, config: Config, by_token: bool) -> list[Prediction]:
    """Predictions from all patterns that begin with the symbol; it is one that SQL can name."""
    found = () if is_changed(symbol) else knowledge.starting_with(symbol)
    if not found:
        return []
    weighed = [symbol, *(other for pattern in found for other in pattern.flat)]
    weights = affinity_weights(knowledge, config.affinity_emotive, weighed)
    return ranked([_told(pattern, symbol, by_token, weights) for pattern in found], "potential", config.max_predictions)


def _told(pattern: Pattern, symbol: str, by_token: bool, weights: Weights | None) -> dict[str, Any]:
    length = len(pattern.flat)
    similarity = 2.0 / (length + 1) if by_token else Subsequences(" ".join(pattern.flat)).ratio(symbol) / 100.0
    evidence = 1 / length
    told: dict[str, Any] = {
        "name": pattern.name,
        "pattern_data": pattern.events,
        "length": length,
        "frequency": pattern.frequency or 1,
        "emotives": average(pattern.emotives or ()),
        "matches": [symbol],
        "missing": [],
        "present": [symbol],
        "past": [],
        "future": pattern.flat[1:],
        "extras": [],
        "similarity": similarity,
        "evidence": evidence,
        "confidence": 1.0,
        "snr": 1.0,
        "fragmentation": 0,
        "anomalies": [],
        "weighted_similarity": None,
        "weighted_evidence": None,
        "weighted_confidence": None,
        "weighted_snr": None,
        "potential": evidence + 2.0,
    }
    if weights:
        told.update(weights.measures([symbol], pattern.flat, [symbol], ()))
        told["weighted_similarity"] = weights.similarity([symbol], [symbol], pattern.flat)
        certainty = told["weighted_evidence"] + told["weighted_confidence"]
        told["potential"] = certainty * told["weighted_snr"] + 1.0
    return told
