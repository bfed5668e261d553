"""Every rule has something that breaks it; together with the guide's manifests these samples break all of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.manifests import RULES, audit, client_code, client_retries, client_waits, retry_budget
from harness.manifests import schema as schemas
from harness.manifests.kato import nearest_setting, settings
from harness.manifests.resources import quantity
from harness.manifests.unit import Unit
from harness.mesh import load

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def deployment(container: str = "", spec: str = "", replicas: int = 2, image: str = "kato:3.10.1") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: kato
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: kato}}}}
  template:
    metadata: {{labels: {{app: kato, version: v3}}}}
    spec:
      {spec or "terminationGracePeriodSeconds: 45"}
      containers:
      - name: kato
        image: {image}
        ports: [{{containerPort: 8000}}]
        {container}
"""


def environment(**variables: str) -> str:
    return deployment(
        "env: [" + ", ".join(f'{{name: {key}, value: "{value}"}}' for key, value in variables.items()) + "]"
    )


def service(metadata: str = "", spec: str = "selector: {app: kato}", port: str = "{port: 8000, name: http}") -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: kato{metadata}}}
spec:
  ports: [{port}]
  {spec}
"""


def virtual_service(route: str = "timeout: 1s", subset: str = "") -> str:
    return f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: kato}}
spec:
  hosts: [kato]
  http:
  - route:
    - destination: {{host: kato{subset}}}
    {route}
"""


def rule(spec: str) -> str:
    return f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: kato}}
spec:
  host: kato
  {spec}
"""


STRICT = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: all}
spec: {mtls: {mode: STRICT}}
"""
PROFILE = """\
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: kato.default.svc.cluster.local}
spec:
  retryBudget: {retryRatio: 0.5, minRetriesPerSecond: 20, ttl: 10s}
  routes:
  - name: observe
    condition: {method: POST, pathRegex: /sessions/.*}
    isRetryable: true
"""
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: kato}
spec:
  rules:
  - timeouts: {request: 1s, backendRequest: 2s}
