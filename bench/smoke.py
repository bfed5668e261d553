"""Smoke runs of a healthy client that nobody here wrote, on a busy machine: how many end in non-zero?

    python bench/smoke.py RUNS FOLDER [--neighbour]

Writes a client, `init`s it in FOLDER and runs it RUNS times; `--neighbour` burns one core in bursts meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

CLIENT = """
import httpx

class KatoClient:
    def __init__(self, base_url):
        self.http = httpx.Client(base_url=base_url, timeout=2.0)
    def _json(self, method, path, **more):
        answer = self.http.request(method, path, **more)
        answer.raise_for_status()
        return answer.json()
    def create_session(self, node_id):
        return self._json("POST", "/sessions", json={"node_id": node_id})["session_id"]
    def observe(self, session_id, observation):
        return self._json("POST", f"/sessions/{session_id}/observe", json=observation)
    def get_predictions(self, session_id):
        return self._json("GET", f"/sessions/{session_id}/predictions")
"""

NEIGHBOUR = """
import time
while True:
    end = time.time() + 0.4
    while time.time() < end:
        pass
    time.sleep(0.2)
"""


def main(runs: int, folder: Path, neighbour: bool) -> int:
    """Run and count; 0 when at most one in fifty ended in non-zero."""
    (folder / "app").mkdir(parents=True, exist_ok=True)
    (folder / "app" / "kato.py").write_text(CLIENT)
    harness = [sys.executable, "-c", "from harness.cli import main; main()"]
    subprocess.run([*harness, "init", "--client", "app/kato.py:KatoClient", "--force"], cwd=folder, check=True)
    busy = subprocess.Popen([sys.executable, "-c", NEIGHBOUR]) if neighbour else None
    codes: Counter[int] = Counter()
    try:
        for number in range(runs):
            out = f"run-{time.time_ns()}"
            done = subprocess.run([*harness, "run", "kato_harness.yaml", "--out", out, "--format", "terminal"],
                                  cwd=folder, capture_output=True, text=True, check=False)  # fmt: skip
            codes[done.returncode] += 1
            if done.returncode:
                sys.stdout.write(f"run {number}: {out}\n{done.stdout}{done.stderr}\n")
            sys.stdout.write(json.dumps({"runs": number + 1, "codes": codes}) + "\n")
            sys.stdout.flush()
    finally:
        if busy is not None:
            busy.kill()
    return 0 if runs - codes[0] <= max(runs // 50, 1) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), "--neighbour" in sys.argv))
