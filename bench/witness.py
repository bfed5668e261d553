"""Observes a second through the witness, evidence on: `python bench/witness.py [--seconds 4] [--forward]`.

Twenty keep-alive connections, each sends its next observe when the last one is answered. The client and the witness
each need a core; `--forward` puts a forwarding witness before the embedded one and needs a third.
"""

from __future__ import annotations

import argparse
import http.client
import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.channel import Channel, pair

CONNECTIONS = 20
BODY = b'{"strings":["view:product-123"],"vectors":[],"emotives":{}}'


@contextmanager
def witness(*arguments: str) -> Iterator[tuple[int, Channel]]:
    """A witness process: its port and its control channel."""
    channel, theirs = pair()
    command = [sys.executable, "-m", "harness.twin", "--control-fd", str(theirs.fileno()), *arguments]
    process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
    theirs.close()
    ready = channel.receive(10) or {}
    try:
        yield int(ready["port"]), channel
    finally:
        channel.close()
        process.wait(10)


def open_sessions(port: int, count: int) -> list[str]:
    """Session ids, each of a node of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    sessions = []
    for number in range(count):
        client.request("POST", "/sessions", json.dumps({"node_id": f"bench-{number}"}))
        sessions.append(json.loads(client.getresponse().read())["session_id"])
    client.close()
    return sessions


def request(session: str, number: int) -> bytes:
    """One observe on the wire."""
    head = f"POST /sessions/{session}/observe HTTP/1.1\r\nhost: kato\r\ncontent-type: application/json\r\n"
    return f"{head}x-kato-attempt: {number}.1\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY


def drive(port: int, seconds: float) -> tuple[int, list[int]]:
    """Observe for so long; how many were answered with 200, and how long each took (ns)."""
    poll = select.epoll()
    users: dict[int, tuple[socket.socket, bytes]] = {}
    sent: dict[int, int] = {}
    for number, session in enumerate(open_sessions(port, CONNECTIONS), 1):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        users[sock.fileno()] = sock, request(session, number)
        poll.register(sock, select.EPOLLIN)
    for fd, (sock, data) in users.items():
        sent[fd] = time.perf_counter_ns()
        sock.sendall(data)
    took: list[int] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for fd, _ in poll.poll(1):
            sock, data = users[fd]
            if not sock.recv(65536).startswith(b"HTTP/1.1 200"):
                raise SystemExit("a reply is no 200")
            now = time.perf_counter_ns()
            took.append(now - sent[fd])
            sent[fd] = now
            sock.sendall(data)
    return len(took), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--forward", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, channel = stack.enter_context(witness("--spool", str(folder / "twin.raw")))
        if arguments.forward:
            target = f"http://127.0.0.1:{port}"
            port, channel = stack.enter_context(witness("--spool", str(folder / "front.raw"), "--target", target))
        count, took = drive(port, arguments.seconds)
        channel.send({"id": 1, "do": "stats"})
        stats = channel.receive(10) or {}
    took.sort()
    quantiles = {name: took[int(len(took) * share)] / 1e6 for name, share in (("p50", 0.5), ("p99", 0.99))}
    report = {"observes_per_s": round(count / arguments.seconds), "ms": quantiles, "witness": stats}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
