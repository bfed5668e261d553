"""Health, status and metrics: always 200, whatever the stores do (contract, section 4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from harness import contracts
from harness.twin.kato.bodies import read_query
from harness.twin.kato.calls import Call
from harness.twin.kato.messages import Answer, detail
from harness.twin.kato.monitor import HOST, METRICS
from harness.twin.kato.state import MAX_NODES, State

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
            "version": contracts.version(call.state.release),
            "description": TITLE,
            "docs": "/docs",
            "health": "/health",
            "status": "running",
            "uptime_seconds": uptime(call.state),
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
            "uptime_seconds": uptime(state),
            "issues": [],
            "metrics_collected": METRICS,
            "last_collection": state.started_at,
            "active_sessions": state.active_sessions(),
            "timestamp": iso(state.now()),
        }
    )


def status(call: Call) -> Answer:
    """GET /status"""
    state = call.state
    return call.answer(
        {
            "status": "healthy",
            "base_processor_id": state.settings.service_name,
            "uptime_seconds": uptime(state),
            "sessions": {
                "total_sessions": len(state.sessions),
                "active_sessions": len(state.sessions),
                "expired_sessions": 0,
                "backend": "redis",
                "redis_url": state.settings.redis_url,
            },
            "processors": _processors(state),
            "version": contracts.version(call.state.release),
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
    summary["sessions"]["active"] = state.active_sessions()
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
            "current_status": {"status": "healthy", "issues": [], "metrics": figures, "timestamp": iso(now)},
            "time_series": {name: state.monitor.series(name, now, minutes * 60) for name in _STATS_SERIES},
            "summary": _summary(state, now),
            "error": None,
        }
    )


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
                "created_at": iso(node.created_at),
                "last_accessed": iso(node.last_accessed),
                "access_count": 1,
                "idle_seconds": now - node.last_accessed,
            }
            for node in state.nodes.values()
        ],
    }


def uptime(state: State) -> float:
    return state.now() - state.started_at


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
