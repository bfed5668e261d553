"""`plan`, `lint` and `schema`: what a scenario means, what is wrong with it, and its JSON Schema."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.argument("scenario")
@click.option("--integration", metavar="NAME|FILE:FACTORY", help="The client under test.")
@click.option("--profile", type=click.Choice(["fast", "true"]), default="fast", show_default=True)
@click.option("--seed", type=int, help="Equal seed, equal plan.")
@click.option("--env", "environment", help="An environment of the scenario file.")
@click.option("--head", type=int, default=10, show_default=True, help="How many calls to print.")
@click.option("--mesh", is_flag=True, help="Also print what the scenario's mesh YAML implies.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(
    scenario: str,
    integration: str | None,
    profile: str,
    seed: int | None,
    environment: str | None,
    head: int,
    mesh: bool,
    as_json: bool,
) -> int:
    """Print SCENARIO's timeline, expected calls, and for each law whether it is provable here and what it needs."""
    from harness.run import Options, shipped_scenario
    from harness.run.preview import preview
    from harness.scenario import cells, load_scenario

    options = Options(integration=integration, profile=profile, seed=seed)
    found = load_scenario(shipped_scenario(scenario), env=environment)
    shown = [preview(cell, options, head, mesh) for cell in cells(found)]
    if as_json:
        sys.stdout.write(json.dumps([each.as_json() for each in shown], indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(each.text() for each in shown))
    return 0


@click.command()
@click.argument("scenarios", nargs=-1, required=True)
def lint(scenarios: tuple[str, ...]) -> int:
    """Print every problem of SCENARIOS with file, line, column and cure; 4 when there is one."""
    from harness.errors import EXIT_OK, EXIT_USAGE
    from harness.laws import LAWS
    from harness.run import shipped_scenario
    from harness.scenario.lint import lint as problems_of
    from harness.scenario.lint import text_of

    problems = problems_of([shipped_scenario(name) for name in scenarios], laws=LAWS)
    if problems:
        sys.stdout.write(f"{text_of(problems)}\n")
    return EXIT_USAGE if problems else EXIT_OK


@click.command()
def schema() -> int:
    """Print the JSON Schema of scenario files."""
    from harness.scenario.schema import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
    return 0
