"""Which endpoint a method and a path name, as Starlette finds it: the first route whose path fits decides.

`{session_id}` and the like stand for one segment that isn't empty.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.twin.kato import node_api, pages, sequence_api, service_api, session_api, worker_api
from harness.twin.kato.calls import Endpoint

Segments = tuple[str, ...]

_SESSION = "/sessions/{session_id}"
_ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET HEAD", "/openapi.json", pages.openapi),
    ("GET HEAD", "/docs", pages.docs),
    ("GET HEAD", "/docs/oauth2-redirect", pages.docs),
    ("GET HEAD", "/redoc", pages.docs),
    ("POST", "/sessions", session_api.create),
    ("GET", "/sessions/count", service_api.session_count),
    ("GET", f"{_SESSION}/exists", session_api.exists),
    ("GET", _SESSION, session_api.info),
    ("DELETE", _SESSION, session_api.delete),
    ("GET", f"{_SESSION}/config", session_api.get_config),
    ("POST", f"{_SESSION}/config", session_api.set_config),
    ("POST", f"{_SESSION}/extend", session_api.extend),
    ("POST", f"{_SESSION}/observe", session_api.observed),
    ("GET", f"{_SESSION}/stm", session_api.stm),
    ("POST", f"{_SESSION}/learn", session_api.learned),
    ("POST", f"{_SESSION}/finalize-training", session_api.finalize),
    ("POST", f"{_SESSION}/clear-stm", session_api.clear_stm),
    ("POST", f"{_SESSION}/clear-all", session_api.clear_all),
    ("POST", f"{_SESSION}/observe-sequence", sequence_api.observe_sequence),
    ("GET", f"{_SESSION}/predictions", session_api.predictions),
    ("GET", f"{_SESSION}/percept-data", session_api.percept_data),
    ("GET", f"{_SESSION}/cognition-data", session_api.cognition_data),
    ("GET", "/concurrency", worker_api.concurrency),
    ("GET", "/cache/stats", worker_api.cache_stats),
    ("POST", "/cache/invalidate", worker_api.cache_invalidate),
    ("GET", "/distributed-stm/stats", worker_api.distributed_stm),
    ("GET", "/metrics", service_api.metrics),
    ("GET", "/stats", service_api.stats),
    ("GET", "/metrics/{metric_name}", service_api.metric),
    ("GET", "/connection-pools", worker_api.connection_pools),
    ("GET", "/status", service_api.status),
    ("GET", "/health", service_api.health),
    ("GET", "/pattern/{pattern_id}", node_api.pattern),
    ("GET", "/percept-data", node_api.old_percept_data),
    ("GET", "/cognition-data", node_api.old_cognition_data),
    ("GET", "/symbols/affinity", node_api.symbol_affinities),
    ("GET", "/symbols/stats", node_api.symbol_stats),
    ("GET", "/symbols/{symbol}/affinity", node_api.symbol_affinity),
    ("GET", "/", service_api.root),
)


class Route:
    """One endpoint, its methods, and its path in segments; a segment in braces fits any text."""

    __slots__ = ("_fixed", "_open", "endpoint", "methods")

    def __init__(self, methods: str, path: str, endpoint: Endpoint) -> None:
        self.methods = methods.split()
        self.endpoint = endpoint
        segments = list(enumerate(path.split("/")))
        self._open = {text.strip("{}"): at for at, text in segments if text.startswith("{")}
        self._fixed = tuple((at, text) for at, text in segments if not text.startswith("{"))

    def params(self, segments: Segments) -> Mapping[str, str] | None:
        """What the path's open segments hold; None where the path doesn't fit."""
        for at, text in self._fixed:
            if segments[at] != text:
                return None
        params = {name: segments[at] for name, at in self._open.items()}
        return params if all(params.values()) else None


_BY_LENGTH: dict[int, list[Route]] = {}
for _methods, _path, _endpoint in _ROUTES:
    _BY_LENGTH.setdefault(_path.count("/") + 1, []).append(Route(_methods, _path, _endpoint))


def find(method: str, path: str) -> tuple[Route | None, Mapping[str, str]]:
    """The route of a request and its parameters; a route without the method where only the path fits; or None."""
    segments = tuple(path.split("/"))
    partial: Route | None = None
    for route in _BY_LENGTH.get(len(segments), ()):
        params = route.params(segments)
        if params is not None:
            if method in route.methods:
                return route, params
            partial = partial or route
    return partial, {}
