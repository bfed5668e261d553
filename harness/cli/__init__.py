"""The command line: verbs over scenarios and run folders. Data on stdout, words on stderr.

Each verb lives in a module of its own that is imported when it is called, so that `--help` stays quick.
"""

from __future__ import annotations

import sys
import traceback

import click

from harness import __version__
from harness.cli.lazy import LazyGroup
from harness.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, HarnessError

VERBS = {
    "run": ("harness.cli.run:run", "Put an integration under load and faults, and judge it."),
    "worker": ("harness.cli.worker:worker", "Generate load for a run on another machine."),
    "plan": ("harness.cli.scenarios:plan", "What would happen, and what it can prove."),
    "lint": ("harness.cli.scenarios:lint", "All that is wrong in scenario files."),
    "schema": ("harness.cli.scenarios:schema", "JSON Schema of the scenario format, for editors."),
    "check": ("harness.cli.judge:check", "Judge a run again, without load."),
    "report": ("harness.cli.judge:report", "Draw a run's report again, without load."),
    "explore": ("harness.cli.explore:explore", "Every small schedule of faults on a client's flow."),
    "recovery": ("harness.cli.recovery:recovery", "After which triggers, at which loads, a client comes back."),
    "shrink": ("harness.cli.shrink:shrink", "The smallest schedule that still fails what failed a run."),
    "capacity": ("harness.cli.capacity:capacity", "The highest load within the objectives, and the curve."),
    "compare": ("harness.cli.compare:compare", "Is one group of runs slower than another?"),
    "explain": ("harness.cli.laws:explain", "A law's rule, trap, cure and example."),
    "list": ("harness.cli.laws:list_", "The faults, laws, integrations and formats there are."),
    "accept": ("harness.cli.laws:accept", "Accept a known failure for a time."),
    "init": ("harness.cli.init:init", "An adapter and a scenario for a client of your own."),
    "twin": ("harness.cli.servers:twin", "The embedded KATO alone, for anybody's tests."),
    "conform": ("harness.cli.servers:conform", "Is this server a KATO?"),
    "calibrate": ("harness.cli.servers:calibrate", "Service times of your KATO, as a profile."),
    "deploy": ("harness.cli.deploy:deploy", "Kubernetes manifests of a witness and Toxiproxy before KATO."),
    "witness": ("harness.cli.witness:witness", "Record and judge traffic that something else generates."),
    "exporter": ("harness.cli.servers:exporter", "The newest run as Prometheus metrics."),
    "audit": ("harness.cli.static:audit", "Static findings in manifests, mesh policy and client code."),
    "practices": ("harness.cli.practices:practices", "The guide's best practices, each with what proves it."),
    "translate": ("harness.cli.static:translate", "The Envoy routes and clusters that Istio's YAML means."),
    "doctor": ("harness.cli.doctor:doctor", "What is installed, and what a dead run left over."),
}


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kato-harness")
def kato_harness() -> None:
    """Load and faults for KATO integrations, judged with evidence.

    Exit codes: 0 every required law held · 1 one failed · 2 interrupted · 3 internal error · 4 scenario or usage
    wrong · 5 nothing required was proven · 6 run invalid · 7 environment not ready.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; no user's mistake ends in a traceback."""
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
