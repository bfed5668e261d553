"""Vectors: their sum and their names, which hash how numpy prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha1

from harness.twin.kato.messages import CrashError

_DIGITS = 8
_LINE = 74
_SUMMARY_ABOVE = 1000
_EDGE = 3


def vector_name(vector: Sequence[float]) -> str:
    """`VCTR|` and the SHA-1 of numpy's text of the vector."""
    return f"VCTR|{sha1(array_text(vector).encode(), usedforsecurity=False).hexdigest()}"


def summed(vectors: Sequence[Sequence[float]]) -> list[float]:
    """The sum of one observation's vectors; one of length 1 is added to each element (numpy's broadcasting).

    Raises CrashError where lengths differ otherwise.
    """
    total = list(vectors[0])
    for vector in vectors[1:]:
        if len(total) == len(vector):
            total = [a + b for a, b in zip(total, vector, strict=True)]
        elif len(vector) == 1:
            total = [a + vector[0] for a in total]
        elif len(total) == 1:
            total = [total[0] + b for b in vector]
        else:
            raise CrashError
    return total


def array_text(values: Sequence[float]) -> str:
    """`str(numpy.array(values))` for floats (numpy 2, default print options)."""
    if len(values) > _SUMMARY_ABOVE:
        shown = [*values[:_EDGE], *values[-_EDGE:]]
        words = _words(shown)
        return _wrapped([*words[:_EDGE], "...", *words[_EDGE:]])
    return _wrapped(_words(values))


def _wrapped(words: Sequence[str]) -> str:
    lines = []
    line = ""
    for word in words:
        if line and len(line) + len(word) + len("[ ") > _LINE:
            lines.append(line.rstrip())
            line = ""
        line = f"{line} {word}" if line else word
    return f"[{chr(10).join([*lines, line])}]".replace("\n", "\n ")


def _words(values: Sequence[float]) -> list[str]:
    finite = [value for value in values if math.isfinite(value)]
    sizes = [abs(value) for value in finite if value]
    scientific = bool(sizes) and (max(sizes) >= 1e8 or min(sizes) < 1e-4 or max(sizes) / min(sizes) > 1000.0)
    texts = iter(_scientific(finite) if scientific else _positional(finite))
    words = [next(texts) if math.isfinite(value) else _special(value) for value in values]
    width = max(map(len, words), default=0)
    return [word.rjust(width) for word in words]


def _special(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _positional(values: Sequence[float]) -> list[str]:
    parts = [_shortest(value, "f").split(".") for value in values]
    left = max((len(part[0]) for part in parts), default=0)
    right = max((len(part[1]) for part in parts), default=0)
    return [f"{whole:>{left}}.{fraction:<{right}}" for whole, fraction in parts]


def _scientific(values: Sequence[float]) -> list[str]:
    digits = max(len(_shortest(value, "e").partition("e")[0].partition(".")[2]) for value in values)
    parts = [format(value, f"#.{digits}e").split("e") for value in values]
    exponent = max(len(power) for _, power in parts)
    return [f"{mantissa}e{power[0]}{power[1:]:0>{exponent - 1}}" for mantissa, power in parts]


def _shortest(value: float, form: str) -> str:
    """The shortest digits that give `value` back, at most _DIGITS after the point, trailing zeros cut, point kept."""
    for digits in range(_DIGITS + 1):
        text = format(value, f".{digits}{form}")
        if float(text) == value:
            break
    mantissa, mark, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    return f"{whole}.{fraction.rstrip('0')}{mark}{power}"
