"""KATO's environment in a scenario: the embedded KATO keeps it, and a real one is started with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PartMissing, UsageError
from harness.evidence.history import History
from harness.evidence.run import read_run
from harness.run.execute import execute
from harness.run.many import Job, simulate_many
from harness.run.options import Options
from harness.run.prepare import Prepared, prepare
from harness.scenario import load_scenario

LIVES = """
format: kato-harness/1
target: {env: {SESSION_TTL: 60, SESSION_AUTO_EXTEND: false}}
load: {rate: 4/s, mix: {observe: 1}, sessions: {concurrent: 4}}
phases: {warmup: 1s, baseline: 63s, cooldown: 1s}
laws: {watch: [D6]}
"""
STARTED = """
format: kato-harness/1
target:
  command: "{{python}} {kato} {{port}}"
  ready: "http://127.0.0.1:{{port}}/health"
  env: {{MAX_PATTERN_LENGTH: 2}}
load: {{rate: 20/s, mix: {{observe: 1}}, sessions: {{concurrent: 4}}}}
phases: {{warmup: 200ms, baseline: 1s, cooldown: 200ms}}
"""
KATO = """
import json, os, sys
from pathlib import Path
from harness.twin.__main__ import main
Path("profile.json").write_text(json.dumps({"env": {"MAX_PATTERN_LENGTH": os.environ["MAX_PATTERN_LENGTH"]}}))
main(["--port", sys.argv[1], "--profile", "profile.json"])
"""


def prepared(folder: Path, text: str, target: str | None = None) -> Prepared:
    (folder / "case.yaml").write_text(text)
    options = Options(integration="reference", target=target, out=folder / "run")
    return prepare(load_scenario(folder / "case.yaml"), options)


def gone_after_s(history: History) -> list[float]:
    """When sessions were no longer known, in s after the first arrival."""
    seen = history.arrivals
    at = seen["arrive_ns"][seen["status"] == 404]
    return [float(each) for each in (at - seen["arrive_ns"].min()) / 1e9]


def test_sessions_of_the_embedded_kato_live_as_its_environment_says(tmp_path: Path) -> None:
    """Not extended by use they end after SESSION_TTL, and not before; extended they live on."""
    fixed = prepared(tmp_path, LIVES)
    extended = prepared(tmp_path, LIVES.replace("false", "true"))
    first, second = simulate_many([Job(fixed), Job(extended)])
    assert first.run is not None
    assert second.run is not None
    assert 58 < min(gone_after_s(first.run.history)) < 62
    assert gone_after_s(second.run.history) == []


@pytest.mark.sockets
def test_a_kato_is_started_with_the_scenarios_environment(tmp_path: Path) -> None:
    """Its witness forwards to it, and it is gone afterwards."""
    (tmp_path / "kato.py").write_text(KATO)
    run = prepared(tmp_path, STARTED.format(kato=tmp_path / "kato.py"))
    done = execute(run, lambda _: None)
    assert done.error is None
    assert (tmp_path / "profile.json").read_text() == '{"env": {"MAX_PATTERN_LENGTH": "2"}}'
    history = read_run(done.folder).history
    assert (history.arrivals["commit_seq"] > 0).sum() > 10
    assert set(history.calls["outcome"].tolist()) == {"ok"}


@pytest.mark.sockets
def test_a_kato_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    """Exit code 7, not a traceback."""
    text = STARTED.format(kato=tmp_path / "missing.py")
    run = prepared(tmp_path, text)
    with pytest.raises(PartMissing, match="the KATO ended with code 2") as caught:
        execute(run, lambda _: None)
    assert "missing.py" in caught.value.what


def test_a_kato_that_runs_already_gets_no_environment(tmp_path: Path) -> None:
    """The words name the variables."""
    with pytest.raises(UsageError, match="can't be given SESSION_TTL, SESSION_AUTO_EXTEND"):
        prepared(tmp_path, LIVES, target="http://127.0.0.1:9")


@pytest.mark.sockets
def test_a_url_where_nobody_listens_is_named_before_any_load(tmp_path: Path) -> None:
    """Exit code 7: a whole run against a misspelt URL would end in failed laws of the client."""
    run = prepared(
        tmp_path, "format: kato-harness/1\nload: {rate: 4/s, mix: {observe: 1}}\n", target="http://127.0.0.1:9"
    )
    with pytest.raises(PartMissing, match="nobody listens at the KATO's URL"):
        execute(run, lambda _: None)
