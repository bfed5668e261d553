"""Somebody else's repository: the wheel, their client, `init` and `run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sockets
ROOT = Path(__file__).resolve().parent.parent

SYNC = """
import httpx

class KatoClient:
    def __init__(self, base_url):
        self.http = httpx.Client(base_url=base_url, timeout=2.0)
    def create_session(self, node_id):
        answer = self.http.post("/sessions", json={"node_id": node_id})
        answer.raise_for_status()
        return answer.json()["session_id"]
    def observe(self, session_id, observation):
        answer = self.http.post(f"/sessions/{session_id}/observe", json=observation)
        answer.raise_for_status()
        return answer.json()
    def get_predictions(self, session_id):
        answer = self.http.get(f"/sessions/{session_id}/predictions")
        answer.raise_for_status()
        return answer.json()
"""

ASYNC = (
    SYNC.replace("def ", "async def ")
    .replace("async def __init__", "def __init__")
    .replace("httpx.Client", "httpx.AsyncClient")
    .replace("= self.http", "= await self.http")
)

OWNER = '''
import urllib.request, json

class Memory:
    """Owns its sessions: one a user, made when the user is first seen."""
    def __init__(self, url):
        self.url, self.sessions = url, {}
    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=2) as reply:
            return json.loads(reply.read())
    def _session(self, user):
        if user not in self.sessions:
            self.sessions[user] = self._call("POST", "/sessions", {"node_id": user})["session_id"]
        return self.sessions[user]
    def remember(self, user, observation):
        return self._call("POST", f"/sessions/{self._session(user)}/observe", observation)
    def recall(self, user):
        return self._call("GET", f"/sessions/{self._session(user)}/predictions")
'''


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked into a folder that stands for somebody's site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(built)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    return site


@pytest.mark.parametrize(
    ("source", "name"), [(SYNC, "KatoClient"), (ASYNC, "KatoClient"), (OWNER, "Memory")], ids=["sync", "async", "owner"]
)
def test_a_client_that_nobody_here_wrote_gets_a_verdict(wheel: Path, tmp_path: Path, source: str, name: str) -> None:
    """init and run end in 0 or 1, with a report, from a folder that has the wheel and the client alone."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "kato.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    for arguments in (["init", "--client", f"app/kato.py:{name}"], ["run", "kato_harness.yaml", "--out", "run"]):
        command = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
    assert (tmp_path / "run" / "report.html").exists()


def test_shipped_scenarios_are_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """`list scenarios` names them from any folder."""
    command = [sys.executable, "-c", "from harness.cli import main; main(['list', 'scenarios'])"]
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {"demo", "outage", "freeze", "lost_reply"} <= {line.split()[0] for line in done.stdout.splitlines()}
