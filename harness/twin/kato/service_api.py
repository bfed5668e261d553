"""Health, status and metrics: always 200, whatever the stores do (contract, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.twin.kato.bodies import query_value, read_query
from harness.twin.kato.calls import Call
from harness.twin.kato.messages import Answer, detail
from harness.twin.kato.monitor import HOST, METRICS
from harness.twin.kato.state import MAX_NODES, State

VERSION = "3.10.1"
TITLE = "Knowledge Abstraction for Traceable Outcomes with Multi-User Support"
_MINUTES = 10
_STATS_SERIES = (
    "kato_cpu_usage_percent",
    "kato_memory_usage_percent",
    "kato_memory_usage_bytes",
    "kato_disk_usage_percent",
    "load_average_1m",
    "kato_requests_total",
    "kato_request_duration_seconds",
    "kato_errors_total",
    "sessions_created",
    "sessions_deleted",
    "session_operations",
    "clickhouse_operations",
    "clickhouse_response_time",
    "clickhouse_errors",
    "qdrant_operations",
    "qdrant_response_time",
    "qdrant_errors",
    "redis_operations",
    "redis_response_time",
    "redis_errors",
)


def root(call: Call) -> Answer:
    """GET /"""
    return call.answer(
        {
            "service": "KATO API",
            "version": VERSION,
            "description": TITLE,
            "docs": "/docs",
            "health": "/health",
            "status": "running",
            "uptime_seconds": _uptime(call.state),
            "architecture": "modular",
            "session_support": True,
        }
    )


def health(call: Call) -> Answer:
    """GET /health"""
    state = call.state
    return call.answer(
        {
            "status": "healthy",
            "processor_status": "healthy",
            "service_name": state.settings.service_name,
            "uptime_seconds": _uptime(state),
            "issues": [],
            "metrics_collected": METRICS,
            "last_collection": state.started_at,
            "active_sessions": state.sessions.indexed,
            "timestamp": _iso(state.now()),
        }
    )


def status(call: Call) -> Answer:
    """GET /status"""
    state = call.state
    return call.answer(
        {
            "status": "healthy",
            "base_processor_id": state.settings.service_name,
            "uptime_seconds": _uptime(state),
            "sessions": {
                "total_sessions": len(state.sessions),
                "active_sessions": len(state.sessions),
                "expired_sessions": 0,
                "backend": "redis",
                "redis_url": state.settings.redis_url,
            },
            "processors": _processors(state),
            "version": VERSION,
        }
    )


def session_count(call: Call) -> Answer:
    """GET /sessions/count, as old as its cache allows."""
    return call.answer({"active_session_count": call.state.counted_sessions()})


def metrics(call: Call) -> Answer:
    """GET /metrics, as old as its cache allows."""
    return call.answer(call.state.cached_metrics(_metrics))


def _metrics(state: State) -> dict[str, Any]:
    now = state.now()
    rate = state.monitor.rate(now)
    summary = _summary(state, now)
    summary["sessions"]["active"] = state.sessions.indexed
    return {
        "timestamp": now,
        **summary,
        "rates": {"requests_per_second": rate, "requests_per_minute": rate * 60, "errors_per_minute": 0},
        "processor_manager": _processors(state),
        "uptime_seconds": None,
        "active_sessions": None,
        "error": None,
    }


def _summary(state: State, now: float) -> dict[str, Any]:
    store = {"operations": 0.0, "errors": 0.0, "avg_response_time": 0.0}
    return {
        "sessions": {"total_created": 0.0, "total_deleted": 0.0, "active": 0.0, "operations_total": 0.0},
        "performance": {
            "total_requests": float(state.monitor.total),
            "total_errors": 0.0,
            "error_rate": 0.0,
            "average_response_time": state.monitor.mean_duration(now),
        },
        "resources": {f"{name}_percent": HOST[f"kato_{name}_usage_percent"] for name in ("cpu", "memory", "disk")},
        "databases": dict.fromkeys(("clickhouse", "qdrant", "redis"), store),
    }


def metric(call: Call) -> Answer:
    """GET /metrics/{metric_name}; KATO takes its minutes for seconds here."""
    minutes = read_query(call.request, "minutes", _MINUTES)
    name = call.params["metric_name"]
    now = call.state.now()
    points = call.state.monitor.series(name, now, minutes)
    if not points:
        raise detail(404, f"No data available for metric '{name}' in the last {minutes} minutes")
    values = [point["value"] for point in points]
    return call.answer(
        {
            "metric_name": name,
            "time_range_minutes": minutes,
            "timestamp": now,
            "statistics": {
                "count": len(values),
                "min": min(values),
                "max": max(values),
                "avg": sum(values) / len(values),
            },
            "data_points": points,
        }
    )


def stats(call: Call) -> Answer:
    """GET /stats"""
    minutes = read_query(call.request, "minutes", _MINUTES)
    state = call.state
    now = state.now()
    figures = {
        "cpu_percent": HOST["kato_cpu_usage_percent"],
        "memory_percent": HOST["kato_memory_usage_percent"],
        "error_rate_per_min": 0.0,
    }
    return call.answer(
        {
            "time_range_minutes": minutes,
            "timestamp": now,
            "processor_manager": _processors(state),
            "current_status": {"status": "healthy", "issues": [], "metrics": figures, "timestamp": _iso(now)},
            "time_series": {name: state.monitor.series(name, now, minutes * 60) for name in _STATS_SERIES},
            "summary": _summary(state, now),
            "error": None,
        }
    )


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
            "timestamp": _iso(call.state.now()),
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
            "timestamp": _iso(state.now()),
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
        "uptime_seconds": round(_uptime(call.state), 2),
        "requests_per_second": 0.0,
    }
    return call.answer(
        {
            "cache_performance": figures,
            "cache_health": {"status": "healthy", "redis_connected": True, "cache_stats": figures},
            "timestamp": _iso(call.state.now()),
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
            "timestamp": _iso(call.state.now()),
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
    return call.answer({**content, "timestamp": _iso(state.now())})


def _processors(state: State) -> dict[str, Any]:
    now = state.now()
    return {
        "total_processors": len(state.nodes),
        "max_processors": MAX_NODES,
        "eviction_ttl_seconds": state.settings.session_ttl,
        "processors": [
            {
                "processor_id": node.name,
                "node_id": node.node_id,
                "created_at": _iso(node.created_at),
                "last_accessed": _iso(node.last_accessed),
                "access_count": 1,
                "idle_seconds": now - node.last_accessed,
            }
            for node in state.nodes.values()
        ],
    }


def _uptime(state: State) -> float:
    return state.now() - state.started_at


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
