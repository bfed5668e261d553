"""The guide's traced client, corrected: a provider, a batch exporter, stable conventions, one span an attempt.

A call is one internal span; each try of it is a client span of its own, made in the transport, so that re-sends show
with their `http.request.resend_count` (the instrumentation's spans don't: opentelemetry-python-contrib#2000). Spans go
to a bounded queue that drops: a collector that is gone costs the caller nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import httpx
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from harness.integrations.deadline import left, within
from harness.integrations.fixed_tenacity import never_arrived, transient
from harness.integrations.kato import SESSIONS_PATH, learn_path, observe_path, predictions_path
from harness.integrations.retrying import FullJitter, RetryBudget, retry_after
from harness.integrations.wire_httpx_async import AsyncHttpxWire, DeadlineTransport

SERVICE = "kato-client"
QUEUE = 2048
BATCH = 512
EXPORT_WITHIN_S = 2.0
DELAY_S = 1.0

_RESENDS: ContextVar[int] = ContextVar("kato_resends", default=0)


class TracedTransport(DeadlineTransport):
    """A client span around each attempt (semantic conventions for HTTP client spans, stable)."""

    def __init__(self, tracer: trace.Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self._tracer.start_as_current_span(
            request.method, kind=SpanKind.CLIENT, attributes=_asked(request), record_exception=False,
            set_status_on_exception=False,
        ) as span:  # fmt: skip
            propagate.inject(request.headers)
            try:
                response = await super().handle_async_request(request)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 400:
                span.set_attribute("error.type", str(response.status_code))
                span.set_status(Status(StatusCode.ERROR))
            return response


def _asked(request: httpx.Request) -> dict[str, Any]:
    told: dict[str, Any] = {
        "http.request.method": request.method,
        "server.address": request.url.host,
        "server.port": request.url.port or 80,
        "url.full": str(request.url),
    }
    return told | ({"http.request.resend_count": _RESENDS.get()} if _RESENDS.get() else {})


class FixedOtel:
    """Calls end within `timeout.total`; writes are sent again only where they never arrived."""

    def __init__(
        self, base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str], collector: str, seed: int | None
    ) -> None:
        self.policy = policy
        retry = policy["retry"]
        self._total = policy["timeout"]["total"]
        self._attempts = retry["max_attempts"]
        self._jitter = FullJitter(retry["backoff"], seed)
        self._budget = RetryBudget(retry["budget"]["ratio"], retry["budget"]["min_per_second"])
        self._exports = bool(collector)
        self._provider = provider_for(collector)
        self._tracer = self._provider.get_tracer("kato_client")
        self._wire = AsyncHttpxWire(base_url, policy["timeout"], headers, TracedTransport(self._tracer))
        self.inspect = (self._wire.client,)

    async def open_session(self, node_id: str) -> str:
        answer = await self._send("open_session", never_arrived, "POST", SESSIONS_PATH, {"node_id": node_id})
        return str(answer["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self._send("observe", never_arrived, "POST", observe_path(session_id), dict(observation))

    async def predict(self, session_id: str) -> Any:
        return await self._send("predict", transient, "GET", predictions_path(session_id))

    async def learn(self, session_id: str) -> Any:
        return await self._send("learn", never_arrived, "POST", learn_path(session_id))

    async def _send(
        self, name: str, again: Callable[[BaseException], bool], method: str, path: str, body: Any = None
    ) -> dict[str, Any]:
        self._budget.deposit()
        # a root of its own: what runs around us belongs to somebody else's trace
        with within(self._total), self._tracer.start_as_current_span(f"kato.{name}", context=context.Context()):
            for attempt in range(1, self._attempts + 1):
                _RESENDS.set(attempt - 1)
                try:
                    return await self._wire.send(method, path, body)
                except Exception as error:
                    if attempt == self._attempts or not again(error) or not await self._waited(attempt, error):
                        raise
        raise AssertionError("the last attempt returns or raises")

    async def _waited(self, retry: int, error: Exception) -> bool:
        """Wait as long as jitter and server ask; False where a further attempt makes no sense or may not be made."""
        asked = retry_after(error.response.headers) if isinstance(error, httpx.HTTPStatusError) else 0.0
        wait = max(asked, self._jitter.wait(retry))
        if wait >= (left() or 0.0) or not self._budget.withdraw():
            return False
        await asyncio.sleep(wait)
        return True

    async def close(self) -> None:
        """Export what is left, and close every connection."""
        await self._wire.close()
        if self._exports:
            await asyncio.to_thread(self._provider.shutdown)


def provider_for(collector: str) -> TracerProvider:
    """A provider that exports in batches to the OTLP collector at that URL; spans and ids alone for no URL."""
    provider = TracerProvider(resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False)
    if collector:
        exporter = OTLPSpanExporter(f"{collector}/v1/traces", timeout=EXPORT_WITHIN_S)
        batch = BatchSpanProcessor(
            exporter, max_queue_size=QUEUE, schedule_delay_millis=DELAY_S * 1000, max_export_batch_size=BATCH,
            export_timeout_millis=EXPORT_WITHIN_S * 1000,
        )  # fmt: skip
        provider.add_span_processor(batch)
    return provider


def make(
    base_url: str,
    policy: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    collector: str = "",
    seed: int | None = None,
) -> FixedOtel:
    """The integration `fixed-otel`; durations of `policy` in seconds, `collector` an OTLP/HTTP endpoint's base URL."""
    return FixedOtel(base_url, policy, headers or {}, collector, seed)
