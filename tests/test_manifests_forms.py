"""Manifests come in many forms; in each the same defect is named, and nothing that is right."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from harness.manifests import audit, audit_command

POD = """\
      terminationGracePeriodSeconds: 45
      containers:
      - name: api
        image: registry.example:5000/acme/kato:3.10.1
        ports: [{name: http, containerPort: 8000}]
        envFrom: [{configMapRef: {name: kato-config}}]
        env: [{name: REDIS_URL, valueFrom: {secretKeyRef: {name: kato-secrets, key: redis-url}}}]
        resources: {requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 512Mi}}
        lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
        livenessProbe: {tcpSocket: {port: http}}
        readinessProbe: {exec: {command: [python, /probe.py]}, timeoutSeconds: 5}
"""
DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: kato}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: kato}}}}
  template:
    metadata: {{labels: {{app: kato}}}}
    spec:
{POD}"""
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kato-config}
data: {KATO_WORKERS: "1", CLICKHOUSE_HOST: clickhouse, QDRANT_HOST: qdrant}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: kato}
spec: {sessionAffinity: ClientIP, ports: [{port: 8000, name: http}], selector: {app: kato}}
"""
OTHER_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {level: info}\n"
SCALED = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: kato}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: kato}, minReplicas: 2, maxReplicas: 5}
"""
CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: warm}
spec:
  schedule: "*/5 * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [%s], volumes: [%s]}}}}
"""
SEALED = """\
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: kato-secrets}
spec: {encryptedData: {REDIS_URL: AgBy}}
"""
SOPS = """\
apiVersion: v1
kind: Secret
metadata: {name: kato-secrets}
stringData: {redis-url: "ENC[AES256_GCM,data:abc=,type:str]"}
sops: {version: 3.9.0}
"""
KUSTOMIZATION = """\
resources: [deployment.yaml, service.yaml]
configMapGenerator:
- name: kato-config
  literals: [KATO_WORKERS=1, CLICKHOUSE_HOST=clickhouse, QDRANT_HOST=qdrant%s]
patches: [{path: patch.yaml}]
"""
PATCH = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: kato}\nspec: {replicas: 4}\n"
SERVED = {
    "name": "kato",
    "address": "10.0.0.11",
    "port": 8000,
    "checks": [
        {"http": "http://localhost:8000/health", "interval": "10s", "timeout": "2s"},
        {"tcp": "localhost:6379", "interval": "10s", "deregister_critical_service_after": "10m", "timeout": "2s"},
    ],
}
STRICT = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a%s}\nspec: {mtls: {mode: %s}}\n"
PLAIN = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: kato}
spec: {host: kato, trafficPolicy: {tls: {mode: DISABLE}}}
"""
MIRRORED = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: kato}
spec:
  hosts: [kato]
  http: [{timeout: 1s, route: [{destination: {host: kato}}], mirror: {host: kato, subset: gone}}]
