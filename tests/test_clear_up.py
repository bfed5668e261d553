"""A run's sessions on a KATO that isn't ours are deleted in bounded time, and those that stay are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.run.clear_up import AT_LEAST_S, AT_MOST_S, EACH_S, clear_up, left_words


@dataclass
class Slow:
    """A KATO that deletes `each` sessions in a round of four seconds."""

    left: int
    each: int
    now_s: float = 0.0
    asked: int = 0

    def do(self, word: str) -> dict[str, Any]:
        assert word == "clear_up"
        gone = min(self.each, self.left)
        self.left -= gone
        self.asked += 1
        self.now_s += 4.0
        return {"deleted": gone, "left": self.left, "names": [f"s{n}" for n in range(min(self.left, 3))]}


def cleared(kato: Slow) -> dict[str, Any]:
    return clear_up(kato.do, lambda: kato.now_s)


def test_a_slow_kato_is_asked_again_until_all_are_gone() -> None:
    """35 in a round, as a busy real one did."""
    facts = cleared(Slow(100, 35))
    assert (facts["sessions_deleted"], facts["sessions_left"]) == (100, 0)
    assert left_words(facts) == []


def test_a_kato_that_deletes_nothing_is_asked_once() -> None:
    """It is gone, or refuses."""
    kato = Slow(100, 0)
    assert cleared(kato)["sessions_left"] == 100
    assert kato.asked == 1


def test_the_time_grows_with_the_sessions_and_has_an_end() -> None:
    """One session a round is too slow for any number."""
    for sessions, within in ((8, AT_LEAST_S), (100, EACH_S * 100), (100_000, AT_MOST_S)):
        kato = Slow(sessions, 1)
        cleared(kato)
        assert kato.now_s < within + 4.0, sessions


def test_what_stays_is_named_in_a_warning() -> None:
    """The first few, and how many they are."""
    (words,) = left_words(cleared(Slow(100, 0)))
    assert words.startswith("100 sessions")
    assert "s0, s1, s2, ..." in words
