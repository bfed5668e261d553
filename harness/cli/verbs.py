"""The verbs under click, and what becomes of an error in one of them."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import click

from harness import __version__
from harness.cli.lazy import LazyGroup
from harness.cli.page import VERBS
from harness.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, HarnessError


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kato-harness")
def kato_harness() -> None:
    """All verbs; their help is a page of its own."""


def obey(arguments: list[str]) -> NoReturn:
    """Run a verb and exit; no user's mistake ends in a traceback."""
    try:
        code = kato_harness.main(arguments, standalone_mode=False)
    except HarnessError as error:
        click.echo(f"kato-harness: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(4)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.exit(EXIT_INTERNAL)
    except Exception:  # noqa: BLE001 - Python's own exit code for it is 1, which means a broken law
        traceback.print_exc()
        click.echo("kato-harness: an error of the harness itself, above; please report it with the command", err=True)
        sys.exit(EXIT_INTERNAL)
    sys.exit(code if isinstance(code, int) else 0)
