"""A real RabbitMQ of our own: loopback, free ports, its own data folder, its own epmd; killed and started again on it.

python -m harness.stack.rabbitmq       says where the program is; exit code 7 where it can't be had
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, PartMissing
from harness.stack import process
from harness.stack.ports import free_port

DEBIAN = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's own script; the wrapper of the same name on PATH changes the user and takes no data folder."""
READY_WITHIN_S = 90.0
LOOK_WITHIN_S = 1.0
HELLO = b"AMQP\x00\x00\x09\x01"
"""The protocol header of AMQP 0-9-1 (section 4.2.2); a broker answers with Connection.Start."""

CURE = """have RabbitMQ 3.10 or later in one of three ways, then run this again:
    1. on Debian or Ubuntu, as root: make system, or apt-get install rabbitmq-server
    2. put the program rabbitmq-server of another installation on PATH
    3. name it: RABBITMQ_SERVER=/path/to/rabbitmq-server"""

_numbers = itertools.count(1)


@dataclass(slots=True)
class Broker:
    """A broker that answers at 127.0.0.1:`port`. What it keeps lies in `folder` and survives `kill`."""

    program: Path
    folder: Path
    port: int
    environment: Mapping[str, str]
    mapper: process.Child
    child: process.Child

    @property
    def url(self) -> str:
        """Its AMQP URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power."""
        process.stop(self.child, grace_s=0.0, gently=False)

    def restart(self, wait: bool = True) -> None:
        """Start it anew on what it had written; returns when it answers, unless told not to `wait`."""
        self.child = _launch(self.program, self.environment, self.folder / "log")
        if wait:
            process.wait_until(self.child, lambda: answers(self.port), READY_WITHIN_S)

    def stop(self) -> None:
        """End it and its epmd. Its data is thrown away with the run, so nothing needs to be saved."""
        process.stop(self.child, grace_s=0.0, gently=False)
        process.stop(self.mapper)


def start(folder: Path, heartbeat_s: int = 60, environment: Mapping[str, str] = os.environ) -> Broker:
    """A broker of our own with its data in `folder` (5 to 15 s); it offers `heartbeat_s` to clients.

    Raises PartMissing, with the cure, when none can be had.
    """
    program, folder = find(environment), folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    port, names = free_port(), free_port()
    told = _environment(folder, port, names, heartbeat_s)
    mapper = process.start("epmd", ["epmd", "-address", "127.0.0.1", "-port", str(names)], folder / "epmd.log")
    child = _launch(program, told, folder / "log")
    broker = Broker(program, folder, port, told, mapper, child)
    try:
        process.wait_until(child, lambda: answers(port), READY_WITHIN_S)
    except BaseException:
        broker.stop()
        raise
    return broker


def find(environment: Mapping[str, str] = os.environ) -> Path:
    """The program; raises PartMissing, with the cure, where there is none."""
    for place in (
        environment.get("RABBITMQ_SERVER"),
        DEBIAN,
        shutil.which("rabbitmq-server", path=environment.get("PATH")),
    ):
        if place and Path(place).exists() and shutil.which("epmd", path=environment.get("PATH")):
            return Path(place)
    raise PartMissing("RabbitMQ is missing: no rabbitmq-server with Erlang's epmd on this machine", CURE)


def answers(port: int) -> bool:
    """Whether an AMQP 0-9-1 broker greets us at this port of loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), LOOK_WITHIN_S) as sock:
            sock.sendall(HELLO)
            return sock.recv(1) == b"\x01"
    except OSError:
        return False


def _launch(program: Path, environment: Mapping[str, str], log: Path) -> process.Child:
    child = process.start("RabbitMQ", [str(program)], log, env=environment, cwd=log.parent)
    process.prefer(child)
    return child


def _environment(folder: Path, port: int, names: int, heartbeat_s: int) -> dict[str, str]:
    """RabbitMQ's variables (rabbitmq-env.conf(5)) and its configuration file."""
    lines = (
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        f"heartbeat = {heartbeat_s}",
        "disk_free_limit.absolute = 50MB",
        "log.console = true",
        "log.console.level = warning",
        "log.file = false",
    )
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "plugins").write_text("[].\n")
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"kh-{os.getpid()}-{next(_numbers)}@localhost",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # the script then becomes the Erlang machine, so that a signal to it reaches the broker itself
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def main() -> int:
    """Say where it is."""
    try:
        sys.stdout.write(f"{find()}\n")
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
