"""The command line: verbs over scenarios and run folders. Data on stdout, words on stderr.

Each verb lives in a module of its own that is imported when it is called, and click itself when a verb is.
"""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; no user's mistake ends in a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    if given not in (["-h"], ["--help"]):
        from harness.cli.verbs import obey

        obey(given)
    from harness.cli.page import page, width

    try:
        sys.stdout.write(page(os.path.basename(sys.argv[0]), width()) + "\n")  # noqa: PTH119 - pathlib takes as long
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(1)  # as click ends; Python itself would complain at its end
    sys.exit(0)
