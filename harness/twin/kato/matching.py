"""How well a pattern matches what was observed, and which part of it: KATO's sequence recall.

Similarity is 2·LCS/(m+n) over symbols, or over the characters of both sides joined by blanks. The matching part follows
from contiguous blocks as Python's difflib finds them (longest first, without junk).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from ctypes import c_float
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from harness.twin.kato.config import Config
from harness.twin.kato.knowledge import Pattern

_CUTOFF_SLACK = 1e-6


class Subsequences:
    """The length of the longest common subsequence with one fixed sequence, by bit-parallel rows (Hyyrö 2004)."""

    __slots__ = ("_masks", "_ones", "length")

    def __init__(self, sequence: Sequence[Hashable]) -> None:
        self.length = len(sequence)
        self._ones = (1 << self.length) - 1
        masks: dict[Hashable, int] = {}
        for at, item in enumerate(sequence):
            masks[item] = masks.get(item, 0) | 1 << at
        self._masks = masks

    def common(self, other: Sequence[Hashable]) -> int:
        """The LCS length with `other`."""
        masks = self._masks
        ones = row = self._ones
        for item in other:
            mask = masks.get(item)
            if mask:
                hit = row & mask
                row = (row + hit | row - hit) & ones
        return self.length - row.bit_count()

    def ratio(self, other: Sequence[Hashable]) -> float:
        """The normalized indel similarity with `other`, 0 to 100; 100 for two empty sequences."""
        total = self.length + len(other)
        return (1.0 - (total - 2 * self.common(other)) / total) * 100.0 if total else 100.0


def single(cutoff: float) -> float:
    """A cut-off as the library behind KATO holds it against its scores of characters: in single precision."""
    return c_float(cutoff).value


@dataclass(slots=True)
class Match:
    """How one pattern met the state. `past` and `present` count symbols of the pattern, `extras` those of the state."""

    pattern: Pattern
    similarity: float
    matches: list[str]
    past: int
    present: int
    extras: int
    blocks: int
    anomalies: list[dict[str, Any]]


class Matcher:
    """Matches patterns against one state (the observed symbols in a row)."""

    def __init__(self, state: Sequence[str], config: Config) -> None:
        self._state = state
        self._threshold = config.recall_threshold
        self._fuzzy = config.fuzzy_token_threshold
        self._by_token = bool(config.use_token_matching)
        self._subsequences = Subsequences(state if self._by_token else " ".join(state))
        self._blocks: SequenceMatcher[str] = SequenceMatcher(None, "", state, autojunk=False)

    def match(self, pattern: Pattern) -> Match | None:
        """The match, or None below the recall threshold."""
        similarity = self._similarity(pattern.flat)
        if similarity < self._threshold:
            return None
        return self._detailed(pattern, similarity)

    def _similarity(self, flat: Sequence[str]) -> float:
        subsequences = self._subsequences
        cutoff = self._threshold * 100 - _CUTOFF_SLACK
        if self._by_token:
            total = subsequences.length + len(flat)
            score = 2.0 * subsequences.common(flat) / total * 100.0
        elif cutoff < 0:
            # The library behind KATO refuses a negative cut-off for characters, so that a threshold of 0 finds nothing.
            return -1.0
        else:
            cutoff = single(cutoff)
            score = subsequences.ratio(" ".join(flat))
        return score / 100.0 if score >= cutoff else -1.0

    def _detailed(self, pattern: Pattern, similarity: float) -> Match | None:
        flat = pattern.flat
        self._blocks.set_seq1(flat)
        *blocks, _ = self._blocks.get_matching_blocks()
        if blocks:
            past = blocks[0].a
            present = blocks[-1].a + blocks[-1].size - past
        elif self._threshold > 0.0:
            return None
        else:
            past, present = 0, len(flat)
        if self._fuzzy > 0.0:
            matches, anomalies = self._fuzzy_matches(flat)
            extras = len(self._state) - len(matches)
        else:
            matches = [symbol for block in blocks for symbol in self._state[block.b : block.b + block.size]]
            anomalies = []
            extras = self._extras(flat[past : past + present])
        return Match(pattern, similarity, matches, past, present, extras, len(blocks), anomalies)

    def _extras(self, present: Sequence[str]) -> int:
        self._blocks.set_seq1(present)
        return len(self._state) - sum(block.size for block in self._blocks.get_matching_blocks())

    def _fuzzy_matches(self, flat: Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
        """The state's symbols that come near enough to a symbol of the pattern, and those that aren't equal to it."""
        matches = []
        anomalies = []
        cutoff = single(self._fuzzy * 100)
        for symbol in self._state:
            near = Subsequences(symbol)
            score, best = max(((near.ratio(other), other) for other in flat), key=lambda item: item[0])
            if score >= cutoff:
                matches.append(symbol)
                if symbol != best:
                    anomalies.append({"observed": symbol, "expected": best, "similarity": score / 100.0})
        return matches, anomalies
