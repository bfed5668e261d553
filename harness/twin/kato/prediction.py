"""Predictions: matches told event by event, with KATO's metrics, ranked.

Formulas as in KATO 3.10.1: evidence = matches / symbols of the pattern, confidence = matches / symbols of the present,
snr = (2·matches - extras) / (2·matches + extras), fragmentation = blocks - 1,
potential = (evidence + confidence)·snr + itfdf_similarity + 1/(fragmentation + 1).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from math import log2, log10
from operator import itemgetter
from typing import Any

from harness.twin.kato.config import Config
from harness.twin.kato.filters import check_pipeline, filtered
from harness.twin.kato.knowledge import Knowledge, Statistics, Symbols, average, entropy
from harness.twin.kato.matching import Match, Matcher
from harness.twin.kato.messages import CrashError
from harness.twin.kato.sessions import Event
from harness.twin.kato.weights import Weights, affinity_weights, check_emotive

Prediction = dict[str, Any]
Future = dict[str, Any]

_PRUNE_ABOVE = 3
_UNSEEN = 1e-10
_HIGHEST_CUTOFF = 100 + 2**-18
"""The library behind KATO refuses a higher cut-off, in single precision, and KATO then passes every match over."""


def predict(
    knowledge: Knowledge,
    stm: Sequence[Event],
    config: Config,
    ranking: str,
    statistics: Callable[[], Statistics],
) -> tuple[list[Prediction], list[Future]]:
    """The ranked predictions for two or more observed symbols, and the futures they speak for.

    `statistics` is asked only where something matches. Raises CrashError where KATO can't rank them.
    """
    state = list(chain.from_iterable(stm))
    check_pipeline(config)
    check_emotive(config.affinity_emotive)
    matches = _matches(knowledge, state, config)
    if not matches:
        return [], []
    if not isinstance(config.max_predictions, int):
        raise CrashError
    weights = affinity_weights(knowledge, config.affinity_emotive, state)
    predictions = _pruned([_told(match, stm, weights, state) for match in matches], config.max_predictions)
    _measure(predictions, state, statistics())
    futures = _weigh_futures(predictions)
    _believe(predictions)
    _rate(predictions, bool(weights))
    return ranked(predictions, ranking, config.max_predictions), futures


def _matches(knowledge: Knowledge, state: Sequence[str], config: Config) -> list[Match]:
    if config.recall_threshold > 0.0:
        candidates = knowledge.sharing(dict.fromkeys(state))
    else:
        candidates = list(knowledge.patterns.values())
    fuzzy = config.fuzzy_token_threshold
    if not candidates or not isinstance(fuzzy, (int, float)) or fuzzy * 100 > _HIGHEST_CUTOFF:
        return []
    matcher = Matcher(state, config)
    found = [matcher.match(pattern) for pattern in filtered(candidates, state, config)]
    return sorted((match for match in found if match), key=lambda match: -match.similarity)


def _told(match: Match, stm: Sequence[Event], weights: Weights | None, state: Sequence[str]) -> Prediction:
    pattern = match.pattern
    matches = match.matches
    start = pattern.events_of(match.past)
    end = pattern.events_of(match.past + match.present)
    if start and matches and matches[0] in pattern.events[start - 1]:
        start -= 1
    present = pattern.events[start:end]
    matched = set(matches)
    expected = set(chain.from_iterable(present))
    seen = 2.0 * len(matches) + match.extras
    told: Prediction = {
        "type": "prototypical",
        "name": pattern.name,
        "frequency": pattern.frequency or 1,
        "emotives": average(pattern.emotives or ()),
        "matches": matches,
        "past": pattern.events[:start],
        "present": present,
        "missing": [[symbol for symbol in event if symbol not in matched] for event in present],
        "extras": [[symbol for symbol in event if symbol not in expected] for event in stm],
        "anomalies": match.anomalies,
        "evidence": len(matches) / len(pattern.flat),
        "similarity": match.similarity,
        "fragmentation": float(match.blocks - 1),
        "snr": (2.0 * len(matches) - match.extras) / seen if seen else 0.0,
        "sequence": pattern.events,
        "future": pattern.events[end:],
        "confidence": len(matches) / sum(map(len, present)) if present else 0.0,
        "weighted_similarity": None,
        "weighted_evidence": None,
        "weighted_confidence": None,
        "weighted_snr": None,
        "metrics": pattern.metrics,
    }
    if weights:
        extras = list(chain.from_iterable(told["extras"]))
        told["weighted_similarity"] = weights.similarity(matches, state, pattern.flat)
        told.update(weights.measures(matches, pattern.flat, list(chain.from_iterable(present)), extras))
    return told


def _pruned(predictions: list[Prediction], limit: int) -> list[Prediction]:
    """The best by a first guess at their potential, where there are many; the guess stays in the answer, as in KATO."""
    if len(predictions) <= limit * _PRUNE_ABOVE:
        return predictions
    for told in predictions:
        certainty = told["evidence"] + told["confidence"]
        told["_pre_potential"] = certainty * told["snr"] + _wholeness(told["fragmentation"])
    return nlargest(limit * _PRUNE_ABOVE, predictions, key=itemgetter("_pre_potential"))


def _wholeness(fragmentation: float) -> float:
    return 0.0 if fragmentation == -1 else 1.0 / (fragmentation + 1)


def _measure(predictions: list[Prediction], state: Sequence[str], statistics: Statistics) -> None:
    """Add the metrics that compare with everything the node has learned."""
    symbols, total_frequency, unique = statistics
    ensemble = sum(told["frequency"] for told in predictions)
    probability = _probabilities(predictions, symbols, unique)
    observed = {symbol: probability.get(symbol, 0) * count for symbol, count in Counter(state).items()}
    for told in predictions:
        present = list(chain.from_iterable(told["present"]))
        distance = _cosine_distance(observed, present, probability)
        share = told["frequency"] / total_frequency if total_frequency > 0 else 0.0
        told["itfdf_similarity"] = 1 - distance * told["frequency"] / ensemble
        told["confluence"] = share * (1 - _joint(present, probability)) if present else 0.0
        _measure_entropy(told, present, probability, len(symbols), unique)


def _probabilities(predictions: Iterable[Prediction], symbols: Symbols, unique: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for told in predictions:
        for symbol in chain(told["matches"], chain.from_iterable(told["missing"])):
            if symbol not in found:
                counted = symbols.get(symbol)
                found[symbol] = counted.patterns / unique if counted and unique > 0 else 0.0
    return found


def _cosine_distance(observed: Mapping[str, float], present: Sequence[str], probability: Mapping[str, float]) -> float:
    norm = math.hypot(*observed.values())
    if not norm > 0:
        return 1.0
    pattern = {symbol: probability.get(symbol, 0) * count for symbol, count in Counter(present).items()}
    size = math.hypot(*pattern.values()) * norm
    if not size > 0:
        return 1.0
    return 1.0 - sum(value * observed.get(symbol, 0.0) for symbol, value in pattern.items()) / size


def _joint(symbols: Iterable[str], probability: Mapping[str, float]) -> float:
    """The probability that the symbols occur together by chance; one never seen counts as 1e-10."""
    return float(10 ** sum(log10(probability.get(symbol, _UNSEEN) or _UNSEEN) for symbol in symbols))


def _measure_entropy(
    told: Prediction, present: Sequence[str], probability: Mapping[str, float], total_symbols: int, unique: int
) -> None:
    metrics = told.pop("metrics")
    if metrics is None:
        frequencies = {symbol: count / len(present) for symbol, count in Counter(present).items()}
        told["entropy"] = entropy(frequencies.values())
        told["normalized_entropy"] = entropy(frequencies.values(), total_symbols)
        known = [probability.get(symbol, 0) for symbol in frequencies]
        told["global_normalized_entropy"] = entropy(known, total_symbols)
    else:
        frequencies = metrics.term_frequencies
        told["entropy"] = metrics.entropy
        told["normalized_entropy"] = metrics.normalized_entropy
        told["global_normalized_entropy"] = metrics.global_normalized_entropy
    told["tfidf_score"] = _tfidf(frequencies, probability, unique)


def _tfidf(frequencies: Mapping[str, float], probability: Mapping[str, float], unique: int) -> float:
    if not frequencies or unique <= 0:
        return 0.0
    # The product is cut to an integer as in KATO, rounding errors included.
    holders = (int(probability.get(symbol, 0.0) * unique) or 1 for symbol in frequencies)
    scores = [share * (log2(unique / count) + 1) for share, count in zip(frequencies.values(), holders, strict=True)]
    return sum(scores) / len(scores)


def _weigh_futures(predictions: list[Prediction]) -> list[Future]:
    """Add what each prediction says about its future; returns the futures, the most supported first."""
    total = sum(told["frequency"] for told in predictions)
    futures: dict[Any, dict[str, Any]] = {}
    for told in predictions:
        told["pattern_probability"] = told["frequency"] / total
        told["weighted_strength"] = told["similarity"] * told["pattern_probability"]
        if told["future"]:
            future = futures.setdefault(_future_key(told), {"future": told["future"], "support": 0, "weight": 0.0})
            future["support"] += 1
            future["weight"] += told["frequency"] * told["similarity"]
    weight = sum(future["weight"] for future in futures.values())
    for told in predictions:
        share = futures[_future_key(told)]["weight"] / weight if told["future"] and weight > 0 else 0.0
        told["predictive_information"] = told["weighted_strength"] / share if share > 0 else 0.0
    listed = [
        {
            "future": future["future"],
            "aggregate_potential": future["weight"] / weight if weight > 0 else 0.0,
            "supporting_patterns": future["support"],
            "total_weighted_frequency": future["weight"],
        }
        for future in futures.values()
    ]
    return sorted(listed, key=itemgetter("aggregate_potential"), reverse=True)


def _future_key(told: Prediction) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sorted(event)) for event in told["future"])


def _believe(predictions: list[Prediction]) -> None:
    """Bayes over the ensemble: prior from frequency, likelihood from similarity."""
    total = sum(told["frequency"] for told in predictions)
    seen = sum(told["similarity"] * told["frequency"] / total for told in predictions)
    for told in predictions:
        prior = told["frequency"] / total
        told["bayesian_posterior"] = told["similarity"] * prior / seen if seen > 0 else 0.0
        told["bayesian_prior"] = prior
        told["bayesian_likelihood"] = told["similarity"]


def _rate(predictions: list[Prediction], weighted: bool) -> None:
    prefix = "weighted_" if weighted else ""
    for told in predictions:
        certainty = told[f"{prefix}evidence"] + told[f"{prefix}confidence"]
        told["potential"] = (
            certainty * told[f"{prefix}snr"] + told["itfdf_similarity"] + _wholeness(told["fragmentation"])
        )


def ranked(predictions: list[Prediction], ranking: str, limit: int) -> list[Prediction]:
    """The best `limit` predictions by one metric; raises CrashError for a metric that none of them has."""
    try:
        return sorted(predictions, key=itemgetter(ranking), reverse=True)[:limit]
    except (KeyError, TypeError):
        raise CrashError from None
