"""Evidence: what a process spooled is what the laws see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import InvalidRun, UsageError
from harness.evidence import read_run
from harness.evidence.live import recent_calls
from harness.load.recorder import Recorder
from harness.model import Span

PHASES = [{"name": "baseline", "start_ns": 0, "end_ns": 100}, {"name": "fault:x", "start_ns": 100, "end_ns": 200}]


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    manifest = {"format": 1, "run": {}, "phases": PHASES, "end_ns": 500, "facts": {"oracle": "twin"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def _record(folder: Path) -> None:
    recorder = Recorder(folder / "spool" / "generator-0.raw", "generator-0")
    recorder.call(2, "predict", "s-1", "n-1", "u-1", 110, 111, 112, 150, "error", "5xx", 503, detail="HTTPStatusError")
    recorder.call(1, "observe", "s-" + "é" * 80, "n-0", "u-0", 10, 11, 12, 50, "ok", shape="status:str")
    recorder.attempt(1, 1, "httpx", "", 200, 12, 40, 50, 4711, True)
    recorder.breaker("kato", "closed", "open")
    recorder.close()


def test_rows_come_back_as_they_were_recorded(tmp_path: Path) -> None:
    """Every column of a call and an attempt survives spool and Parquet, long texts too, in order of time."""
    folder = _folder(tmp_path)
    _record(folder)
    for _ in range(2):  # first from the spool, then from Parquet
        history = read_run(folder).history
        first, second = history.calls.rows()
        assert first["session"] == "s-" + "é" * 80
        assert (first["call"], first["op"], first["phase"], first["outcome"]) == (1, "observe", "baseline", "ok")
        assert (second["error"], second["status"], second["detail"], second["phase"]) == (
            "5xx",
            503,
            "HTTPStatusError",
            "fault:x",
        )
        (attempt,) = history.attempts.rows()
        assert (attempt["via"], attempt["result"], attempt["connection"], attempt["reused"]) == ("httpx", "", 1, 1)
        (span,) = history.breaker.rows()
        assert (span["state"], span["to_ns"]) == ("open", 500)
        assert history.facts == {"oracle": "twin"}


def test_a_torn_last_record_is_left_out(tmp_path: Path) -> None:
    """A process killed in the middle of a write loses that row and no other."""
    folder = _folder(tmp_path)
    _record(folder)
    path = folder / "spool" / "generator-0.raw"
    path.write_bytes(path.read_bytes() + b"\x01" * 30)
    assert len(read_run(folder).history.calls) == 2


def test_calls_are_seen_while_the_spool_still_grows(tmp_path: Path) -> None:
    """The calls flushed so far, with outcome, phase and times, before the file is closed."""
    recorder = Recorder(tmp_path / "generator-0.raw", "generator-0")
    recorder.call(1, "observe", "s", "n", "u", 10, 11, 12, 50, "timeout", "read_timeout")
    recorder.flush()
    recorder.call(2, "observe", "s", "n", "u", 20, 21, 22, 60, "ok")
    history = recent_calls(tmp_path, (Span("baseline", 0, 100),))
    recorder.close()
    (row,) = history.calls.rows()
    assert (row["call"], row["outcome"], row["error"], row["phase"]) == (1, "timeout", "read_timeout", "baseline")


def test_a_folder_without_manifest_is_named(tmp_path: Path) -> None:
    """`check` on any folder says what it lacks."""
    with pytest.raises(UsageError, match=r"no manifest\.json"):
        read_run(tmp_path)


def test_a_damaged_spool_is_named(tmp_path: Path) -> None:
    """A spool that is none ends in InvalidRun with the file's name."""
    folder = _folder(tmp_path)
    (folder / "spool" / "x.raw").write_bytes(b"not a spool")
    with pytest.raises(InvalidRun, match=r"x\.raw is not a spool file"):
        read_run(folder)


def test_an_unknown_format_names_the_version_that_reads_it(tmp_path: Path) -> None:
    """A folder of a later format is refused with the way out."""
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 9, "run": {"harness": "3.0.0"}}))
    with pytest.raises(InvalidRun, match=r"use kato-harness 3\.0\.0"):
        read_run(tmp_path)
