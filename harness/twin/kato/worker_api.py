"""What a worker tells of its own load, its connections and its caches; none of it asks the stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.twin.kato.bodies import query_value
from harness.twin.kato.calls import Call
from harness.twin.kato.messages import Answer
from harness.twin.kato.service_api import iso, uptime


def concurrency(call: Call) -> Answer:
    """GET /concurrency, of a worker that handles one request at a time."""
    settings = call.state.settings
    limit = settings.uvicorn_limit_concurrency
    used = int(100 / limit) if limit > 0 else 0
    words = f"Concurrency is healthy. Peak 1/{limit} ({used}%)."
    return call.answer(
        {
            "status": "healthy",
            "current": {"concurrent_requests": 1, "utilization_percent": used},
            "peak": {"concurrent_requests": 1, "utilization_percent": used},
            "limits": {
                "per_worker": limit,
                "warning_threshold": int(limit * 0.8),
                "critical_threshold": int(limit * 0.95),
                "total_capacity": limit * settings.uvicorn_workers,
            },
            "configuration": {
                "workers": settings.uvicorn_workers,
                "backlog": settings.uvicorn_backlog,
                "max_requests": settings.uvicorn_limit_max_requests,
            },
            "recommendations": [{"level": "info", "message": words}],
            "timestamp": iso(call.state.now()),
        }
    )


def connection_pools(call: Call) -> Answer:
    """GET /connection-pools: what the worker remembers of its stores, degraded for as long as nobody asks Qdrant."""
    state = call.state
    used = state.nodes_made > 0
    reached = {
        "healthy": True,
        "last_check": state.started_at,
        "error_count": 0,
        "last_error": None,
        "response_time_ms": 1.0,
    }
    unknown = {**reached, "healthy": False, "response_time_ms": None}
    pools = {"redis": {"type": "redis", "status": "error"}, "clickhouse": {"type": "clickhouse", "status": "connected"}}
    return call.answer(
        {
            "status": "degraded",
            "health": {
                "redis": reached if used else unknown,
                "qdrant": unknown,
                "clickhouse": reached if used else unknown,
            },
            "pool_statistics": pools if used else {},
            "connection_optimization": _OPTIMIZATION,
            "performance_improvements": {
                "expected_connection_overhead_reduction": "60-80%",
                "expected_concurrent_performance_improvement": "40-60%",
                "expected_memory_efficiency_improvement": "30-50%",
            },
            "error": None,
            "timestamp": iso(state.now()),
        }
    )


_POOLED = {"pool_size_optimized": True, "connection_reuse": True, "health_monitoring": True}
_OPTIMIZATION: Mapping[str, Any] = {
    "clickhouse": {**_POOLED, "features": ["http_client", "compression", "connection_pooling"]},
    "redis": {**_POOLED, "features": ["socket_keepalive", "retry_on_timeout", "health_check"]},
    "qdrant": {
        "grpc_optimized": True,
        "connection_reuse": True,
        "health_monitoring": True,
        "features": ["prefer_grpc", "timeout_handling"],
    },
}


def cache_stats(call: Call) -> Answer:
    """GET /cache/stats, of a cache that KATO 3.10 never fills."""
    figures = {
        "hit_rate_percent": 0,
        "cache_hits": 0,
        "cache_misses": 0,
        "patterns_in_cache": 0,
        "symbols_in_cache": 0,
        "patterns_cached_total": 0,
        "symbols_cached_total": 0,
        "redis_memory_used_mb": 2.0,
        "uptime_seconds": round(uptime(call.state), 2),
        "requests_per_second": 0.0,
    }
    return call.answer(
        {
            "cache_performance": figures,
            "cache_health": {"status": "healthy", "redis_connected": True, "cache_stats": figures},
            "timestamp": iso(call.state.now()),
        }
    )


def cache_invalidate(call: Call) -> Answer:
    """POST /cache/invalidate"""
    return call.answer(
        {
            "status": "success",
            "patterns_invalidated": 0,
            "symbols_invalidated": 0,
            "session_id": query_value(call.request, "session_id"),
            "reason": None,
            "timestamp": iso(call.state.now()),
        }
    )


def distributed_stm(call: Call) -> Answer:
    """GET /distributed-stm/stats"""
    state = call.state
    content: dict[str, Any] = dict.fromkeys(
        ("performance_stats", "processor_info", "expected_improvements", "reason", "error")
    )
    if state.nodes:
        content |= {
            "status": "active",
            "distributed_stm_enabled": True,
            "performance_stats": {
                "events_published": state.monitor.observations,
                "events_consumed": 0,
                "cache_hits": 0,
                "cache_misses": 0,
                "sync_operations": 0,
                "cache_hit_rate": 0.0,
                "stream_length": state.monitor.observations,
                "consumer_groups": 1,
            },
            "processor_info": {
                "sample_processor_id": next(iter(state.nodes)),
                "total_active_processors": len(state.nodes),
            },
            "expected_improvements": {
                "stm_coordination_overhead_reduction": "50-70%",
                "distributed_state_consistency": "near real-time",
                "horizontal_scaling_support": "enabled",
            },
        }
    else:
        content |= {
            "status": "disabled",
            "distributed_stm_enabled": False,
            "processor_info": {"total_active_processors": 0},
            "reason": "No processors with distributed STM available",
        }
    return call.answer({**content, "timestamp": iso(state.now())})
