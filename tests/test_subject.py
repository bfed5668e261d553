"""A service as the thing under test: a child process, measured, its evidence what reached KATO."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.errors import PartMissing
from harness.evidence import read_run
from harness.run.execute import execute
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario
from harness.scenario.subject import Subject as Spec
from harness.stack import subject
from harness.stack.ports import free_port

HERE = Path(__file__).parent
SCENARIO = """
format: kato-harness/1
integration: {{use: "{driver}:make"}}
subject: {{command: "{{python}} {service} {{port}}", ready: "http://127.0.0.1:{{port}}/health"}}
topology: {{probes: {{readiness: /anywhere, period: 200ms}}}}
load: {{rate: 20/s, sessions: {{concurrent: 5}}, mix: {{observe: 1}}}}
phases: {{warmup: 500ms, baseline: 1500ms, recovery: 1s}}
faults: [{{name: outage, kind: refuse, for: 700ms}}]
"""


def started(tmp_path: Path, body: str, within_s: float = 20.0) -> subject.Subject:
    """A Python service with that body."""
    script = tmp_path / "service.py"
    script.write_text(body)
    ready = tmp_path / "ready"
    return subject.start(f"{sys.executable} service.py", {"A": "b"}, tmp_path, tmp_path / "log", ready.exists, within_s)


def alive(one: psutil.Process) -> bool:
    """Neither gone nor a zombie that waits for its parent."""
    try:
        return bool(one.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


SLEEPS = "import pathlib, time\npathlib.Path('ready').touch()\ntime.sleep(60)\n"


def test_a_subject_ends_with_all_it_started(tmp_path: Path) -> None:
    """Its own children too."""
    body = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n" + SLEEPS
    service = started(tmp_path, body)
    family = psutil.Process(service.child.process.pid).children(recursive=True)
    assert family
    service.stop()
    deadline = time.monotonic() + 30
    while any(alive(one) for one in family) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(one) for one in family)
    assert service.exits == []


def test_an_end_that_nobody_asked_for_is_kept(tmp_path: Path) -> None:
    """With its exit code; one by `kill` is not."""
    body = "import pathlib, sys, time\npathlib.Path('ready').touch()\nwhile not pathlib.Path('go').exists():\n"
    service = started(tmp_path, f"{body}    time.sleep(0.01)\nsys.exit(3)\n")
    (tmp_path / "go").touch()
    service.child.process.wait(20)
    service.look()
    service.look()
    assert [code for _, code in service.exits] == [3]
    service.stop()


def test_a_kill_by_the_run_is_no_such_end(tmp_path: Path) -> None:
    """Neither of the service that was there nor of the one that came after it."""
    service = started(tmp_path, SLEEPS)
    first = service.child.process
    service.kill()
    service.look()
    service.start_again()
    assert first.returncode == -9
    assert service.child.process.pid != first.pid
    service.stop()
    assert service.exits == []


def test_what_ends_before_it_is_ready_says_why(tmp_path: Path) -> None:
    """Its last words and its log."""
    with pytest.raises(PartMissing, match="no KATO_URL"):
        started(tmp_path, "raise SystemExit('no KATO_URL')")


def test_a_meter_sees_memory_threads_and_processor(tmp_path: Path) -> None:
    """Of the service and what it started."""
    from harness.evidence.finalise import from_spools

    (tmp_path / "spool").mkdir()
    service = started(tmp_path, SLEEPS)
    meter = subject.Meter(service, tmp_path / "spool" / "subject.raw")
    meter.close()
    service.stop()
    samples = from_spools(tmp_path / "spool", {}).samples
    assert set(samples["process"].tolist()) == {"subject"}
    assert samples["rss"].min() > 1 << 20
    assert samples["threads"].min() >= 1


def test_somebody_elses_service_must_answer(tmp_path: Path) -> None:
    """Nothing there: the cure is named."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(PartMissing, match="nothing answers"):
        subject.await_other(url, lambda: subject.answers(url), 0.1)


def test_load_goes_to_the_origin() -> None:
    """Of `ready`, unless `url` says otherwise; a consumer has none."""
    assert Spec(ready="http://127.0.0.1:{port}/health").origin == "http://127.0.0.1:{port}"
    assert Spec(ready="http://127.0.0.1:1/health", url="http://127.0.0.1:2").origin == "http://127.0.0.1:2"
    assert Spec(ready="queue:observations").origin == ""
    assert not Spec().asked


@pytest.mark.sockets
def test_a_run_drives_a_service_and_judges_what_came_out_at_kato(tmp_path: Path) -> None:
    """Calls from the driver, arrivals by the service, paired by the header that it passes on; probes look at it."""
    text = SCENARIO.format(driver=HERE / "subject_driver.py", service=HERE / "subject_service.py")
    file = tmp_path / "front.yaml"
    file.write_text(text)
    prepared = prepare(load_scenario(file), Options(out=tmp_path / "run"))
    done = execute(prepared, lambda _: None)
    assert done.error is None
    run = read_run(done.folder)
    arrivals, calls, samples = run.history.arrivals, run.history.calls, run.history.samples
    served = calls.where(calls["outcome"].among("ok"))
    assert len(served) > 20
    assert set(served["call"].tolist()) <= set(arrivals.where(arrivals["commit_seq"] > 0)["call"].tolist())
    assert set(arrivals["paired_by"].tolist()) == {"header"}
    assert (samples.where(samples["process"].among("subject"))["sockets"] > 0).any()
    assert run.manifest["facts"]["subject"]["exits"] == []
    assert calls["status"].max() == 502
    assert run.manifest["facts"]["probes"]["of"] == "the service"
    assert set(run.history.probes["said"].tolist()) == {"up:true"}
