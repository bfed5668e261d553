"""A traced client that breaks O2: the corrected one with SimpleSpanProcessor, which exports inside the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from harness.integrations import REGISTRY, fixed_otel
from harness.policy import scaled


def simple(base_url: str, collector: str = "", seed: int | None = None) -> Any:
    """The client under test; its provider exports each span as it ends."""

    def provider_for(url: str) -> TracerProvider:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", timeout=0.5)))
        return provider

    fixed_otel.provider_for = provider_for
    policy: Mapping[str, Any] = scaled(REGISTRY["fixed-otel"].policy, 0.1)
    return fixed_otel.make(base_url, policy, collector=collector, seed=seed)
