"""`explain`, `list` and `accept`: what the laws say, what there is, and what a team has accepted for a time."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

import click

from harness.errors import UsageError

KINDS = ("faults", "laws", "integrations", "formats", "scenarios")


@click.command()
@click.argument("law")
def explain(law: str) -> int:
    """Print LAW's rule, what would fool it, the cure, and an example."""
    from harness.laws import explain as words

    sys.stdout.write(words(law.upper()))
    return 0


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print names and meanings as JSON.")
def list_(kind: str, as_json: bool) -> int:
    """Print what there is of KIND, a line each."""
    rows = _ROWS[kind]()
    if as_json:
        sys.stdout.write(json.dumps([{"name": name, "meaning": meaning} for name, meaning in rows], indent=1) + "\n")
        return 0
    width = max(len(name) for name, _ in rows)
    sys.stdout.writelines(f"{name:<{width}}  {meaning}\n" for name, meaning in rows)
    return 0


def _faults() -> list[tuple[str, str]]:
    from harness.faults import KINDS as FAULTS

    rows = []
    for kind in FAULTS.values():
        parameters = ", ".join(
            param.name if param.required else f"{param.name}={param.default}" for param in kind.params
        )
        rows.append((kind.name, f"{kind.doc} [{kind.plane}]" + (f" ({parameters})" if parameters else "")))
    return rows


def _laws() -> list[tuple[str, str]]:
    from harness.laws import LAWS

    return [(law.id, f"{law.name}: {law.rule}") for law in LAWS.values()]


def _integrations() -> list[tuple[str, str]]:
    from harness.integrations import REGISTRY

    return [(entry.name, entry.doc) for entry in REGISTRY.values()]


def _formats() -> list[tuple[str, str]]:
    from harness.report import FORMATS

    return [(form.name, f"{form.doc} ({form.file})") for form in FORMATS.values()]


def _scenarios() -> list[tuple[str, str]]:
    from harness.run.shipped import shipped_names, shipped_scenario
    from harness.scenario import load_scenario

    return [(name, load_scenario(shipped_scenario(name)).question) for name in shipped_names()]


_ROWS = {
    "faults": _faults,
    "laws": _laws,
    "integrations": _integrations,
    "formats": _formats,
    "scenarios": _scenarios,
}


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.argument("law")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day, YYYY-MM-DD.")
@click.option("--reason", required=True, help="Why the team accepts it.")
@click.option("--owner", default="", help="Who mends it.")
@click.option("--issue", default="", help="The ticket.")
def accept(run: Path, law: str, until: datetime.datetime, reason: str, owner: str, issue: str) -> int:
    """Write the failure of LAW in RUN into its scenario's `known:` list, until a date."""
    from harness.judge import judge_folder
    from harness.scenario.known import add_known

    judged = judge_folder(run)
    failed = {verdict.law for verdict in judged.judgement.verdicts if verdict.status == "fail"}
    if law not in failed:
        raise UsageError(f"{law} did not fail in {run}", f"failed there: {', '.join(sorted(failed)) or 'nothing'}")
    if law.startswith("X"):
        raise UsageError(f"{law} is a gate, which can't be accepted", "mend the run: gates say whether it counts")
    file = Path(judged.run.manifest["run"]["file"])
    entry = {"law": law, "reason": reason, "issue": issue, "owner": owner, "until": until.date().isoformat()}
    add_known(file, {key: value for key, value in entry.items() if value})
    sys.stdout.write(f"{file}: {law} is accepted until {until.date()}\n")
    return 0
