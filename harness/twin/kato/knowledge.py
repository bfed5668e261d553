"""What a node has learned: patterns as rows in ClickHouse, their counters and the symbols' statistics in Redis."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha1
from itertools import accumulate, chain
from math import log, log2
from typing import NamedTuple

from harness.twin.kato.messages import CrashError
from harness.twin.kato.sessions import Event

Emotives = Sequence[Mapping[str, float]]


class Metrics:
    """What finalize-training computes once for a pattern."""

    __slots__ = ("entropy", "global_normalized_entropy", "normalized_entropy", "term_frequencies")

    def __init__(self, flat: Sequence[str], symbols: Symbols, unique_patterns: int) -> None:
        counts = Counter(flat)
        self.term_frequencies = {symbol: count / len(flat) for symbol, count in counts.items()}
        self.entropy = entropy(self.term_frequencies.values())
        self.normalized_entropy = entropy(self.term_frequencies.values(), len(symbols))
        probabilities = [symbols[name].patterns / unique_patterns for name in counts if name in symbols]
        self.global_normalized_entropy = entropy(probabilities, len(symbols))


class Pattern:
    """A learned sequence. `rows` counts its rows in ClickHouse, `frequency` is 0 where Redis has lost it."""

    __slots__ = ("_ends", "emotives", "events", "flat", "frequency", "metadata", "metrics", "name", "rows")

    def __init__(self, name: str, events: Sequence[Event]) -> None:
        self.name = name
        self.events = tuple(events)
        self.flat = tuple(chain.from_iterable(events))
        self._ends = tuple(accumulate(map(len, events)))
        self.rows = 0
        self.forget()

    def forget(self) -> None:
        """Redis lost what it knew of the pattern."""
        self.frequency = 0
        self.emotives: Emotives | None = None
        self.metadata: Mapping[str, Sequence[str]] | None = None
        self.metrics: Metrics | None = None

    def events_of(self, symbols: int) -> int:
        """How many leading events it takes to hold the first `symbols` symbols."""
        return bisect_left(self._ends, symbols) + 1 if symbols else 0


class SymbolCount:
    """Of one symbol: occurrences in all learning, and the number of patterns that hold it."""

    __slots__ = ("frequency", "patterns")

    def __init__(self) -> None:
        self.frequency = 0
        self.patterns = 0


Symbols = dict[str, SymbolCount]


class Statistics(NamedTuple):
    """Symbols, frequencies of all patterns together, and how many patterns there are."""

    symbols: Symbols
    total_frequency: int
    unique_patterns: int


def nothing_to_settle() -> None:
    """No processor has predicted anything that is still to be computed."""


class Knowledge:
    """One node's patterns, found by symbol. `settle` runs before anything changes that a prediction depends on.

    `unwritten`: patterns that Redis counts and ClickHouse has no row of, because writing it failed.
    """

    def __init__(self) -> None:
        self.settle: Callable[[], None] = nothing_to_settle
        self.unwritten: dict[str, Pattern] = {}
        self.symbols: Symbols = {}
        self.affinities: dict[str, dict[str, float]] = {}
        self.total_frequency = 0
        self.unique_patterns = 0
        self._empty_rows()

    def _empty_rows(self) -> None:
        self.patterns: dict[str, Pattern] = {}
        self._by_symbol: dict[str, list[Pattern]] = {}
        self._by_first: dict[str, list[Pattern]] = {}

    def starting_with(self, symbol: str) -> Sequence[Pattern]:
        """The patterns whose first symbol it is, once a row."""
        return [pattern for pattern in self._by_first.get(symbol, ()) for _ in range(pattern.rows)]

    def sharing(self, symbols: Iterable[str]) -> list[Pattern]:
        """The patterns that hold at least one of the symbols; found by index, whatever else was learned."""
        found: dict[str, Pattern] = {}
        for symbol in symbols:
            for pattern in self._by_symbol.get(symbol, ()):
                found[pattern.name] = pattern
        return list(found.values())

    def claim(self, events: Sequence[Event]) -> tuple[Pattern, bool]:
        """The pattern of these events and whether it is new to Redis; counts it there."""
        self.settle()
        name = pattern_name(events)
        pattern = self.patterns.get(name)
        if pattern is None:
            pattern = self.unwritten.setdefault(name, Pattern(name, events))
        pattern.frequency += 1
        return pattern, pattern.frequency == 1

    def write(self, pattern: Pattern) -> None:
        """Add a row for the pattern."""
        self.settle()
        self.unwritten.pop(pattern.name, None)
        pattern.rows += 1
        if pattern.rows == 1:
            self.patterns[pattern.name] = pattern
            self._by_first.setdefault(pattern.flat[0], []).append(pattern)
            for symbol in set(pattern.flat):
                self._by_symbol.setdefault(symbol, []).append(pattern)

    def count(self, pattern: Pattern, new: bool) -> None:
        """Add the pattern to the symbols' statistics."""
        for symbol, times in Counter(pattern.flat).items():
            counted = self.symbols.setdefault(symbol, SymbolCount())
            counted.frequency += times
            counted.patterns += new
        self.total_frequency += new
        self.unique_patterns += new

    def feel(self, pattern: Pattern, averaged: Mapping[str, float]) -> None:
        """Add the averaged emotives to the affinity of each symbol; raises CrashError if one of them is not finite."""
        sound = {name: value for name, value in averaged.items() if math.isfinite(value)}
        for symbol in dict.fromkeys(pattern.flat) if sound else ():
            sums = self.affinities.setdefault(symbol, {})
            for name, value in sound.items():
                sums[name] = sums.get(name, 0.0) + value
        if len(sound) < len(averaged):
            raise CrashError

    def statistics(self) -> Statistics:
        """What Redis counts now."""
        return Statistics(self.symbols, self.total_frequency, self.unique_patterns)

    def finalize(self) -> int:
        """Compute the metrics of all patterns; returns the number of rows."""
        self.settle()
        for pattern in self.patterns.values():
            pattern.metrics = Metrics(pattern.flat, self.symbols, max(self.unique_patterns, 1))
        return sum(pattern.rows for pattern in self.patterns.values())

    def clear(self) -> None:
        """Forget everything learned."""
        self.settle()
        self._empty_rows()
        self.lose_counters()

    def lose_rows(self) -> None:
        """ClickHouse came back empty; what Redis counts stays, so that a pattern learned again is not written again."""
        self.settle()
        self.unwritten |= {name: pattern for name, pattern in self.patterns.items() if pattern.frequency}
        for pattern in self.patterns.values():
            pattern.rows = 0
        self._empty_rows()

    def lose_counters(self) -> None:
        """Redis came back empty; the rows in ClickHouse stay."""
        self.settle()
        for pattern in self.patterns.values():
            pattern.forget()
        self.unwritten = {}
        self.symbols = {}
        self.affinities = {}
        self.total_frequency = 0
        self.unique_patterns = 0


def pattern_name(events: Sequence[Event]) -> str:
    """SHA-1 (hex) of the events written as a Python list of lists."""
    return sha1(str([list(event) for event in events]).encode(), usedforsecurity=False).hexdigest()


def average(emotives: Emotives) -> dict[str, float]:
    """The mean of each emotive over the records that name it."""
    values: dict[str, list[float]] = {}
    for record in emotives:
        for name, value in record.items():
            values.setdefault(name, []).append(value)
    return {name: float(sum(each) / len(each)) for name, each in values.items()}


def entropy(probabilities: Iterable[float], base: int = 2) -> float:
    """The sum of -p·log(p) to `base`; 0 where the base gives no logarithm."""
    if base == 2:
        return 0.0 - sum(p * log2(p) for p in probabilities if p > 0)
    return 0.0 - sum(p * log(p, base) for p in probabilities if p > 0) if base > 1 else 0.0
