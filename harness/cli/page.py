"""The first help page: what `kato-harness --help` prints, drawn as click draws it and without importing it.

click takes most of the time of a start, and this page is what people wait for with nothing else to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from textwrap import fill, wrap

ABOUT = (
    "Load and faults for KATO integrations, judged with evidence.",
    (
        "Exit codes: 0 every required law held · 1 one failed · 2 interrupted · 3 internal error · 4 scenario or usage "
        "wrong · 5 nothing required was proven · 6 run invalid · 7 environment not ready."
    ),
)
OPTIONS = {"--version": "Show the version and exit.", "-h, --help": "Show this message and exit."}
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
"""A verb: what is imported when it is called ("module:attribute"), and its line of help."""

NARROWEST, WIDEST, GAP = 50, 78, 2


def width() -> int:
    """How many columns of the terminal a page takes."""
    return max(min(shutil.get_terminal_size().columns - GAP, WIDEST), NARROWEST)


def page(program: str, columns: int) -> str:
    """The page of the command `program`, in `columns` columns."""
    about = [fill(text, columns, initial_indent="  ", subsequent_indent="  ") for text in ABOUT]
    usage = f"Usage: {program} [OPTIONS] COMMAND [ARGS]..."
    verbs = {name: line for name, (_, line) in VERBS.items()}
    return "\n\n".join([usage, *about, _section("Options", OPTIONS, columns), _section("Verbs", verbs, columns)])


def _section(heading: str, rows: Mapping[str, str], columns: int) -> str:
    """A heading and a list of terms, each with its line beside it."""
    indent = max(map(len, rows)) + GAP
    lines = [f"{heading}:"]
    for term, words in rows.items():
        first, *more = wrap(words, columns - indent - GAP)
        lines.append(f"  {term:<{indent}}{first}")
        lines += [" " * (indent + GAP) + line for line in more]
    return "\n".join(lines)