"""
INIT = 'initContainers: [{name: i, image: "b:1", env: [%s]}]'
FROM_KEY = """\
envFrom: [{configMapRef: {name: kato-config}}]
        env: [{name: REDIS_URL, valueFrom: {secretKeyRef: {name: kato-secrets, key: redis-url}}}]"""
REFUSES = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: kato}\nspec: {}\n"


def audited(folder: Path, *texts: str, **files: str) -> set[str]:
    """The rules that are broken; what only says what was not judged is none of them."""
    named = {"all.yaml": "---\n".join(texts), **{name.replace("__", "."): text for name, text in files.items()}}
    for name, text in named.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    return {finding.rule for finding in audit([folder]) if finding.severity != "info"}


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def extra(lines: str) -> str:
    """The Deployment with more in its pod spec."""
    return changed(DEPLOYMENT, "      containers:\n", f"      {lines}\n      containers:\n")


SOUND = {
    "many documents, as Helm renders them": (MAP, "# Source: empty\n", SERVICE, DEPLOYMENT),
    "a map for an init container": (
        MAP, SERVICE, OTHER_MAP,
        extra('initContainers: [{name: i, image: "busybox:1.36", envFrom: [{configMapRef: {name: other}}]}]'),
    ),
    "a map in a projected volume": (
        MAP, SERVICE, OTHER_MAP,
        extra("volumes: [{name: v, projected: {sources: [{configMap: {name: other}}]}}]"),
    ),
    "a map of a CronJob": (
        MAP, SERVICE, DEPLOYMENT, OTHER_MAP,
        CRON % ('{name: c, image: "curl:8"}', "{name: v, configMap: {name: other}}"),
    ),
    "replicas by an autoscaler": (MAP, SERVICE, SCALED, changed(DEPLOYMENT, "  replicas: 2\n", "")),
    "a job with KATO's image is no server": (MAP, SERVICE, DEPLOYMENT, CRON % ('{name: c, image: "kato:3.10.1"}', "")),
    "labels by a merge key": (
        MAP, SERVICE,
        changed(changed(DEPLOYMENT, "{name: kato}", "{name: kato, labels: &l {app: kato}}"),
                "metadata: {labels: {app: kato}}", "metadata: {labels: {<<: *l}}"),
    ),
    "what only sounds like a secret": (MAP, SERVICE, extra(INIT % "{name: PASSWORD_FILE, value: /run/password}")),
    "a number of tokens": (MAP, SERVICE, extra(INIT % "{name: TOKENIZERS, value: word}, {name: TOKENS, value: '5'}")),
    "a secret that SOPS encrypted": (MAP, SERVICE, DEPLOYMENT, SOPS),
    "an environment whose map is elsewhere": (SERVICE, DEPLOYMENT),
    "an address from a sealed secret": (
        MAP, SERVICE, SEALED, changed(DEPLOYMENT, FROM_KEY, "envFrom: [{configMapRef: {name: kato-config}}, "
                                      "{secretRef: {name: kato-secrets}}]"),
    ),
    "a policy of the server's side": (MAP, SERVICE, DEPLOYMENT, REFUSES),
}  # fmt: skip


@pytest.mark.parametrize("form", SOUND)
def test_nothing_is_found_where_nothing_is_wrong(form: str, tmp_path: Path) -> None:
    assert audited(tmp_path, *SOUND[form]) == set()


BROKEN = {
    "a bare yes in a map": (
        "K8S/schema", (changed(MAP, '"1"', '"1", SESSION_AUTO_EXTEND: yes'), SERVICE, DEPLOYMENT)
    ),
    "a password of an init container": (
        "SEC/secret-in-plain-text",
        (MAP, SERVICE, extra(INIT % "{name: DB_PASSWORD, value: hunter2}")),
    ),
    "a password in a command line": (
        "SEC/secret-in-plain-text",
        (MAP, SERVICE, changed(DEPLOYMENT, "ports: [", 'args: ["--redis=redis://:hunter2@r:6379"]\n        ports: [')),
    ),
    "an init container without version": (
        "K8S/image-unpinned", (MAP, SERVICE, extra("initContainers: [{name: i, image: busybox}]"))
    ),
    "a missing key of an init container": (
        "K8S/key-missing",
        (MAP, SERVICE, extra(INIT % "{name: L, valueFrom: {configMapKeyRef: {name: kato-config, key: L}}}")),
    ),
    "locks of replicas that an autoscaler adds": (
        "D5/no-session-affinity",
        (MAP, changed(SERVICE, "sessionAffinity: ClientIP, ", ""), SCALED, changed(DEPLOYMENT, "  replicas: 2\n", "")),
    ),
    "mutual TLS of the whole mesh": (
        "TLS/plain-against-strict", (MAP, SERVICE, DEPLOYMENT, PLAIN, STRICT % (", namespace: istio-system", "STRICT"))
    ),
    "a copy to a subset that nobody defines": (
        "I5/subset-undefined",
        (MIRRORED,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", BROKEN)
def test_a_defect_is_found_in_every_form(form: str, tmp_path: Path) -> None:
    rule, texts = BROKEN[form]
    assert rule in audited(tmp_path, *texts)


def test_a_namespace_may_take_itself_out_of_the_meshs_mutual_tls(tmp_path: Path) -> None:
    mesh, own = STRICT % (", namespace: istio-system", "STRICT"), STRICT % ("", "PERMISSIVE")
    assert "TLS/plain-against-strict" not in audited(tmp_path, PLAIN, mesh, own)


@pytest.mark.parametrize(("more", "rules"), [("", set()), (", SESSION_TTL=5", {"KATO/variable-refused"})])
def test_a_kustomization_is_read_with_what_it_generates(more: str, rules: set[str], tmp_path: Path) -> None:
    files = {"kustomization__yaml": KUSTOMIZATION % more, "patch__yaml": PATCH, "service__yaml": SERVICE}
    assert audited(tmp_path, DEPLOYMENT, **files) == rules


@pytest.mark.parametrize("path", ["/health", "/ready"])
@pytest.mark.parametrize("form", ["block", "registration", "hcl"])
def test_consuls_definitions_are_read_in_every_form(form: str, path: str, tmp_path: Path) -> None:
    """A definition file, what registers a service over HTTP, and HCL with an object in place of a block."""
    text = json.dumps(SERVED).replace("/health", path)
    if form == "registration":
        text = text.replace('"name"', '"Name"').replace('"checks"', '"Checks"').replace('"http"', '"HTTP"')
        text = text.replace('"deregister_critical_service_after"', '"DeregisterCriticalServiceAfter"')
    elif form == "block":
        text = f'{{"service": {text}}}'
    files = {"kato__hcl": f"service = {text}\n"} if form == "hcl" else {"kato__json": text}
    assert audited(tmp_path, **files) == ({"H1/consul-path-missing"} if path == "/ready" else set())


def test_what_is_no_manifest_is_told_and_not_judged(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("replicaCount: 2\n", encoding="utf-8")
    assert [(each.rule, each.severity) for each in audit([tmp_path])] == [("K8S/not-judged", "info")]


def test_what_files_call_things_breaks_no_report(tmp_path: Path) -> None:
    """Control characters are written out, names of files quoted, and JSON's surrogates put together."""
    words = '"KATO\\u001b[31": "x", "\\ud83d\\ude00KATO": "y"'
    text = f'{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "kato"}}, "data": {{{words}}}}}'
    folder = tmp_path / "two words"
    folder.mkdir()
    (folder / "all.json").write_text(text, encoding="utf-8")
    said = {form: audit_command([folder], form)[0] for form in ("text", "json", "sarif", "junit")}
    assert "`KATO\\x1b[31`" in said["text"]
    assert "`\N{GRINNING FACE}KATO`" in said["text"]
    assert all("\x1b" not in each and each.encode() for each in said.values())
    assert list(fromstring(said["junit"]).iter("testcase"))
    [run] = json.loads(said["sarif"])["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place.endswith("/two%20words/all.json")


REFUSED = (
    "redirect: {uri: /a}",
    "directResponse: {status: 503}",
    "mirror: {host: kato}, mirrors: []",
    "mirrorPercentage: {value: 101}",
    "fault: {abort: {httpStatus: 503, percentage: {value: -1}}}",
    'retries: {attempts: 1, retryOn: "5xx, reset"}',
    "retries: {attempts: 1, retryOn: connection-failure}",
    "retries: {attempts: 1, retryOn: '999'}",
    "retries: {attempts: 0, perTryTimeout: 1s}",
)


@pytest.mark.parametrize("more", [*REFUSED, "retries: {attempts: 1, retryOn: '503,reset'}"])
def test_what_istios_admission_refuses_is_named(more: str, tmp_path: Path) -> None:
    """Such a file never counts, whatever a translation would make of it."""
    text = changed(MIRRORED, "mirror: {host: kato, subset: gone}", more)
    assert ("I1/refused-by-istio" in audited(tmp_path, text)) is (more in REFUSED)


@pytest.mark.parametrize(
    ("weights", "refused"), [((-1, 101), True), ((0, 0), True), ((None, None), True), ((0, 1), False), ((None,), False)]
)
def test_weights_that_istio_refuses_are_named(weights: tuple[int | None, ...], refused: bool, tmp_path: Path) -> None:
    told = (f", weight: {weight}" if weight is not None else "" for weight in weights)
    text = changed(
        MIRRORED, "{destination: {host: kato}}", ", ".join(f"{{destination: {{host: kato}}{each}}}" for each in told)
    )
    assert ("I1/refused-by-istio" in audited(tmp_path, text)) is refused


ROOT = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: shop}
spec: {hosts: [kato], http: [{%s, delegate: {name: child, namespace: team}}]}
"""
CHILD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: child, namespace: team}
spec: {http: [{%s, route: [{destination: {host: kato.shop.svc.cluster.local}}]}]}
"""


