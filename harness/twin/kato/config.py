"""A session's configuration: what a client may set, how KATO checks it, and what is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.twin.kato.messages import CrashError, RefusedError
from harness.twin.kato.settings import Settings

KEYS = (
    "max_pattern_length",
    "persistence",
    "recall_threshold",
    "indexer_type",
    "max_predictions",
    "sort_symbols",
    "process_predictions",
    "use_token_matching",
    "fuzzy_token_threshold",
    "stm_mode",
    "rank_sort_algo",
    "affinity_emotive",
    "filter_pipeline",
    "length_min_ratio",
    "length_max_ratio",
    "jaccard_threshold",
    "jaccard_min_overlap",
    "minhash_threshold",
    "minhash_bands",
    "minhash_rows",
    "minhash_num_hashes",
    "bloom_false_positive_rate",
    "max_candidates_per_stage",
    "enable_filter_metrics",
)
"""Every key that a session may override, in the order of KATO's answers."""

INDEXERS = ("VI", "LSH", "ANNOY", "FAISS")
FILTERS = ("minhash", "length", "jaccard", "bloom", "rapidfuzz")
STM_MODES = ("CLEAR", "ROLLING")
RANKINGS = (
    "potential",
    "similarity",
    "evidence",
    "confidence",
    "snr",
    "fragmentation",
    "frequency",
    "normalized_entropy",
    "global_normalized_entropy",
    "itfdf_similarity",
    "confluence",
    "predictive_information",
    "bayesian_posterior",
    "bayesian_prior",
    "bayesian_likelihood",
    "tfidf_score",
    "weighted_similarity",
    "weighted_evidence",
    "weighted_confidence",
    "weighted_snr",
)

_INFINITE = float("inf")
_RANGES: Mapping[str, tuple[float, float]] = {
    "recall_threshold": (0.0, 1.0),
    "persistence": (1, 100),
    "max_pattern_length": (0, _INFINITE),
    "max_predictions": (1, 10000),
    "fuzzy_token_threshold": (0.0, 1.0),
    "length_min_ratio": (0.0, 1.0),
    "length_max_ratio": (1.0, _INFINITE),
    "jaccard_threshold": (0.0, 1.0),
    "jaccard_min_overlap": (1, _INFINITE),
    "minhash_threshold": (0.0, 1.0),
    "minhash_bands": (1, 100),
    "minhash_rows": (1, 20),
    "minhash_num_hashes": (10, 256),
    "bloom_false_positive_rate": (0.0001, 0.1),
    "max_candidates_per_stage": (100, _INFINITE),
}
_FILTER_DEFAULTS: Mapping[str, Any] = {
    "filter_pipeline": [],
    "length_min_ratio": 0.5,
    "length_max_ratio": 2.0,
    "jaccard_threshold": 0.3,
    "jaccard_min_overlap": 2,
    "minhash_threshold": 0.7,
    "minhash_bands": 20,
    "minhash_rows": 5,
    "minhash_num_hashes": 100,
    "bloom_false_positive_rate": 0.01,
    "max_candidates_per_stage": 100000,
    "enable_filter_metrics": True,
}
_OF_SETTINGS = (
    "max_pattern_length",
    "persistence",
    "recall_threshold",
    "stm_mode",
    "indexer_type",
    "max_predictions",
    "sort_symbols",
    "process_predictions",
    "use_token_matching",
    "rank_sort_algo",
)
_UNSAVED = ("created_at", "updated_at")


