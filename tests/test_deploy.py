"""`deploy --print`: objects that put our front before Services, and a script that takes it away again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kubernetes_validate import validate
from ruamel.yaml import YAML

from harness.cli.deploy import deploy
from harness.errors import UsageError
from harness.manifests.front import OWNED, Front, behind

KATO = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kato", "labels": {"team": "a"}},
    "spec": {"sessionAffinity": "ClientIP", "selector": {"app": "kato", "tier": "x"}, "ports": [{"port": 9000}]},
}


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(deploy, ["--print", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def objects(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    read = YAML(typ="safe").load_all(text)
    return {(doc["kind"], doc["metadata"]["name"]): doc for doc in read}


@pytest.mark.parametrize("arguments", [(), ("--no-stores",), ("--store", "redis=cache"), ("deploy/kubernetes/fixed",)])
def test_what_is_printed_is_valid_kubernetes(arguments: tuple[str, ...]) -> None:
    """Each object fits the schema of its kind and stands in the namespace that was asked for."""
    for document in objects(printed(*arguments, "--namespace", "shop")).values():
        validate(document, "1.31", strict=True)
        assert document["metadata"]["namespace"] == "shop"


def test_a_service_keeps_its_name_and_what_it_selected_is_reached_directly() -> None:
    """KATO's Service leads to the front; NAME-direct to the pods; Toxiproxy's proxy for KATO to the witness."""
    found = objects(printed("--store", "redis=cache"))
    front = found["Deployment", "kato-front-pod"]["spec"]["template"]["metadata"]["labels"]
    for name in ("kato", "cache"):
        assert found["Service", name]["spec"]["selector"].items() <= front.items()
        assert found["Service", f"{name}-direct"]["spec"]["selector"] == {"app": name}
    told = {
        proxy["name"]: proxy for proxy in json.loads(found["ConfigMap", "kato-front-proxies"]["data"]["toxiproxy.json"])
    }
    assert told["cache-6379"]["upstream"] == "cache-direct:6379"
    assert "\n  toxiproxy.json: |\n    [\n" in printed()
    _, witness = found["Deployment", "kato-front-pod"]["spec"]["template"]["spec"]["containers"]
    listen, target = (witness["command"][witness["command"].index(flag) + 1] for flag in ("--listen", "--target"))
    assert told["kato-8000"]["upstream"] == listen
    assert target == "http://kato-direct:8000"


def test_selector_ports_and_affinity_come_from_the_manifest() -> None:
    """What is known of the Service is kept, in front and in the removal."""
    front = Front((behind("kato", [KATO], (8000,)),))
    found = {(doc["kind"], doc["metadata"]["name"]): doc for doc in front.added()}
    assert found["Service", "kato"]["spec"]["ports"] == [{"port": 9000, "targetPort": 9000}]
    direct = found["Service", "kato-direct"]["spec"]
    assert (direct["selector"], direct["sessionAffinity"]) == ({"app": "kato", "tier": "x"}, "ClientIP")
    assert "tier: x" in front.removal()


def test_a_service_stays_what_it_was() -> None:
    """Type, node ports and annotations stay on the Service, in front and after the removal; NAME-direct has none."""
    spec = {"type": "NodePort", "selector": {"app": "kato"}, "ports": [{"port": 9000, "nodePort": 30080}]}
    meta = {"name": "kato", "namespace": "shop", "annotations": {"cloud/lb": "x"}}
    front = Front((behind("kato", [{**KATO, "metadata": meta, "spec": spec}], (8000,)),))
    added = {(doc["kind"], doc["metadata"]["name"]): doc for doc in front.added()}
    [restored] = objects(front.removal().split("<<'END'\n")[1].split("END\n")[0]).values()
    assert restored["spec"] == spec
    assert added["Service", "kato"]["spec"]["type"] == "NodePort"
    told = [doc["metadata"]["annotations"] for doc in (added["Service", "kato"], restored)]
    assert told == [{"cloud/lb": "x"}] * 2
    assert added["Service", "kato-direct"]["spec"] == {"selector": {"app": "kato"}, "ports": [{"port": 9000}]}


def test_the_namespace_is_that_of_kato_and_what_is_assumed_is_said(tmp_path: Path) -> None:
    """Where the manifests tell it and no flag does; a store that they lack is named."""
    file = tmp_path / "kato.yaml"
    file.write_text(json.dumps({**KATO, "metadata": {"name": "kato", "namespace": "shop"}}))
    done = CliRunner().invoke(deploy, ["--print", "--store", "redis", str(file)])
    assert {doc["metadata"]["namespace"] for doc in objects(done.stdout).values()} == {"shop"}
    assert done.stderr == "no Service redis in PATHS: app=redis at 6379 is assumed\n"


def test_the_removal_deletes_what_was_added_and_nothing_else() -> None:
    """All that is new carries our label, the Services that were there don't."""
    [(label, value)] = OWNED.items()
    for (kind, name), document in objects(printed()).items():
        was_there = kind == "Service" and name in ("kato", "redis", "clickhouse", "qdrant")
        assert (document["metadata"]["labels"].get(label) == value) is not was_there
    script = printed("--remove")
    assert f"delete deployment,service,configmap -l {label}={value}" in script
    restored = objects(script.split("<<'END'\n")[1].split("END\n")[0])
    assert {name: doc["spec"]["selector"] for (_, name), doc in restored.items()} == {
        name: {"app": name} for name in ("kato", "redis", "clickhouse", "qdrant")
    }


def test_what_nothing_can_be_put_before_is_refused() -> None:
    """An unknown store; a Service without a selector."""
    with pytest.raises(UsageError, match="no store 'mongo'"):
        CliRunner().invoke(deploy, ["--print", "--store", "mongo"], catch_exceptions=False)
    with pytest.raises(UsageError, match="can be named 'Kato!'"):
        CliRunner().invoke(deploy, ["--print", "--service", "Kato!"], catch_exceptions=False)
    with pytest.raises(UsageError, match="no selector"):
        behind("kato", [{**KATO, "spec": {"ports": [{"port": 1}]}}], (8000,))