@pytest.mark.parametrize(
    ("root", "child", "rules"),
    [
        ("timeout: 3s, retries: {attempts: 0}", "name: a", set()),
        ("name: r", "name: a", {"I3/route-without-timeout"}),
        ("name: r, retries: {attempts: 0}", "timeout: 3s", set()),
        ("timeout: 3s, retries: {attempts: 2, retryOn: 5xx}", "name: a", {"R8/post-sent-again"}),
        ("timeout: 3s, retries: {attempts: 2, retryOn: 5xx}", "retries: {attempts: 0}", set()),
        (
            "match: [{method: {exact: GET}}], timeout: 3s, retries: {attempts: 2, retryOn: 5xx}",
            "match: [{uri: {prefix: /a}}]",
            set(),
        ),
    ],
)
def test_a_delegate_is_judged_with_what_it_inherits(root: str, child: str, rules: set[str], tmp_path: Path) -> None:
    judged = {"I3/route-without-timeout", "R8/post-sent-again"}
    assert audited(tmp_path, ROOT % root, CHILD % child) & judged == rules


def test_keys_and_kinds_of_blocks_may_stand_in_quotes(tmp_path: Path) -> None:
    """Consul reads HCL 1, where they may."""
    text = '"service" "kato" {\n  "tags" = [\n    "a",\n  ]\n  "check" { "http" = "http://kato/health" }\n}\n'
    (tmp_path / "kato.hcl").write_text(text, encoding="utf-8")
    rules = {each.rule for each in audit([tmp_path])}
    assert {"S1/slow-removal", "H3/consul-check-blind"} <= rules
    assert "FILE/unreadable" not in rules
