"""The filter pipeline that a session may put before matching.

`bloom` changes nothing in KATO 3.10 (it fails on every pattern and the failure is ignored), and a pipeline that does
not begin with a filter of the database (`length`, `jaccard`, `minhash`) finds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import eq
from typing import Any

from harness.twin.kato import minhash
from harness.twin.kato.config import Config
from harness.twin.kato.knowledge import Pattern
from harness.twin.kato.matching import Matcher
from harness.twin.kato.messages import CrashError
from harness.twin.kato.sql import is_broken

Candidates = Sequence[Pattern]


def check_pipeline(config: Config) -> None:
    """Raises CrashError for a pipeline that KATO can't go through; it takes nearly anything for one."""
    pipeline = config.filter_pipeline
    if pipeline and not isinstance(pipeline, (list, dict, str)):
        raise CrashError
    if any(isinstance(name, (list, dict)) for name in pipeline or ()):
        raise CrashError


def filtered(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    """The patterns that the session's pipeline lets through; all of them where it has none."""
    if not config.filter_pipeline:
        return patterns
    candidates: Candidates | None = None
    for name in config.filter_pipeline:
        stage = _DATABASE.get(name)
        if stage is not None:
            passed = stage(patterns if candidates is None else candidates, state, config)
            candidates = (candidates or ()) if passed is None else passed
        elif name == "minhash":
            candidates = _alike(patterns, candidates, state, config)
        elif name == "rapidfuzz" and candidates is not None:
            candidates = _similar(candidates, state, config)
        if candidates is not None and not candidates:
            break
    return candidates or ()


def _length(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates | None:
    least = _number(config, "length_min_ratio", 0.5)
    most = _number(config, "length_max_ratio", 2.0)
    if least is None or most is None:
        return None
    low, high = max(1, int(len(state) * least)), int(len(state) * most)
    return [pattern for pattern in patterns if low <= len(pattern.flat) <= high]


def _jaccard(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates | None:
    threshold = _number(config, "jaccard_threshold", 0.3)
    overlap = _number(config, "jaccard_min_overlap", 2)
    if threshold is None or overlap is None or any(map(is_broken, state)):
        return None
    seen = set(state)
    return [
        pattern
        for pattern in patterns
        if (common := len(seen & (tokens := set(pattern.flat)))) >= overlap and common / len(seen | tokens) >= threshold
    ]


def _alike(
    patterns: Candidates, candidates: Candidates | None, state: Sequence[str], config: Config
) -> Candidates | None:
    """The filter `minhash`: a band of hashes in common, then the estimated Jaccard similarity.

    KATO leaves out what it can't do: all of it for what is no number, the estimate where signatures differ in length.
    """
    count = config.effective["minhash_num_hashes"] or minhash.STORED
    rows = config.effective["minhash_rows"] or 5
    threshold = config.effective["minhash_threshold"] or 0.7
    try:
        seen = minhash.signature(state, count)
        bands = minhash.bands(seen, rows)
    except (TypeError, ValueError):
        return candidates
    pool = patterns if candidates is None else candidates
    found = [pattern for pattern in pool if not bands.isdisjoint(minhash.bands(minhash.stored(pattern.flat)))]
    if count != minhash.STORED or not isinstance(threshold, (int, float)):
        return found
    return [pattern for pattern in found if _agreement(seen, minhash.stored(pattern.flat)) >= threshold]


def _agreement(left: minhash.Signature, right: minhash.Signature) -> float:
    return float(sum(map(eq, left, right)) / len(left))


def _number(config: Config, key: str, default: float) -> float | None:
    """The value of a filter's key, `default` for 0 and for nothing; None for what is no number."""
    value = config.effective[key] or default
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _similar(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    threshold = config.overrides.get("recall_threshold") or 0.1
    matcher = Matcher(state, Config({**config.overrides, "recall_threshold": threshold}, config.settings))
    return [pattern for pattern in patterns if matcher.match(pattern)]


_DATABASE: Mapping[Any, Callable[[Candidates, Sequence[str], Config], Candidates | None]] = {
    "length": _length,
    "jaccard": _jaccard,
}
