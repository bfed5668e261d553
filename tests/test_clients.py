"""Every broken client is failed by the law named for it and by none outside its family; no law fails a sound one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from harness.laws import LAWS
from harness.model import Verdict
from tests.clients.catalogue import BROKEN, GATES, SCENARIOS, SUBJECTS, Job, failing, runs
from tests.clients.matrix import BARE

FAMILIES = sorted({subject.use.partition(":")[0] for subject in SUBJECTS})


@pytest.mark.parametrize("module", FAMILIES)
def test_laws_name_the_defect_and_nothing_else(module: str) -> None:
    """A broken client is failed by its law and by none outside its family, a sound one by none; one seed each.

    Sound clients run in the first of their scenarios; `make matrix` and `make sound` run all.
    """
    subjects = [subject for subject in SUBJECTS if subject.use.startswith(f"{module}:")]
    jobs = [(subject, scenario, 1) for subject in subjects for scenario in subject.runs_in[:1]]
    wrong = [complaint for job, verdicts in runs(jobs) for complaint in complaints(job, verdicts)]
    assert not wrong, "\n".join(wrong)


def complaints(job: Job, verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """What the laws got wrong in one run."""
    subject, scenario, _ = job
    found, where = failing(verdicts), f"{subject.name} in {scenario}"
    for gate in GATES:
        if verdicts[gate].status == "fail":
            yield f"{where}: {gate}: {verdicts[gate].reason}"
    if subject.law and subject.law not in found:
        yield f"{where}: {subject.law} is {verdicts[subject.law].status}: {verdicts[subject.law].reason}"
    for law in found:
        if not subject.expects(law):
            yield f"{where}: {law} fails it: {verdicts[law].reason}"


def test_the_catalogue_names_what_exists() -> None:
    """Laws, scenarios and reasons: every name is one, each client has a name of its own and says what it is."""
    assert len({subject.name for subject in SUBJECTS}) == len(SUBJECTS)
    for subject in SUBJECTS:
        assert subject.doc and {subject.law, *subject.also} - {""} <= set(LAWS), subject.name
        assert all((SCENARIOS / f"{scenario}.yaml").exists() for scenario in subject.runs_in), subject.name
        assert all(LAWS[law].family != subject.family and why for law, why in subject.also.items()), subject.name


def test_a_defect_is_one_familys_matter() -> None:
    """At most one broken client in twenty has an effect that a law outside its family rightly names as well."""
    assert 20 * sum(bool(subject.also) for subject in BROKEN) <= len(BROKEN)


DONE = {"RetriesLostWrites": "lost_reply", "RetriesTimedOutWrites": "hole", "RetriesCreateSession": "lost_session"}
"""Clients whose re-tries of writes are failed where nothing was done, and where KATO had done it before."""


def test_a_write_that_was_done_and_is_sent_again_is_doubled_too() -> None:
    """R8 names the re-try wherever it can't know; where KATO had committed the write, D2 names the double."""
    jobs = [(subject, DONE[subject.name], 1) for subject in SUBJECTS if subject.name in DONE]
    found = {subject.name: failing(verdicts) for (subject, _, _), verdicts in runs(jobs)}
    assert found.keys() == DONE.keys() and all({"R8", "D2"} <= set(laws) for laws in found.values()), found
    assert "D6" in found["RetriesCreateSession"]


def test_every_scenario_of_the_corpus_is_used() -> None:
    """No file lies about."""
    used = {name for subject in SUBJECTS for name in subject.runs_in} | set(DONE.values())
    assert {path.stem for path in SCENARIOS.glob("*.yaml")} == used


def test_a_law_without_a_client_says_why() -> None:
    """Every law about a client has one that breaks it, or a reason why none can here."""
    families = {"policy", "time-outs", "retries", "breaker", "fallback", "pools", "recovery", "data"}
    about = {law for law in LAWS if LAWS[law].family in families and not LAWS[law].part}
    assert about - {subject.law for subject in SUBJECTS} == set(BARE)
