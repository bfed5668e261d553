"""A VirtualService's retries as Envoy's retry policy (istio pilot/pkg/networking/core/route/retry)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from harness.mesh import duration
from harness.mesh.virtual_service import HTTPRetry

Json = dict[str, Any]
DEFAULT_RETRIES = 2
DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_STATUS = "retriable-status-codes"
_TYPES = "type.googleapis.com/envoy.extensions.retry"
_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {"@type": f"{_TYPES}.host.previous_hosts.v3.PreviousHostsPredicate"},
}
_PREVIOUS_PRIORITIES = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": f"{_TYPES}.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 2,
    },
}


def envoy_retries(retries: HTTPRetry | None, hashed: bool) -> Json | None:
    """Envoy's RetryPolicy: the mesh's default for None, nothing for 0 attempts.

    `hashed`: the only destination is chosen by consistent hash, so a re-try may meet the same host again.
    """
    if retries is not None and retries.attempts <= 0:
        return None
    told = retries or HTTPRetry(attempts=DEFAULT_RETRIES)
    out: Json = {"num_retries": told.attempts, "host_selection_retry_max_attempts": "5"}
    out |= _conditions(told.retry_on)
    if told.per_try_timeout is not None:
        out["per_try_timeout"] = duration.proto(told.per_try_timeout)
    avoid = not hashed if told.retry_ignore_previous_hosts is None else told.retry_ignore_previous_hosts
    if avoid:
        out["retry_host_predicate"] = [_PREVIOUS_HOSTS]
    if told.retry_remote_localities:
        out["retry_priority"] = _PREVIOUS_PRIORITIES
    if told.backoff is not None:
        out["retry_back_off"] = {"base_interval": duration.proto(told.backoff)}
    return out


def _conditions(retry_on: str) -> Json:
    """Words stay, numbers that are HTTP statuses become codes, and codes need their word."""
    if not retry_on:
        return {"retry_on": DEFAULT_RETRY_ON}
    words, codes = [], []
    for part in (part.strip() for part in retry_on.split(",")):
        if part.isascii() and part.lstrip("+-").isdigit() and int(part) in _KNOWN_STATUS:
            codes.append(int(part))
        elif part:
            words.append(part)
    joined = ",".join(words)
    if not codes:
        return {"retry_on": joined} if joined else {}
    # Istio joins with a comma even after nothing, and so must the expectation.
    joined = joined if _STATUS in joined else f"{joined},{_STATUS}"
    return {"retry_on": joined, "retriable_status_codes": codes}


_KNOWN_STATUS = frozenset(int(status) for status in HTTPStatus)
