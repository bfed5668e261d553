"""docker-compose.yml where no engine runs: what it names is there, pinned, checked, on loopback, without a password."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness.run.exporter import exporter, exposition
from harness.stack.toxiproxy import VERSION

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "deploy" / "compose"
PROFILES = {"embedded", "kato", "workers", "broker", "observability"}
KEYS = {
    "profiles", "build", "image", "command", "entrypoint", "ports", "healthcheck", "network_mode", "depends_on",
    "environment", "volumes", "working_dir",
}  # fmt: skip
"""The keys of the Compose Specification that are used; another one may be misspelt."""

PORTS = {"redis": {6379}, "clickhouse": {8123}, "qdrant": {6333, 6334}, "kato": {8000}, "rabbitmq": {5672}}


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


SERVICES: dict[str, dict[str, Any]] = read(ROOT / "docker-compose.yml")["services"]
ONE_SHOT = {"harness", "against", "conductor", "worker"}
each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_a_service_is_pinned_checked_and_on_loopback(name: str) -> None:
    """One image version, a health check unless it only runs once or asks a master, ports on 127.0.0.1 alone."""
    service = SERVICES[name]
    assert service.keys() <= KEYS
    assert set(service["profiles"]) <= PROFILES
    assert service["profiles"]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", service["image"])
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", []))
    assert ("healthcheck" in service) == (name not in ONE_SHOT)
    if "healthcheck" in service:
        assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries"}


@each_service
def test_what_a_service_names_is_there(name: str) -> None:
    """Files that are mounted exist, services that are waited for have a check and run in the same profiles."""
    service = SERVICES[name]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source == "runs" or (ROOT / source).exists()
    for other, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[other]
        assert set(service["profiles"]) <= set(SERVICES[other]["profiles"])
    shared = str(service.get("network_mode", "service:" + name)).removeprefix("service:")
    assert set(service["profiles"]) <= set(SERVICES[shared]["profiles"])


def test_every_profile_has_its_services() -> None:
    """The profiles of the first lines are those that exist."""
    assert {profile for service in SERVICES.values() for profile in service["profiles"]} == PROFILES


@each_service
def test_no_password_has_a_default(name: str) -> None:
    """A secret comes from the environment, and what needs it ends with words where it is empty."""
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        if re.search("PASS|AUTH$|SECRET|TOKEN", variable):
            assert re.fullmatch(r"\$\{[A-Z_]+:-\}", value), variable
            asks = " ".join([*map(str, service.get("command", [])), *service.get("entrypoint", [])])
            assert name == "kato" or f'test -n "$${variable}"' in asks


def test_kato_reaches_each_store_through_a_proxy_that_leads_there() -> None:
    """Toxiproxy's file names services of the compose file and their own ports; KATO dials Toxiproxy alone."""
    proxies = json.loads((COMPOSE / "toxiproxy.json").read_text())
    listening = {}
    for proxy in proxies:
        assert proxy.keys() == {"name", "listen", "upstream", "enabled"}
        host, _, port = proxy["upstream"].partition(":")
        assert int(port) in PORTS[host]
        listening[proxy["listen"].rpartition(":")[2]] = host
    asked = SERVICES["kato"]["environment"]
    assert listening[asked["REDIS_URL"].rpartition(":")[2]] == "redis"
    assert listening[asked["CLICKHOUSE_PORT"]] == "clickhouse"
    assert {listening[asked[name]] for name in ("QDRANT_PORT", "QDRANT_GRPC_PORT")} == {"qdrant"}
    assert asked["CLICKHOUSE_HOST"] == asked["QDRANT_HOST"] == "toxiproxy"
    assert f"TOXIPROXY={VERSION}" in (ROOT / "Dockerfile").read_text()


def test_the_dashboard_asks_for_metrics_that_the_exporter_gives(tmp_path: Path) -> None:
    """Fault windows are annotations; every metric of a panel is one of the exposition."""
    (tmp_path / "run" / "spool").mkdir(parents=True)
    row = {"name": 'a"b', "kind": "refuse", "applied_ns": 1, "cleared_ns": 0}
    (tmp_path / "run" / "spool" / "faults.jsonl").write_text(json.dumps(row) + "\n")
    told = exposition(tmp_path)
    assert 'kato_harness_fault_active{fault="a\\"b",kind="refuse",run="run"} 1' in told
    board = json.loads((COMPOSE / "grafana" / "dashboards" / "runs.json").read_text())
    asked = [note["expr"] for note in board["annotations"]["list"]]
    assert any("fault_active" in expr for expr in asked)
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expr in asked:
        assert set(re.findall(r"kato_harness_\w+", expr)) <= set(re.findall(r"kato_harness_\w+", told))


def test_the_exporter_answers_prometheus_also_without_a_run(tmp_path: Path) -> None:
    """GET /metrics is text of one line a metric; anything else is 404."""
    server = exporter(tmp_path, "127.0.0.1", 0)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/metrics") as reply:
            assert reply.read().decode().splitlines()[-1] == 'kato_harness_run{run=""} 0'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_prometheus_scrapes_the_exporter_and_grafana_knows_prometheus() -> None:
    """Names and ports of the compose network agree."""
    [job] = read(COMPOSE / "prometheus.yml")["scrape_configs"]
    command = SERVICES["exporter"]["command"]
    assert job["static_configs"] == [{"targets": [f"exporter:{command[command.index('--port') + 1]}"]}]
    [source] = read(COMPOSE / "grafana" / "datasources" / "prometheus.yml")["datasources"]
    assert (source["uid"], source["url"]) == ("prometheus", "http://prometheus:9090")
