"""A host process: an integration outside Locust, on threads or asyncio, in its own interpreter if it names one.

Started by path as a script, so that a foreign interpreter needs nothing of ours but the standard library: the package
is found by this file's place, without our site-packages on its path.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from pathlib import Path


def _find_package() -> None:
    """Make `harness` importable from the folder this file lies in, and nothing else of that folder."""
    root = Path(__file__).resolve().parent.parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    spec = importlib.util.spec_from_file_location(
        "harness", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = package
    spec.loader.exec_module(package)


def serve(descriptor: int, module: str) -> int:
    """Obey the control channel until its end; 0 when the run was driven, else the exit code of the error.

    `module` of a client of ours is imported before the order for it has come.
    """
    from harness.channel import inherited
    from harness.errors import HarnessError
    from harness.load.lean import without_command_lines
    from harness.load.session import Session, settle

    without_command_lines()
    if module:
        importlib.import_module(module)
    channel = inherited(descriptor)
    order = channel.receive()
    if order is None:
        return 0
    try:
        session = Session(order, channel.send)
    except HarnessError as error:
        channel.send({"event": "failed", "what": error.what, "cure": error.cure, "exit_code": error.exit_code})
        return error.exit_code
    channel.send(session.ready())
    settle()
    order = channel.receive()
    if order is None or order["do"] != "start":
        return 0
    threading.Thread(target=_listen, args=(channel, session), daemon=True).start()
    channel.send(session.run(order))
    return 0


def _listen(channel: object, session: object) -> None:
    """Stop the load on the parent's word or when the parent is gone."""
    channel.receive()  # type: ignore[attr-defined]
    session.stop()  # type: ignore[attr-defined]


if __name__ == "__main__":
    if "harness" not in sys.modules:
        _find_package()
    from harness.load.host import serve as _serve

    sys.exit(_serve(int(sys.argv[1]), sys.argv[2]))
