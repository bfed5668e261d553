"""The audit: files to units, units through every rule, findings in the order of the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import EXIT_FAILED, EXIT_OK, Problem
from harness.manifests import (
    admission,
    client_code,
    client_retries,
    client_waits,
    consul,
    istio,
    linkerd,
    pods,
    probes,
    resources,
    schema,
    settings_rules,
    stores,
    traffic,
)
from harness.manifests.consul_files import consul_tree, is_consul
from harness.manifests.formats import FORMATS
from harness.manifests.hcl import load_hcl
from harness.manifests.kustomize import kustomized
from harness.manifests.rules import Rule
from harness.manifests.source import Source, read_source
from harness.manifests.unit import Unit, Variable
from harness.mesh.inventory import flat
from harness.mesh.nodes import ManifestError, Node, load_file
from harness.model import Finding

RULES: tuple[Rule, ...] = (
    *schema.RULES,
    *probes.RULES,
    *resources.RULES,
    *settings_rules.RULES,
    *stores.RULES,
    *pods.RULES,
    *istio.RULES,
    *admission.RULES,
    *traffic.RULES,
    *linkerd.RULES,
    *consul.RULES,
    *client_code.RULES,
    *client_retries.RULES,
    *client_waits.RULES,
)
UNREADABLE = "FILE/unreadable"
_YAML, _HCL, _ENV, _PYTHON = (".yaml", ".yml", ".json"), (".hcl",), (".env",), (".py",)


def audit(paths: Sequence[str | Path]) -> list[Finding]:
    """What is wrong in manifests and client code, file by file and line by line.

    A folder is a unit: what is applied together and may refer to each other; files named one by one are one unit.
    """
    return _examined(paths)[0]


def audit_command(paths: Sequence[str | Path], form: str = "text") -> tuple[str, int]:
    """The findings in a format (text, json, sarif, junit) and the exit code: 1 when a gate rule is broken.

    The text also names what no run of ours proves.
    """
    findings, units = _examined(paths)
    failed = any(finding.severity == "gate" for finding in findings)
    said = FORMATS[form](findings, RULES)
    if form == "text" and any(linkerd.concerned(unit) for unit in units):
        said += "Linkerd: not run, its files are judged by reading only\n"
    return said, EXIT_FAILED if failed else EXIT_OK


def _examined(paths: Sequence[str | Path]) -> tuple[list[Finding], list[Unit]]:
    findings: list[Finding] = []
    units: list[Unit] = []
    for files in _units([Path(path) for path in paths]):
        unit, problems = _read(files)
        units.append(unit)
        findings += problems
        findings += [finding for rule in RULES for finding in rule.findings(unit)]
    return sorted((_shown(finding) for finding in findings), key=_place), units


def _shown(finding: Finding) -> Finding:
    """A finding with the control characters of a file's words written out: no terminal or XML may meet them."""
    reason = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in finding.reason)
    return replace(finding, reason=reason)


def _units(paths: Sequence[Path]) -> Iterator[list[Path]]:
    named = [path for path in paths if not path.is_dir()]
    if named:
        yield named
    for path in paths:
        if path.is_dir():
            folders: dict[Path, list[Path]] = {}
            for file in sorted(path.rglob("*")):
                hidden = any(part.startswith(".") for part in file.relative_to(path).parts[:-1])
                if file.is_file() and file.suffix in (*_YAML, *_HCL, *_ENV, *_PYTHON) and not hidden:
                    folders.setdefault(file.parent, []).append(file)
            yield from folders.values()


def _read(files: Sequence[Path]) -> tuple[Unit, list[Finding]]:
    documents: list[Node] = []
    services: list[Node] = []
    environment: list[Variable] = []
    sources: list[Source] = []
    findings: list[Finding] = []
    for file in files:
        try:
            if file.suffix in _HCL:
                services.append(consul_tree(load_hcl(_text(file), str(file))))
            elif file.suffix in _ENV:
                environment += _environment(_text(file), str(file))
            elif file.suffix in _PYTHON:
                sources.append(read_source(_text(file), str(file)))
            else:
                read = list(flat(load_file(file)))
                services += (consul_tree(document) for document in read if is_consul(document))
                documents += (document for document in read if not is_consul(document))
        except ManifestError as error:
            for found in error.problems:
                place = f"{found.file}:{found.line}:{found.column}"
                findings.append(Finding(UNREADABLE, place, found.what, found.cure, "gate"))
    return Unit(tuple(kustomized(documents)), tuple(services), tuple(environment), tuple(sources)), findings


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            [Problem(str(file), 1, 1, f"can't be read: {error}", "give a readable text file")]
        ) from error


def _environment(text: str, file: str) -> Iterator[Variable]:
    """`NAME=value` lines, as container runtimes read them."""
    for number, line in enumerate(text.splitlines(), 1):
        name, sign, value = line.strip().partition("=")
        if sign and not name.startswith("#"):
            yield Variable(name, value, Node(value, file, number, 1))


def _place(finding: Finding) -> tuple[str, int, int, str]:
    file, line, column = finding.where.rsplit(":", 2)
    return file, int(line), int(column), finding.rule
