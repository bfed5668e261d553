"""A law in words, for `explain`."""

from __future__ import annotations

from harness.errors import UsageError
from harness.laws.registry import LAWS


def explain(law_id: str) -> str:
    """Rule, trap, cure and example of a law as lines of text; raises UsageError for an id that there isn't."""
    if law_id not in LAWS:
        raise UsageError(f"there is no law {law_id!r}", f"one of {', '.join(LAWS)}")
    law = LAWS[law_id]
    lines = [
        f"{law.id} {law.name} ({law.family})",
        f"  rule     {law.rule}",
        f"  trap     {law.trap}",
        f"  cure     {law.cure}",
        f"  example  {law.example}",
        f"  applies  {'where the policy has ' + ' or '.join(law.promise) if law.promise else 'always'}",
        f"  takes    {law.wants or 'nothing but calls'}",
    ]
    if law.zero_tolerance:
        lines.append("  counts   one witness is enough, also in an invalid run")
    return "\n".join(lines) + "\n"
