"""Conformance cases drawn at random, for what nobody thought of recording.

`python bench/drawn_cases.py KIND SEED COUNT > drawn.jsonl`

`kato-harness conform URL --record --cases drawn.jsonl --out recorded.jsonl` has a real KATO answer them, and
`kato-harness conform TWIN --cases recorded.jsonl` says where the twin differs. KIND is one of KINDS; the same three
words draw the same cases.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from harness.twin.kato.config import FILTERS, KEYS, RANKINGS

Step = dict[str, Any]

SYMBOLS = list("abcdefgh")
STRANGE = [
    "it's", '"', "x\\y", " ", "", "\t", "é", "e\u0301", "日本", "🙂", "%s", "a%00", "VCTR|abc", "|", "null", "0",
    "a" * 300, "'; --", "{}",
]  # fmt: skip
VALUES: list[Any] = [
    0, 1, -1, 2, 5, 100, 101, 10_000, 0.0, 0.1, 0.5, 1.0, -0.5, 1.5, 1e-9, 1e9, True, None, "0.5", "x", [], {},
]  # fmt: skip
SIZES = [
    1e-38, 1e-20, 1e-9, 1e-3, 1.0, 3.0, 1e3, 1e6, 1.6777217e7, 1e9, 1e15, 1e19, 1.8e19, 1e20, 1e30, 3.4e38, 3.5e38,
    1e300,
]  # fmt: skip
USUAL = SIZES[3:9]
SANE: dict[str, list[Any]] = {
    "recall_threshold": [0.0, 0.1, 0.5, 0.9, 1.0],
    "max_pattern_length": [0, 1, 2, 3, 5],
    "max_predictions": [1, 2, 3, 100],
    "persistence": [1, 2, 5],
    "sort_symbols": [True, False],
    "process_predictions": [True, False],
    "use_token_matching": [True, False],
    "stm_mode": ["CLEAR", "ROLLING"],
    "rank_sort_algo": list(RANKINGS),
    "fuzzy_token_threshold": [0.0, 0.5, 0.85, 1.0],
    "affinity_emotive": ["joy", "none"],
    "filter_pipeline": [[], *([name] for name in FILTERS), ["length", "jaccard"], list(FILTERS)],
    "length_min_ratio": [0.1, 0.9],
    "length_max_ratio": [1.0, 3.0],
    "jaccard_threshold": [0.0, 0.3, 0.9],
    "jaccard_min_overlap": [1, 3],
    "minhash_threshold": [0.1, 0.9],
}
METHODS = ["POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
READS = ["predictions", "predictions", "predictions", "stm", "percept-data", "cognition-data", "config"]
PLACES = [*READS[2:], "learn", "observe", "exists", "nope", "", "extend?ttl_seconds=90"]
BODIES = [
    "", "{}", "[]", "1", "null", '"x"', "{bad", '{"strings":["a"]', '{"strings":"a"}', '{"strings":[1]}',
    '{"strings":null}', '{"strings":["a"],"strings":["b"]}', '{"vectors":[1]}', '{"vectors":[[]]}',
    '{"vectors":[["1",true]]}', '{"vectors":[[NaN,1,2]]}', '{"vectors":[[1,2,3],[1]]}', '{"vectors":[[1,2,3],[1,2]]}',
    '{"emotives":{"joy":"1.5"}}', '{"emotives":[]}', '{"emotives":{"joy":1e999}}', '{"metadata":1}',
    '{"metadata":{"k":[1,{"a":null}]}}', '{"observations":[]}', '{"observations":[{}]}', '{"node_id":5}',
    '\ufeff{"strings":["a"]}',
    '{"strings":["\\ud800","a"]}', '{"strings":["a"]}\n\n', "[" * 60 + "]" * 60, '{"strings":["a"],"unique_id":"u"}',
]  # fmt: skip
TYPES = [
    "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded",
    "APPLICATION/JSON", "",
]  # fmt: skip


def mixed(draws: Random) -> Iterator[Step]:
    """What clients do, in any order, with sessions that share a node."""
    yield from _opened(draws, lambda: _config(draws, valid=True) if draws.random() < 0.5 else {})
    for _ in range(draws.randint(12, 40)):
        yield _call(draws, lambda: _observation(draws, SYMBOLS))


def texts(draws: Random) -> Iterator[Step]:
    """Symbols that break quoting, sorting or encoding."""
    yield from _opened(draws, dict)
    for _ in range(draws.randint(12, 30)):
        yield _call(draws, lambda: _observation(draws, [*SYMBOLS[:3], *STRANGE]))


def configs(draws: Random) -> Iterator[Step]:
    """Keys of the configuration at and beyond their edges."""
    yield from _opened(draws, lambda: _config(draws, valid=False))
    for _ in range(draws.randint(12, 30)):
        if draws.random() < 0.25:
            yield _of(draws, "POST", "config", {"config": _config(draws, valid=draws.random() < 0.5)})
        else:
            yield _call(draws, lambda: _observation(draws, SYMBOLS[:5]))


def vectors(draws: Random) -> Iterator[Step]:
    """Vectors of one size, whose neighbours a search has to find."""
    yield from _vectors(draws, [draws.choice(USUAL)])


def sizes(draws: Random) -> Iterator[Step]:
    """Vectors of all sizes beside each other."""
    yield from _vectors(draws, SIZES)


def odd(draws: Random) -> Iterator[Step]:
    """Bodies, types, methods and paths that nobody should send."""
    yield from _opened(draws, dict)
    for _ in range(draws.randint(12, 30)):
        if draws.random() < 0.3:
            yield _call(draws, lambda: _observation(draws, SYMBOLS))
            continue
        path = draws.choice(
            ["/sessions", *(f"/sessions/{name}/{draws.choice(PLACES)}" for name in ("none", "${A}", "${A}"))]
        )
        step = {"method": draws.choice(METHODS), "path": path, "raw": draws.choice(BODIES)}
        yield {**step, "headers": {"Content-Type": draws.choice(TYPES)}} if draws.random() < 0.3 else step


KINDS: dict[str, Callable[[Random], Iterator[Step]]] = {
    each.__name__: each for each in (mixed, texts, configs, vectors, sizes, odd)
}


def _vectors(draws: Random, scales: list[float]) -> Iterator[Step]:
    yield from _opened(draws, dict)
    dimension = draws.choice([1, 2, 3, 4, 5, 8, 9, 16, 17, 33])
    known: list[list[float]] = []

    def observation() -> dict[str, Any]:
        if known and draws.random() < 0.3:
            vector = [value * draws.choice([1, 1, 1 + 1e-7, 1.1, -1]) for value in draws.choice(known)]
        else:
            vector = [draws.choice([0, 1, -1, draws.uniform(-2, 2)]) * draws.choice(scales) for _ in range(dimension)]
        known.append(vector)
        return {
            "strings": draws.sample(SYMBOLS, draws.choice([0, 0, 1])),
            "vectors": [vector, *([[0.5] * dimension] if draws.random() < 0.1 else [])],
        }

    for _ in range(draws.randint(15, 40)):
        yield _call(draws, observation, learn=0.25)


def _opened(draws: Random, config: Callable[[], dict[str, Any]]) -> Iterator[Step]:
    for name, node in (("A", "n"), ("B", draws.choice("nm"))):
        body = {"node_id": f"drawn-${{run}}-{node}", "config": config()}
        yield {"method": "POST", "path": "/sessions", "save": name, "body": body}


def _call(draws: Random, observation: Callable[[], dict[str, Any]], learn: float = 0.15) -> Step:
    dice = draws.random()
    if dice < 0.5:
        return _of(draws, "POST", "observe", observation())
    if dice < 0.5 + learn:
        return _of(draws, "POST", "learn")
    if dice < 0.9:
        return _of(draws, "GET", draws.choice(READS))
    if dice < 0.95:
        names = draws.sample(["learn_at_end", "learn_after_each", "clear_stm_between"], draws.randint(0, 3))
        flags = {name: draws.random() < 0.5 for name in names}
        observations = [observation() for _ in range(draws.randint(0, 4))]
        return _of(draws, "POST", "observe-sequence", {"observations": observations, **flags})
    return _of(draws, "POST", draws.choice(["clear-stm", "clear-stm", "clear-all", "finalize-training"]))


def _of(draws: Random, method: str, what: str, body: Any = None) -> Step:
    step = {"method": method, "path": f"/sessions/${{{draws.choice('AAB')}}}/{what}"}
    return step if body is None else {**step, "body": body}


def _observation(draws: Random, symbols: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"strings": [draws.choice(symbols) for _ in range(draws.choice([0, 1, 1, 1, 2, 2, 3]))]}
    if draws.random() < 0.2:
        names = draws.sample(["joy", "fear", ""], 2)
        told["emotives"] = {name: draws.choice([0, 1, -1, 0.3, 1e6, 1e-7, -2.5]) for name in names}
    if draws.random() < 0.1:
        told["metadata"] = {draws.choice(["tag", "src"]): draws.choice(["x", 1, ["a", "b"], None, {"k": 1.5}])}
    return told


def _config(draws: Random, valid: bool) -> dict[str, Any]:
    names = draws.sample(list(SANE) if valid else list(KEYS), draws.randint(1, 4))
    return {name: draws.choice(SANE[name] if valid else [*SANE.get(name, []), *VALUES]) for name in names}


def main() -> int:
    """Write the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int)
    asked = parser.parse_args()
    for number in range(asked.count):
        draws = Random(f"{asked.kind} {asked.seed} {number}")
        steps = [{**step, "expect": {"status": 0, "body": None}} for step in KINDS[asked.kind](draws)]
        sys.stdout.write(json.dumps({"case": f"{asked.kind} {asked.seed}.{number}", "steps": steps}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