class Config:
    """What is in force for a session. Sessions without overrides share one; treat it as immutable."""

    __slots__ = (
        "affinity_emotive",
        "effective",
        "filter_pipeline",
        "fuzzy_token_threshold",
        "max_pattern_length",
        "max_predictions",
        "overrides",
        "process_predictions",
        "recall_threshold",
        "settings",
        "stm_mode",
        "use_token_matching",
    )

    def __init__(self, overrides: Mapping[str, Any], settings: Settings) -> None:
        defaults = {**{name: getattr(settings, name) for name in _OF_SETTINGS}, **_FILTER_DEFAULTS, **overrides}
        self.overrides = overrides
        self.settings = settings
        self.effective = {key: defaults[key] for key in KEYS if key in defaults}
        self.max_pattern_length: Any = defaults["max_pattern_length"]
        self.process_predictions: Any = defaults["process_predictions"]
        self.stm_mode: Any = defaults["stm_mode"]
        self.recall_threshold = float(defaults["recall_threshold"])
        self.max_predictions: int = defaults["max_predictions"]
        self.use_token_matching: Any = defaults["use_token_matching"]
        self.fuzzy_token_threshold: Any = overrides.get("fuzzy_token_threshold", 0.0)
        self.affinity_emotive: Any = overrides.get("affinity_emotive")
        self.filter_pipeline: Any = defaults["filter_pipeline"]


def created_with(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The overrides that a new session starts with: all known keys, or none where one of them is invalid."""
    overrides = {key: value for key, value in (given or {}).items() if key in KEYS and value is not None}
    try:
        _check(overrides)
    except (TypeError, ValueError):
        return {}
    if overrides.get("stm_mode", "CLEAR") not in STM_MODES:
        overrides["stm_mode"] = "CLEAR"
    return overrides


def _check(overrides: Mapping[str, Any]) -> None:
    for key, (low, high) in _RANGES.items():
        if key in overrides and not low <= overrides[key] <= high:
            raise ValueError(key)
    if overrides.get("indexer_type", "VI") not in INDEXERS:
        raise ValueError("indexer_type")
    if overrides.get("rank_sort_algo", "potential") not in RANKINGS:
        raise ValueError("rank_sort_algo")
    if any(name not in FILTERS for name in overrides.get("filter_pipeline", ())):
        raise ValueError("filter_pipeline")


def updated_with(overrides: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The overrides after POST /config; raises RefusedError (400) for what KATO validates there.

    What it doesn't validate there (the filters' keys) is taken as it is.
    """
    given = body.get("config", body)
    if not isinstance(given, Mapping):
        raise CrashError
    errors = _update_errors(given)
    if errors:
        content = {"error": "Configuration validation failed", "validation_errors": errors}
        raise RefusedError(400, {"detail": content})
    if any(key in given for key in _UNSAVED):
        return overrides
    merged = {**overrides, **{key: value for key, value in given.items() if key in KEYS}}
    if "use_token_matching" in given and "sort_symbols" not in given:
        merged["sort_symbols"] = given["use_token_matching"]
    if "stm_mode" in given and given["stm_mode"] not in STM_MODES:
        merged["stm_mode"] = "CLEAR"
    return {key: value for key, value in merged.items() if value is not None}


def _update_errors(given: Mapping[str, Any]) -> dict[str, str]:
    errors = {}
    for key, (kinds, low, high, words) in _UPDATE_NUMBERS.items():
        if key in given and not (isinstance(given[key], kinds) and low <= given[key] <= high):
            errors[key] = words
    if "indexer_type" in given and given["indexer_type"] not in INDEXERS:
        errors["indexer_type"] = f"Must be one of: {', '.join(INDEXERS)}"
    if "stm_mode" in given and not isinstance(given["stm_mode"], str):
        errors["stm_mode"] = "Must be a string"
    for key in ("sort", "process_predictions", "use_token_matching"):
        if key in given and not isinstance(given[key], bool):
            errors[key] = "Must be a boolean (true/false)"
    if "rank_sort_algo" in given and given["rank_sort_algo"] not in RANKINGS:
        errors["rank_sort_algo"] = f"Must be one of: {', '.join(RANKINGS)}"
    return errors


_UPDATE_NUMBERS: Mapping[str, tuple[tuple[type, ...], float, float, str]] = {
    "recall_threshold": ((int, float), 0.0, 1.0, "Must be a number between 0.0 and 1.0"),
    "persistence": ((int,), 1, 100, "Must be an integer between 1 and 100"),
    "max_pattern_length": ((int,), 0, _INFINITE, "Must be a non-negative integer"),
    "max_predictions": ((int,), 1, 10000, "Must be an integer between 1 and 10000"),
}
