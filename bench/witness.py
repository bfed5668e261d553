"""What evidence costs: `make twin`, or `python bench/witness.py [--seconds 4] [--out FILE]`.

Observes a second through the witness that hosts the embedded KATO, and through a forwarding one before it: twenty
keep-alive connections, each sends its next observe when the last one is answered. `per_core_s` divides by the processor
time that this witness took, so that it holds on a busy machine too. A bare ASGI app under uvicorn, driven alike, is the
yardstick of the machine. Then PACE observes a second to each of the two in turn: what the forwarding one adds to an
answer's time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from machine import described

from harness.channel import Channel, pair

CONNECTIONS = 20
PACE = 300
"""Observes a second at which the added time is measured."""

BODY = b'{"strings":["view:product-123"],"vectors":[],"emotives":{}}'


@contextmanager
def witness(*arguments: str) -> Iterator[tuple[int, int, Channel]]:
    """A witness process: its port, its process id and its control channel."""
    channel, theirs = pair()
    command = [sys.executable, "-m", "harness.twin", "--control-fd", str(theirs.fileno()), *arguments]
    process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
    theirs.close()
    ready = channel.receive(10) or {}
    try:
        yield int(ready["port"]), process.pid, channel
    finally:
        channel.close()
        process.wait(10)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The least ASGI app: what any Python server costs on this machine."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"18")]
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"session_id":"x"}'})


@contextmanager
def yardstick() -> Iterator[tuple[int, int]]:
    """That app in a process of its own: port and process id."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    where = ["--app-dir", str(Path(__file__).parent), "--fd", str(listening.fileno())]
    how = ["--lifespan", "off", "--no-access-log", "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]
    command = [sys.executable, "-m", "uvicorn", "witness:bare", *where, *how]
    process = subprocess.Popen(command, pass_fds=[listening.fileno()])
    try:
        yield listening.getsockname()[1], process.pid
    finally:
        process.terminate()
        process.wait(10)


def open_sessions(port: int, count: int) -> list[str]:
    """Session ids, each of a node of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    sessions = []
    for number in range(count):
        client.request("POST", "/sessions", json.dumps({"node_id": f"bench-{time.monotonic_ns()}-{number}"}))
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
            reply = sock.recv(65536)
            if not reply.startswith((b"HTTP/1.1 200", b"{")):
                raise SystemExit("a reply is no 200")
            if not reply.endswith(b"}"):
                continue  # its body comes apart
            now = time.perf_counter_ns()
            took.append(now - sent[fd])
            sent[fd] = now
            sock.sendall(data)
    return len(took), took


def paced(ports: list[int], seconds: float) -> list[list[int]]:
    """PACE observes a second to each of the ports in turn; how long each answer took (ns), port by port."""
    poll = select.epoll()
    users: dict[int, tuple[int, socket.socket, bytes]] = {}
    free: list[list[int]] = [[] for _ in ports]
    for at, port in enumerate(ports):
        for number, session in enumerate(open_sessions(port, CONNECTIONS), 1):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            users[sock.fileno()] = at, sock, request(session, number)
            free[at].append(sock.fileno())
            poll.register(sock, select.EPOLLIN)
    took: list[list[int]] = [[] for _ in ports]
    sent: dict[int, int] = {}
    start = time.perf_counter_ns()
    for turn in range(int(seconds * PACE) * len(ports)):
        due = start + turn * 1_000_000_000 // (PACE * len(ports))
        while (rest := due - time.perf_counter_ns()) > 0 or not free[turn % len(ports)]:
            for fd, _ in poll.poll(max(rest, 0) / 1e9):
                at, sock, _data = users[fd]
                sock.recv(65536)
                took[at].append(time.perf_counter_ns() - sent[fd])
                free[at].append(fd)
        fd = free[turn % len(ports)].pop()
        sent[fd] = time.perf_counter_ns()
        users[fd][1].sendall(users[fd][2])
    return took


def processor_s(pid: int) -> float:
    """The processor time that a process has taken (s)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantiles(took: list[int]) -> dict[str, float]:
    """Median and 99th percentile (ms)."""
    ordered = sorted(took)
    return {name: round(ordered[int(len(took) * share)] / 1e6, 3) for name, share in (("p50", 0.5), ("p99", 0.99))}


def rates(port: int, pid: int, seconds: float) -> dict[str, Any]:
    """Observes as fast as they are answered."""
    before = processor_s(pid)
    count, took = drive(port, seconds)
    spent = processor_s(pid) - before
    return {"observes_per_s": round(count / seconds), "per_core_s": round(count / spent), "ms": quantiles(took)}


def figures(port: int, pid: int, channel: Channel, seconds: float) -> dict[str, Any]:
    """The rates of a witness, and what it says that it saw."""
    found = rates(port, pid, seconds)
    channel.send({"id": 1, "do": "stats"})
    stats = channel.receive(10) or {}
    return {**found, "arrived": stats.get("arrived"), "committed": stats.get("committed")}


def main() -> None:
    """Print the figures, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        twin = stack.enter_context(witness("--spool", str(folder / "twin.raw")))
        target = f"http://127.0.0.1:{twin[0]}"
        front = stack.enter_context(witness("--spool", str(folder / "front.raw"), "--target", target))
        report: dict[str, Any] = {"bare_asgi": rates(*stack.enter_context(yardstick()), arguments.seconds)}
        report["embedded"] = figures(*twin, arguments.seconds)
        report["forwarding"] = figures(*front, arguments.seconds)
        direct, forwarded = map(quantiles, paced([twin[0], front[0]], arguments.seconds))
    added = {name: round(forwarded[name] - direct[name], 3) for name in direct}
    report |= {"pace_per_s": PACE, "direct_ms": direct, "forwarded_ms": forwarded, "added_ms": added}
    text = json.dumps({**report, "machine": described()}, indent=1) + "\n"
    sys.stdout.write(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
