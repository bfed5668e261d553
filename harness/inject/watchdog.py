"""Run as a process by harness.inject.lease: waits for the end of its standard input, then undoes a journal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.inject.lease import append, outstanding

UNDO_TRIES = 3
UNDO_WITHIN_S = 120.0


def undo_all(journal: Path) -> list[str]:
    """Undo every outstanding lease of a journal and note it there; what could not be undone, in words."""
    failures = []
    for lease in outstanding(journal):
        words = UNDO[lease["undo"]](lease)
        if words:
            failures.append(words)
        else:
            append(journal, {"released": lease["lease"]})
    return failures


def _undo_proxy(lease: Mapping[str, Any]) -> str:
    """Empty when the proxy is gone, else what is left."""
    # Imported at the alarm: a run that ends well shall not wait for it.
    from harness.inject.toxiproxy import Api, ToxiproxyGone, delete_until_clean

    api = Api(lease["url"])
    try:
        return "" if delete_until_clean(api, lease["proxy"]) else f"proxy {lease['proxy']} is still at {lease['url']}"
    except ToxiproxyGone:
        return ""
    except HarnessError as error:
        return f"proxy {lease['proxy']} at {lease['url']}: {error}"
    finally:
        api.close()


def _undo_toxics(lease: Mapping[str, Any]) -> str:
    """Empty when somebody's proxy is as it was, else what is left."""
    from harness.inject.stores import restore
    from harness.inject.toxiproxy import ToxiproxyGone

    try:
        restore(lease["url"], lease["proxy"], lease["prefix"])
    except ToxiproxyGone:
        return ""
    except HarnessError as error:
        return f"toxics on proxy {lease['proxy']} at {lease['url']}: {error}"
    return ""


def _undo_command(lease: Mapping[str, Any]) -> str:
    """Empty when the command succeeded, else what is left."""
    command = lease["command"]
    for _ in range(UNDO_TRIES):
        try:
            if subprocess.run(command, shell=True, timeout=UNDO_WITHIN_S, check=False).returncode == 0:
                return ""
        except subprocess.TimeoutExpired:
            continue
    return f"the undo command of fault {lease['fault']} failed {UNDO_TRIES} times: {command}"


UNDO: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "proxy": _undo_proxy,
    "toxics": _undo_toxics,
    "command": _undo_command,
}


def main(journal: Path) -> int:
    """Wait for the alarm, deaf to the signals that end a session, and undo."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    left = undo_all(journal)
    sys.stderr.writelines(f"not undone: {words}\n" for words in left)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