"""
CHECKED = (
    'service {\n  name = "kato"\n  check {\n    http = "http://localhost:8000/ready"\n    interval = "60s"\n  }\n}\n'
)

BROKEN: dict[str, tuple[str, ...]] = {
    "K8S/schema": (deployment("imagePullPolicy: 7"),),
    "H1/probe-port-unknown": (deployment("livenessProbe: {tcpSocket: {port: 9000}}"),),
    "H3/readiness-blind": (deployment("readinessProbe: {httpGet: {path: /health, port: 8000}}"),),
    "KATO/variable-refused": (environment(SESSION_TTL="30"),),
    "KATO/variable-without-effect": (environment(REQUEST_TIMEOUT="30"),),
    "KATO/clickhouse-native-port": (environment(CLICKHOUSE_PORT="9000"),),
    "SEC/secret-in-plain-text": (environment(REDIS_URL="redis://:hunter2@redis:6379/0"),),
    "K8S/key-missing": (
        deployment("env: [{name: LOG_LEVEL, valueFrom: {configMapKeyRef: {name: c, key: b}}}]"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: x}\n",
    ),
    "K8S/service-selects-nothing": (deployment(), service(spec="selector: {app: cat}")),
    "K8S/selector-misses-template": (deployment().replace("{matchLabels: {app: kato}}", "{matchLabels: {app: cat}}"),),
    "K8S/single-replica": (deployment(replicas=1),),
    "K8S/image-unpinned": (deployment(image="kato"),),
    "I1/port-protocol-unnamed": (service(port="{port: 8000}"), virtual_service()),
    "I1/not-understood": (virtual_service("timeouts: 1s"),),
    "I1/deprecated": (virtual_service("mirrorPercent: 5"),),
    "I1/refused-by-istio": (virtual_service("retries: {attempts: 0, retryOn: 5xx}"),),
    "I1/fault-left-in": (virtual_service("fault: {abort: {httpStatus: 503, percentage: {value: 1}}}"),),
    "I5/subset-undefined": (virtual_service(subset=", subset: gone"),),
    "TLS/plain-against-strict": (STRICT, rule("trafficPolicy: {tls: {mode: DISABLE}}")),
    "TLS/harness-needs-certificate": (STRICT,),
    "I4/no-ejection": (rule("trafficPolicy: {loadBalancer: {simple: RANDOM}}"),),
    "P3/pool-above-server": (
        environment(KATO_WORKERS="1"),
        rule("trafficPolicy: {connectionPool: {tcp: {maxConnections: 500}}}"),
    ),
    "I5/pods-without-subset": (
        deployment(),
        virtual_service(subset=", subset: a"),
        rule("subsets: [{name: a, labels: {version: v9}}]"),
    ),
    "LINKERD/annotation-on-pod": (
        deployment().replace("{labels:", "{annotations: {timeout.linkerd.io/request: 1s}, labels:"),
    ),
    "R8/linkerd-post-sent-again": (PROFILE,),
    "R6/linkerd-budget": (PROFILE,),
    "T5/linkerd-backend-timeout": (ROUTE,),
    "H1/consul-path-missing": (CHECKED,),
    "S1/slow-removal": (CHECKED,),
    "S1/no-check": ('service {\n  name = "kato"\n}\n',),
}


def write(folder: Path, texts: tuple[str, ...]) -> Path:
    for number, text in enumerate(texts):
        suffix = "hcl" if text.startswith("service {") else "yaml"
        (folder / f"{number}.{suffix}").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", BROKEN)
def test_a_sample_breaks_its_rule(name: str, tmp_path: Path) -> None:
    assert name in {finding.rule for finding in audit([write(tmp_path, BROKEN[name])])}


def test_no_rule_is_without_something_that_breaks_it() -> None:
    guide = {finding.rule for finding in audit([DEPLOY])}
    broken_in_client = (*client_code.RULES, *client_retries.RULES, *client_waits.RULES)  # test_manifests_client.py
    of_code = {each.id for each in broken_in_client}
    assert {each.id for each in RULES} - guide - of_code - BROKEN.keys() == {"K8S/schema-not-checked"}


def test_missing_schemas_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "available", lambda: False)
    assert "K8S/schema-not-checked" in {finding.rule for finding in audit([write(tmp_path, (deployment(),))])}


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [
        ("SESSION_TTL", "3600", True),
        ("SESSION_TTL", "86401", False),
        ("SESSION_TTL", "1h", False),
        ("LOG_LEVEL", "info", False),
        ("RECALL_THRESHOLD", "1.5", False),
        ("RECALL_THRESHOLD", "1e-1", True),
        ("USE_TOKEN_MATCHING", "True", True),
        ("USE_TOKEN_MATCHING", "maybe", False),
        ("KATO_WORKERS", "four", False),
    ],
)
def test_values_are_held_against_katos_own_ranges(name: str, value: str, fine: bool) -> None:
    assert (settings()[name].refuses(value) == "") is fine


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KATO_USE_TOKEN_MATCHING", "USE_TOKEN_MATCHING"),
        ("SORT", "SORT_SYMBOLS"),
        ("SESION_TTL", "SESSION_TTL"),
        ("X", ""),
    ],
)
def test_a_name_that_kato_never_reads_is_traced_to_the_one_that_was_meant(name: str, meant: str) -> None:
    assert nearest_setting(name) == meant


@pytest.mark.parametrize(
    ("text", "number"),
    [("512Mi", 512 * 2**20), ("100m", 0.1), ("2", 2), ("1e3", 1000), ("1G", 1e9), ("big", None), ("", None)],
)
def test_quantities_are_numbers(text: str, number: float | None) -> None:
    assert quantity(text) == number


def test_linkerds_budget_is_a_policy_for_the_laws() -> None:
    policy = retry_budget(Unit(documents=load(PROFILE, "x.yaml")))
    assert policy is not None
    assert policy.retry is not None
    assert policy.retry.budget is not None
    assert (policy.retry.budget.ratio, policy.retry.budget.min_per_second) == (0.5, 20)
    assert retry_budget(Unit()) is None


def test_schema_errors_stand_where_the_mistake_is(tmp_path: Path) -> None:
    found = [each for each in audit([write(tmp_path, (deployment("livenesProbe: {}"),))]) if each.rule == "K8S/schema"]
    assert [(each.where.rsplit(":", 2)[1], each.reason) for each in found] == [("16", "unknown field `livenesProbe`")]


def test_unreadable_files_are_findings_and_the_others_are_still_judged(tmp_path: Path) -> None:
    write(tmp_path, ("a: [", deployment(image="kato")))
    rules = {finding.rule for finding in audit([tmp_path])}
    assert {"FILE/unreadable", "K8S/image-unpinned"} <= rules


def test_two_hundred_manifests_take_less_than_five_seconds(tmp_path: Path) -> None:
    """Of processor time, for others are on the machine, too; a second is what it takes."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "istio" / "guide").glob("*.yaml"))]
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, tuple(texts))
    start = time.process_time()
    assert len(audit([tmp_path])) >= 500
    assert time.process_time() - start < 5
