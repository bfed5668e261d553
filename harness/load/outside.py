"""A host process as the generator sees it: started, told, listened to."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.channel import pair

Message = Mapping[str, Any]


class Host:
    """A host process in the interpreter `python` that imports what it needs, and `module` of the client where that is
    one of ours, while nobody has told it anything yet."""

    def __init__(self, python: str, module: str = "") -> None:
        self.channel, theirs = pair()
        command = [python, str(Path(__file__).with_name("host.py")), str(theirs.fileno()), module]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()


class HostProcess:
    """The part of a run that a host process plays, with the face of `Session`."""

    def __init__(self, host: Host, order: Message, send: Callable[[Message], None]) -> None:
        self._send = send
        self._channel, self._process = host.channel, host.process
        self._channel.send(order)
        self._ready = self._channel.receive() or self._died()

    def ready(self) -> Message:
        """The host's own word: ready or failed."""
        return self._ready

    def run(self, order: Message) -> Message:
        """Pass the order on and its progress back, until it is done."""
        self._channel.send(order)
        while (message := self._channel.receive()) is not None:
            if message["event"] != "progress":
                self._process.wait()
                return message
            self._send(message)
        return self._died()

    def stop(self) -> None:
        """Tell the host to offer no more load."""
        self._channel.send({"do": "stop"})

    def _died(self) -> dict[str, Any]:
        status = self._process.wait()
        return {
            "event": "failed",
            "what": f"the host process of the integration ended with status {status}",
            "cure": "its own words are above; run the client alone in the same interpreter",
            "exit_code": 1 if status < 0 else 3,
        }
