"""The eight practices: what breaks one, what proves one, and what proves nothing."""

from __future__ import annotations

from pathlib import Path

from harness.errors import EXIT_FAILED, EXIT_OK, EXIT_UNPROVEN
from harness.laws import LAWS
from harness.manifests.audit import RULES
from harness.model import Finding, Verdict
from harness.run.options import Options
from harness.run.practices import PRACTICES, Held, _held, exit_code, practices, words

DEPLOY = Path(__file__).parent.parent / "deploy"


def verdict(law: str, status: str) -> tuple[str, Verdict]:
    said = Verdict(law, LAWS[law].name, status, "said so", witnesses=({"call": 7},))  # type: ignore[arg-type]
    return "demo", said


def test_the_list_is_the_guides_and_every_law_and_rule_of_it_exists() -> None:
    """Eight; a law by its id, a rule by the beginning of one that the audit has, where it names one whole."""
    assert [practice.number for practice in PRACTICES] == list(range(1, 9))
    assert {law for practice in PRACTICES for law in practice.laws} <= LAWS.keys()
    assert all(any(rule.id.startswith(p.rules) for rule in RULES) for p in PRACTICES if p.rules)


def test_one_failed_law_fails_its_practice_and_comes_first() -> None:
    held = _held(PRACTICES[2], [verdict("T2", "pass"), verdict("T1", "fail"), verdict("B1", "fail")], [], "")
    assert held.status == "fail"
    assert [each.of.split()[0] for each in held.evidence] == ["T1", "T2"]
    assert "[calls 7]" in words((held,))


def test_a_gate_finding_fails_and_a_warning_alone_proves_nothing() -> None:
    text = "kind: Deployment"
    gate, hint = Finding("K8S/memory-limit-below-workers", "a.yaml:1", "low", "raise", "gate"), "K8S/cpu-throttled"
    assert _held(PRACTICES[5], [], [gate], text).status == "fail"
    assert _held(PRACTICES[5], [], [Finding(hint, "a.yaml:1", "low", "raise", "warn")], text).status == "not_proven"
    assert _held(PRACTICES[5], [], [], text).status == "pass"
    assert _held(PRACTICES[5], [], [], "kind: ConfigMap").status == "not_proven"


def test_a_law_that_only_breaks_a_practice_proves_nothing_of_it() -> None:
    """A client without breaker or retries serialises nothing and doubles nothing."""
    without = [verdict("B8", "pass"), verdict("D2", "pass"), verdict("F2", "pass"), verdict("K1", "pass")]
    assert {_held(PRACTICES[at], without, [], "").status for at in (1, 2, 3, 6)} == {"not_proven"}
    told = words((_held(PRACTICES[1], [*without, verdict("B1", "not_applicable")], [], ""),))
    assert "B1 OpensOnThreshold: said so" in told
    assert _held(PRACTICES[1], [*without, verdict("B1", "pass")], [], "").status == "pass"


def test_what_was_not_proven_says_why() -> None:
    """What each law said of the client, or that none was given; what the manifests lack, or that none were read."""
    silent = [verdict("H1", "not_applicable"), verdict("H2", "not_applicable"), verdict("H3", "not_exercised")]
    told = words((_held(PRACTICES[0], silent, [], ""),))
    assert "H1 ReadinessExists, H2 LivenessIndependent, H3 HealthTruth: said so" in told
    assert "no manifests were read" in told
    told = words((_held(PRACTICES[0], [], [], "kind: ConfigMap"),))
    assert "no client was judged by H1, H2, H3" in told and "hold none of kind: Deployment" in told


def test_each_break_and_each_warning_comes_with_its_cure() -> None:
    """A warning says that it is one."""
    hint = Finding("H3/readiness-blind", "a.yaml:1", "blind", "ask the stores", "warn")
    told = words((_held(PRACTICES[0], [], [hint], "kind: Deployment"),))
    assert "    warning: H3/readiness-blind (a.yaml:1): blind\n      cure: ask the stores\n" in told


def test_the_exit_code_follows_the_worst() -> None:
    def held(status: str) -> Held:
        return Held(1, "x", status, ())

    assert exit_code([held("pass"), held("fail")]) == EXIT_FAILED
    assert exit_code([held("pass"), held("not_proven")]) == EXIT_OK
    assert exit_code([held("not_proven")]) == EXIT_UNPROVEN


def test_the_guides_manifests_break_health_checks_and_limits_and_the_corrected_ones_keep_them() -> None:
    """Read, not run."""
    guide = {each.name: each.status for each in practices("", [DEPLOY / "kubernetes" / "guide"], Options())}
    fixed = {each.name: each.status for each in practices("", [DEPLOY / "kubernetes" / "fixed"], Options())}
    assert guide["Health checks"] == guide["Resource limits"] == "fail"
    assert fixed["Health checks"] == fixed["Resource limits"] == "pass"
