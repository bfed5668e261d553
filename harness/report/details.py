"""The page's tables of words: faults, policy, validity, and the run itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evidence.history import History
from harness.policy.merge import flatten
from harness.report.frames import validity
from harness.report.panels import fault_letters
from harness.report.summary import accounting_line, is_gate
from harness.report.tables import MOST_ROWS, Cell, Grid, plain
from harness.report.whereabouts import logged_errors, said, whereabouts
from harness.report.words import UNKNOWN, count, duration, moment, share, status_label

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement

_STEPS = ("planned", "applied", "effective", "felt", "cleared")
_VALUES = ("declared", "read", "effective")
_SHOWN_FACTS = frozenset({"hooks", "leftovers", "oracle", "injector_error_ns"})


def faults(history: History, start_ns: int) -> Grid:
    """Each fault's way from plan to undo: times since start, and below each how long after the step before."""
    head = ("", "fault", "kind", "where", *_STEPS)
    rows = sorted(history.faults.rows(), key=lambda row: row["planned_ns"])
    marks = fault_letters(history)
    lines = [_fault(marks[row["name"]], row, start_ns) for row in rows[:MOST_ROWS]]
    return Grid(
        tuple(Cell(name, numeric=name in _STEPS) for name in head), tuple(lines), left_out=len(rows) - len(lines)
    )


def _fault(letter: str, row: Mapping[str, Any], start_ns: int) -> tuple[Cell, ...]:
    return (
        Cell(letter), Cell(row["name"]), Cell(row["kind"], note=_params(row["params"])), Cell(row["where"]),
        _step(row, "planned_ns", "", start_ns), _step(row, "applied_ns", "planned_ns", start_ns),
        _step(row, "effective_ns", "applied_ns", start_ns, "never"),
        _step(row, "felt_ns", "effective_ns", start_ns, "never"),
        _step(row, "cleared_ns", "", start_ns, "not recorded"),
    )  # fmt: skip


def _params(text: str) -> str:
    """Parameters as `name = value`, written in the table as a JSON object."""
    try:
        params = json.loads(text or "{}")
    except ValueError:
        return text
    return ", ".join(f"{key} = {_plain(value)}" for key, value in params.items()) if isinstance(params, dict) else text


def _step(row: Mapping[str, Any], key: str, before: str, start_ns: int, missing: str = UNKNOWN) -> Cell:
    if not row[key]:
        return Cell(missing, numeric=True)
    after = f"+{duration(row[key] - row[before])}" if before and row[before] and row[key] >= row[before] else ""
    return Cell(moment(row[key] - start_ns), numeric=True, note=after)


def policy(manifest: Mapping[str, Any]) -> Grid:
    """Declared, read and effective value of every policy key, and the source of what counts; differences are marked."""
    told = manifest.get("policy", {})
    declared, read, effective = (flatten(told.get(name) or {}) for name in _VALUES)
    sources = flatten(told.get("sources") or {})
    keys = sorted({*declared, *read, *effective})
    rows = [
        (
            Cell(key), _value(declared, key), _value(read, key), _value(effective, key),
            Cell(str(sources.get(key, UNKNOWN)), note=_difference(declared, read, key)),
        )
        for key in keys
    ]  # fmt: skip
    return Grid(tuple(Cell(name, numeric=name in _VALUES) for name in ("key", *_VALUES, "source")), tuple(rows))


def _value(values: Mapping[str, Any], key: str) -> Cell:
    value = values.get(key)
    if value is None:
        return Cell(UNKNOWN, numeric=True)
    if isinstance(value, (list, tuple)):
        return Cell(", ".join(str(item) for item in value), numeric=True)
    if isinstance(value, float):
        return Cell(f"{value:g}", numeric=True)
    return Cell(str(value).lower() if isinstance(value, bool) else str(value), numeric=True)


def _difference(declared: Mapping[str, Any], read: Mapping[str, Any], key: str) -> str:
    return "differs from the code" if key in declared and key in read and declared[key] != read[key] else ""


def health(run: Run, judgement: Judgement) -> Grid:
    """What the harness knows of its own measurement, a line each."""
    history, facts = run.history, {**run.manifest.get("facts", {}), **run.history.facts}
    median, tail = validity.outside_witness(history)
    overflow = int(run.manifest.get("accounting", {}).get("overflow", 0))
    leftovers = facts.get("leftovers") or []
    gates = [
        (f"{verdict.law} {verdict.name}", f"{status_label(verdict.status)}: {verdict.reason}")
        for verdict in judgement.verdicts
        if is_gate(verdict)
    ]
    known = [
        ("accounting", accounting_line(run.manifest)),
        ("overflow", f"{count(overflow, 'call')} over the bound of calls in flight"),
        ("arrivals paired with calls", _pairing(history)),
        ("attempts seen by", ", ".join(facts.get("hooks") or []) or "no hook"),
        ("time of an attempt outside the witness", f"median {duration(median)}, p99 {duration(tail)}"),
        ("fault proofs (canary requests)", _canary(history)),
        ("error of the fault injector", duration(facts.get("injector_error_ns"))),
        ("where a call's time went", said(whereabouts(history)) or UNKNOWN),
        ("errors in the logs", logged_errors(run.folder)),
        ("left over after the run", ", ".join(str(item) for item in leftovers) or "nothing"),
        ("oracle of commits", str(facts.get("oracle", UNKNOWN))),
        ("run finished", _ended(run.manifest)),
    ]
    more = [(key.replace("_", " "), _plain(value)) for key, value in sorted(facts.items()) if key not in _SHOWN_FACTS]
    return plain(("what", "found"), gates + known + more)


def _ended(manifest: Mapping[str, Any]) -> str:
    error = manifest.get("error") or {}
    return "yes" if manifest.get("finished") else f"no: {error.get('what', 'judged as far as it went')}"


def _pairing(history: History) -> str:
    counts = validity.pairing(history)
    total = sum(counts.values())
    return ", ".join(f"by {name} {share(n, total)}" for name, n in counts.items()) + f" of {count(total, 'arrival')}"


def _canary(history: History) -> str:
    outcomes = history.canary["outcome"].tolist()
    return ", ".join(f"{outcomes.count(name):,} {name}" for name in dict.fromkeys(outcomes)) or "none"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def run_facts(manifest: Mapping[str, Any]) -> Grid:
    """What was run, with what, on what."""
    run = dict(manifest.get("run", {}))
    run.pop("question", None)
    if run.get("file"):
        # a report is shown to others: where it was made is nobody's business
        run["file"] = "/".join(Path(str(run["file"])).parts[-2:])
    rows = [(key.replace("_", " "), _plain(value)) for key, value in run.items()]
    rows += [(f"machine: {key}", _plain(value)) for key, value in manifest.get("machine", {}).items()]
    return plain(("what", "value"), rows)


def scenario(manifest: Mapping[str, Any]) -> str:
    """The scenario as it was given, secrets redacted by who wrote the manifest, as JSON."""
    return json.dumps(manifest.get("scenario", {}), indent=2, ensure_ascii=False, default=str)
