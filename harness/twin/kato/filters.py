"""The filter pipeline that a session may put before matching.

`bloom` changes nothing in KATO 3.10 (it fails on every pattern and the failure is ignored), and a pipeline that does
not begin with a filter of the database (`length`, `jaccard`, `minhash`) finds nothing. `minhash` estimates a Jaccard
similarity from hashes that differ between versions of KATO's hash library; here it is the exact similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.twin.kato.config import Config
from harness.twin.kato.knowledge import Pattern
from harness.twin.kato.matching import Matcher
from harness.twin.kato.sql import is_broken

Candidates = Sequence[Pattern]


def filtered(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    """The patterns that the session's pipeline lets through; all of them where it has none."""
    pipeline = config.effective["filter_pipeline"]
    if not pipeline:
        return patterns
    candidates: Candidates | None = None
    for name in pipeline:
        stage = _DATABASE.get(name)
        if stage is not None and not (name == "jaccard" and any(map(is_broken, state))):
            candidates = stage(patterns if candidates is None else candidates, state, config)
        elif stage is not None:
            candidates = candidates or ()
        elif name == "rapidfuzz" and candidates is not None:
            candidates = _similar(candidates, state, config)
        if candidates is not None and not candidates:
            break
    return candidates or ()


def _length(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    low = max(1, int(len(state) * (config.effective["length_min_ratio"] or 0.5)))
    high = int(len(state) * (config.effective["length_max_ratio"] or 2.0))
    return [pattern for pattern in patterns if low <= len(pattern.flat) <= high]


def _jaccard(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    threshold = config.effective["jaccard_threshold"] or 0.3
    return _overlapping(patterns, state, config.effective["jaccard_min_overlap"] or 2, threshold)


def _minhash(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    return _overlapping(patterns, state, 1, config.effective["minhash_threshold"] or 0.7)


def _overlapping(patterns: Candidates, state: Sequence[str], overlap: int, threshold: float) -> Candidates:
    seen = set(state)
    return [
        pattern
        for pattern in patterns
        if (common := len(seen & (tokens := set(pattern.flat)))) >= overlap and common / len(seen | tokens) >= threshold
    ]


def _similar(patterns: Candidates, state: Sequence[str], config: Config) -> Candidates:
    threshold = config.overrides.get("recall_threshold") or 0.1
    matcher = Matcher(state, Config({**config.overrides, "recall_threshold": threshold}, config.settings))
    return [pattern for pattern in patterns if matcher.match(pattern)]


_DATABASE: Mapping[Any, Callable[[Candidates, Sequence[str], Config], Candidates]] = {
    "length": _length,
    "jaccard": _jaccard,
    "minhash": _minhash,
}
