"""Toxiproxy is found in the order that the documentation promises, and its absence is told with the cure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.errors import EXIT_ENVIRONMENT, PartMissing
from harness.stack import gobuild, toxiproxy


@contextmanager
def answers(status: int, body: bytes) -> Iterator[str]:
    """A web server that answers everything with this; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho toxiproxy-server version {version}\n")
    path.chmod(0o755)
    return path


def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir(exist_ok=True)
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def never(version: str, binary: Path) -> None:
    raise gobuild.BuildError("go: command not found")


def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "kato-harness" / "toxiproxy-2.12.0" / "toxiproxy-server"


def test_the_program_on_path_comes_before_the_cache(tmp_path: Path) -> None:
    program(cached(tmp_path), "2.12.0")
    on_path = program(tmp_path / "bin" / "toxiproxy-server", "2.12.0")
    assert toxiproxy.find(environment(tmp_path), never) == on_path


def test_a_program_of_another_version_on_path_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "toxiproxy-server", "2.5.0")
    kept = program(cached(tmp_path), "2.12.0")
    assert toxiproxy.find(environment(tmp_path), never) == kept


def test_it_is_built_into_the_cache_where_there_is_none(tmp_path: Path) -> None:
    built: list[tuple[str, Path]] = []

    def make(version: str, binary: Path) -> None:
        built.append((version, program(binary, version)))

    assert toxiproxy.find(environment(tmp_path), make) == cached(tmp_path)
    assert built == [("2.12.0", cached(tmp_path))]


def test_when_all_fails_one_message_says_what_was_tried_and_the_three_ways(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "toxiproxy-server", "2.5.0")
    with pytest.raises(PartMissing) as caught:
        toxiproxy.find(environment(tmp_path), never)
    words = str(caught.value)
    assert caught.value.exit_code == EXIT_ENVIRONMENT
    for part in ("version 2.5.0", str(cached(tmp_path)), "go: command not found", "TOXIPROXY_URL=", "on PATH", "Go "):
        assert part in words


def test_a_url_that_something_else_answers_is_refused_with_the_cure(tmp_path: Path) -> None:
    for status, body in ((200, b"<html>"), (404, b"{}"), (200, b"[]"), (200, b'{"version": 2}')):
        with answers(status, body) as url, pytest.raises(PartMissing, match="not answered by a Toxiproxy") as caught:
            toxiproxy.start(tmp_path / "log", {"TOXIPROXY_URL": url})
        assert "unset" in caught.value.cure


def test_a_url_that_nothing_answers_or_that_is_none_is_refused(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9", "127.0.0.1:8474", "http://[", "nonsense"):
        with pytest.raises(PartMissing, match="not answered by a Toxiproxy"):
            toxiproxy.start(tmp_path / "log", {"TOXIPROXY_URL": url})


def test_a_url_of_another_version_is_refused_and_of_this_one_taken(tmp_path: Path) -> None:
    with (
        answers(200, json.dumps({"version": "2.5.0"}).encode()) as url,
        pytest.raises(PartMissing, match=r"is Toxiproxy 2\.5\.0"),
    ):
        toxiproxy.start(tmp_path / "log", {"TOXIPROXY_URL": url})
    with answers(200, json.dumps({"version": "2.12.0"}).encode()) as url:
        server = toxiproxy.start(tmp_path / "log", {"TOXIPROXY_URL": url + "/"})
    assert (server.url, server.child) == (url, None)


def test_the_command_exits_with_the_code_for_a_missing_part(tmp_path: Path) -> None:
    env = {**os.environ, "TOXIPROXY_URL": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-m", "harness.stack.toxiproxy"], env=env, capture_output=True, check=False)
    assert done.returncode == EXIT_ENVIRONMENT
    assert b"Traceback" not in done.stderr


def test_a_build_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("#!/bin/sh\necho cannot reach the module proxy >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent))
    with pytest.raises(gobuild.BuildError, match="go ended with 1: cannot reach the module proxy"):
        gobuild.build("2.12.0", tmp_path / "cache" / "toxiproxy-server")


def test_a_build_leaves_only_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text('#!/bin/sh\necho "$@" "$GOTOOLCHAIN" > "$GOBIN/server"\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    binary = tmp_path / "cache" / "toxiproxy-server"
    gobuild.build("2.12.0", binary)
    module = "github.com/Shopify/toxiproxy/v2"
    flag = f"-ldflags -X {module}.Version=2.12.0"
    assert binary.read_text() == f"install {flag} {module}/cmd/server@v2.12.0 local\n"
    assert sorted(path.name for path in binary.parent.iterdir()) == ["toxiproxy-server", "toxiproxy-server.lock"]
