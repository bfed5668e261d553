"""A fresh machine is set up by files that name no host, pin what they install, and agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    return found


def test_the_lock_names_no_host_and_no_path() -> None:
    assert not re.search(r"https?:|index-url|find-links| @ |file:|^-", LOCK, re.MULTILINE)


def test_every_locked_requirement_has_a_hash() -> None:
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(blocks) > 100
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_everything_that_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"], *chain(*extras)]
    locked = {normal(name) for name, _ in PINNED.findall(LOCK)}
    names = {normal(re.split(r"[<>=!\[; ]", requirement)[0]) for requirement in wanted}
    assert names - locked == set()


def test_the_installer_that_make_takes_from_the_lock_is_whole() -> None:
    script = "/^[^ ]/ {wanted = /^uv==/} wanted"
    taken = subprocess.run(["awk", script, ROOT / "requirements.lock"], capture_output=True, text=True, check=True)
    assert [name for name, _ in PINNED.findall(taken.stdout)] == ["uv"]
    assert "--hash" in taken.stdout
    assert script.replace("$", "$$") in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("target", ["setup", "demo", "test", "scenarios", "lint", "system", "lock"])
def test_each_target_is_documented_and_can_be_planned(target: str) -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"make {target} ", said)
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=True)


def test_ci_makes_the_system_ready_before_it_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    steps = [found[0] for line in lines if not line.startswith("#") and (found := re.findall(r"make (\w+)", line))]
    assert steps == ["system", "test"]


def test_compose_waits_for_a_toxiproxy_that_answers() -> None:
    assert services()["harness"]["depends_on"] == {"toxiproxy": {"condition": "service_healthy"}}
    check = " ".join(services()["toxiproxy"]["healthcheck"]["test"])
    command = services()["toxiproxy"]["command"]
    port = command[command.index("-port") + 1]
    assert f"http://127.0.0.1:{port}/version" in check
    assert services()["harness"]["environment"]["TOXIPROXY_URL"] == f"http://127.0.0.1:{port}"
    assert services()["harness"]["network_mode"] == "service:toxiproxy"
