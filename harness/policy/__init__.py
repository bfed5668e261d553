"""What the integration promises: the records that laws take their numbers from (standard library only).

Declared beats read, read beats default, key by key (design: "The laws carry the obligations, the policy their
numbers"). All durations are float seconds here, as in the clients' own settings; None means: not known or absent.
"""

from __future__ import annotations

from harness.policy.merge import from_mapping, merge, overlay, scaled, to_mapping
from harness.policy.types import Backoff, Breaker, Budget, Fallback, Policy, Promise, Retry, Timeout

__all__ = [
    "Backoff",
    "Breaker",
    "Budget",
    "Fallback",
    "Policy",
    "Promise",
    "Retry",
    "Timeout",
    "from_mapping",
    "merge",
    "overlay",
    "scaled",
    "to_mapping",
]
