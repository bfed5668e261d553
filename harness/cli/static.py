"""`audit` and `translate`: what can be said of manifests, mesh policy and client code without running them."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "junit"]), default="text", show_default=True
)
def audit(paths: tuple[Path, ...], form: str) -> int:
    """Name what is wrong in PATHS (files or folders), each with file, line, why and cure; 1 when something is."""
    from harness.manifests import audit_command

    text, code = audit_command([str(path) for path in paths], form)
    sys.stdout.write(text)
    return code


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def translate(files: tuple[Path, ...]) -> int:
    """Print the Envoy routes and clusters that the Istio YAML in FILES means, as JSON."""
    from harness.mesh import translate_command

    sys.stdout.write(translate_command([str(path) for path in files]))
    return 0
