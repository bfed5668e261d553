"""Health and front laws at their edges: which probes and answers count, and what the verdict says of them."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share, whole
from test_law_fronts import CALLS, FAULTS, FRONT, NOTHING
from test_law_health import FACTS, HEAD

STORE = 'name kind applied_ms cleared_ms params\nloss store 10000 20000 {"store":"redis","mode":"refused"}'

SERVICE = {"probes": {**FACTS["probes"], "of": "front"}}


def probed(law: str, calm: str, lost: str, *, faults: str = STORE, facts: Any = FACTS, said_: str = "-") -> Any:
    """What a law says of a probe a second: letters for those before 10 s, and from 10 s on; o is 200, e 503, n 404, r
    refused."""
    told = {"o": "200 -", "e": "503 -", "n": "404 -", "r": "0 connect_error", "m": "399 -", "c": "400 -",
            "l": "199 -", "s": "499 -", "t": "500 -"}  # fmt: skip
    rows = [HEAD]
    for begin, hows in ((0, calm), (10_000, lost)):
        for n, how in enumerate(hows):
            at = begin + 1000 * n + 500
            rows += [f"{probe} /x {at} {at + 5} {told[how]} {said_}" for probe in ("readiness", "liveness")]
    return said(law, promise(), facts, probes="\n".join(rows), faults=faults)


class TestH1:
    """Readiness follows KATO and its stores."""

    @pytest.mark.parametrize(("calm", "lost", "status"), [
        ("oooooo", "ooeee", "pass"), ("eeoooo", "ooeee", "pass"), ("eeeooo", "ooeee", "pass"),
        ("oeeeoo", "ooeee", "fail"), ("eeeeee", "ooeee", "fail"),
        ("eoeoeo", "ooeee", "pass"), ("mmmmmm", "ooeee", "pass"), ("llllll", "ooeee", "fail"),
        ("cccccc", "ooeee", "fail"),
        ("oooooo", "ooooe", "pass"), ("oooooo", "ooooo", "fail"), ("oooooo", "oo", "not_exercised"),
        ("oooooo", "ooee", "not_exercised"), ("", "ooeee", "not_exercised"), ("oooooo", "eeooe", "pass"),
    ])  # fmt: skip
    def test_three_in_a_row_decide(self, calm: str, lost: str, status: str) -> None:
        """In peace, or two periods after the loss of a store."""
        assert probed("H1", calm, lost).status == status

    def test_says_what_was_answered(self) -> None:
        """A status, or an error where there was none."""
        missing, refused = probed("H1", "oonnn", "eeeee"), probed("H1", "rrr", "eeeee")
        assert (missing.reason, missing.measured, missing.bound) == (
            "/ready answers 404 while KATO is well",
            "404",
            "2xx",
        )
        assert (refused.reason, refused.measured) == (
            "/ready answers connect_error while KATO is well",
            "connect_error",
        )
        blind = probed("H1", "ooo", "ooooo")
        assert (blind.measured, blind.bound) == ("2xx", "not 2xx within 2 periods")
        assert blind.reason == "/ready went on answering 2xx in loss"
        assert probed("H1", "ooo", "ooeee").reason == "ready in peace, not ready without what it needs: 8 probes"

    @pytest.mark.parametrize(("params", "status"), [
        ('{"store":"redis","mode":"hung"}', "fail"), ('{"store":"clickhouse","mode":"error"}', "fail"),
        ('{"store":"qdrant","mode":"refused"}', "not_exercised"), ('{"store":"redis","mode":"slow"}', "not_exercised"),
    ])  # fmt: skip
    def test_only_the_loss_of_a_hard_dependency_counts(self, params: str, status: str) -> None:
        """Without Qdrant KATO answers all the same."""
        faults = STORE.replace('{"store":"redis","mode":"refused"}', params)
        assert probed("H1", "ooo", "ooooo", faults=faults).status == status
        other = faults.replace(" store ", " latency ")
        assert probed("H1", "ooo", "ooooo", faults=other).status == "not_exercised"

    def test_the_second_after_a_fault_is_not_peace(self) -> None:
        """Nor is any other fault's time: what failed just before it began or a second after its end counts."""
        for cleared, status in ((1500, "pass"), (1499, "fail")):
            faults = f"{STORE}\nother latency 600 {cleared} {{}}"
            assert probed("H1", "oeeeeo", "ooeee", faults=faults).status == status

    def test_says_what_would_exercise_its_second_half(self) -> None:
        """KATO lacks a store, a service lacks KATO."""
        assert probed("H1", "ooo", "oo").reason == (
            "KATO was ready; no dependency was lost for long: fault kind store, mode refused"
        )
        assert probed("H1", "ooo", "oo", facts=SERVICE).reason == (
            "front was ready; no dependency was lost for long: fault kind refuse or timeout"
        )

    @pytest.mark.parametrize(("kind", "lost"), [
        *((kind, True) for kind in ("refuse", "kill", "timeout", "pause", "reset_peer")), ("latency", False),
    ])  # fmt: skip
    def test_to_a_service_kato_is_a_dependency(self, kind: str, lost: bool) -> None:
        """Where it is away, and nobody was served meanwhile; to KATO itself it is none."""
        away = STORE.replace(" store ", f" {kind} ")
        assert probed("H1", "ooo", "ooooo", faults=away, facts=SERVICE).status == ("fail" if lost else "not_exercised")
        assert probed("H1", "ooo", "ooooo", faults=away).status == "not_exercised"

    @pytest.mark.parametrize(("start", "end", "outcome", "status"), [
        (10_000, 19_749, "ok", "not_exercised"), (10_000, 19_749, "degraded", "not_exercised"),
        (10_000, 19_749, "error", "fail"), (9_999, 19_749, "ok", "fail"), (10_000, 19_750, "ok", "fail"),
    ])  # fmt: skip
    def test_whoever_was_served_without_it_shows_that_it_is_no_hard_one(
        self, start: int, end: int, outcome: str, status: str
    ) -> None:
        """Wholly within the fault, but for a moment at its end."""
        rows = [HEAD, *(f"readiness /x {at + 500} {at + 505} 200 - -" for at in range(0, 20_000, 1000))]
        calls = f"call op start_ms end_ms outcome\n1 observe {start} {end} {outcome}"
        away = STORE.replace(" store ", " refuse ")
        found = said("H1", promise(), SERVICE, probes="\n".join(rows), faults=away, calls=calls)
        assert found.status == status

    def test_two_periods_are_those_of_the_probe(self) -> None:
        """Four seconds of a probe every two: one answer is left."""
        slow = {"probes": {**FACTS["probes"], "period_s": 2.0}}
        assert probed("H1", "ooo", "ooooo", facts=slow).status == "not_exercised"
        assert probed("H1", "ooo", "ooooooo", facts=slow).status == "fail"

    def test_needs_a_path(self) -> None:
        """Liveness alone is none of it, and the other way round."""
        only = {"probes": {"liveness": "/health", "period_s": 1.0, "failures": 3}}
        assert [probed(law, "o", "o", facts=only).status for law in ("H1", "H3")] == ["not_applicable"] * 2
        ready = {"probes": {"readiness": "/ready", "period_s": 1.0, "failures": 3}}
        assert probed("H2", "o", "o", facts=ready).status == "not_applicable"


class TestH2:
    """Nobody is restarted for a store."""

    @pytest.mark.parametrize(("kind", "stalls"), [
        *((kind, True) for kind in ("store", "latency", "delay", "refuse", "kill", "timeout", "pause", "reset_peer")),
        ("status", False),
    ])  # fmt: skip
    def test_to_a_service_kato_may_stall_as_well(self, kind: str, stalls: bool) -> None:
        """By whatever makes it slow, or takes it away."""
        faults = STORE.replace(" store ", f" {kind} ")
        found = probed("H2", "ooo", "eee", faults=faults, facts=SERVICE)
        assert found.status == ("fail" if stalls else "not_exercised")

    def test_counts_restarts_in_the_worst_fault(self) -> None:
        """Three failures in a row are one, six are two; two of them none."""
        worst = probed("H2", "ooo", "eeeeee")
        assert (worst.status, worst.measured, worst.bound) == ("fail", "2 restarts", "0")
        assert worst.reason == "/health failed often enough in loss for 2 restarts of every pod"
        assert probed("H2", "ooo", "oeeeoeeo").measured == "1 restarts"
        fine = probed("H2", "eee", "eeoeeo")
        assert (fine.status, fine.measured) == ("pass", "0 restarts")
        assert fine.reason == "6 probes during such faults: nobody was restarted"
        assert probed("H2", "ooo", "oo").status == "not_exercised"
        assert probed("H2", "ooo", "eee", faults=STORE.replace(" store ", " latency ")).status == "not_exercised"

    def test_of_two_faults_the_worse_is_named(self) -> None:
        """The second; and one that was too short says nothing."""
        faults = STORE.replace("20000", "13000") + '\nmore store 13000 30000 {"store":"redis","mode":"hung"}'
        assert "in more for 2 restarts" in probed("H2", "ooo", "eeeeeeeee", faults=faults).reason
        assert "in loss for 1 restart " in probed("H2", "ooo", "eeeoooo", faults=faults).reason


class TestH3:
    """The status says what the body says."""

    @pytest.mark.parametrize("word", [
        "unhealthy", "down", "dead", "fail", "failed", "failing", "failure", "error", "critical", "unavailable",
        "out_of_service", "Not-Ready", "unready", "UNHEALTHY", "ready:false",
    ])  # fmt: skip
    def test_many_words_say_so(self, word: str) -> None:
        """Whoever answers them with 200 is named with his own."""
        assert probed("H3", "o", "", said_=word).reason == f"1 answer said {word} with a status below 500"

    def test_names_what_lied_alone(self) -> None:
        """Not who was well, nor who said it with a 500."""
        rows = [HEAD, *(f"readiness /x {at} {at + 5} {how}" for at, how in
                        ((500, "200 - fine"), (600, "500 - dead"), (700, "200 - down")))]  # fmt: skip
        found = said("H3", promise(), FACTS, probes="\n".join(rows))
        assert (found.reason, found.measured) == ("1 answer said down with a status below 500", "1")

    @pytest.mark.parametrize(("how", "status"), [
        ("o", "fail"), ("c", "fail"), ("s", "fail"), ("t", "pass"), ("e", "pass"),
    ])  # fmt: skip
    def test_unhealthy_is_5xx(self, how: str, status: str) -> None:
        """Of two answers both."""
        found = probed("H3", how * 2, "", said_="unhealthy")
        assert (found.status, found.measured) == (status, "2" if status == "fail" else "")
        assert found.reason.startswith("2 answers")
        assert probed("H3", "oo", "", said_="degraded").status == "not_exercised"


def front(*rows: str, faults: str = "") -> dict[str, str]:
    """Answers from (start, end, outcome, status, detail)."""
    calls = []
    for n, row in enumerate(rows, 1):
        start, end, outcome, status, detail = row.split()
        calls.append(f"{n} observe u {start} {end} {outcome} - {status} {detail}")
    return {
        "calls": "\n".join([CALLS, *calls]),
        "faults": f"{FAULTS}\n{faults}" if faults else f"{FAULTS}\nf pause 1 2 {{}}",
    }


class TestV1:
    """The status tells the cause."""

    @pytest.mark.parametrize(("kind", "right", "wrong"), [
        ("refuse", (503,), (502, 504)), ("kill", (502, 503), (504,)), ("timeout", (504,), (502,)),
        ("latency", (504,), (502,)), ("pause", (504,), (502,)), ("delay", (504,), (502,)), ("status", (502,), (504,)),
        ("reset_peer", (502, 503), (504,)), ("commit_then_drop", (502,), (504,)),
        ("drop_before_commit", (502,), (504,)), ("truncate", (502,), (504,)), ("malformed", (502,), (504,)),
    ])  # fmt: skip
    def test_each_cause_has_its_own(self, kind: str, right: tuple[int, ...], wrong: tuple[int, ...]) -> None:
        """In the middle of one fault, after peace; and 503 at once only where it is the cause's own."""
        fault = f"f {kind} 1000 6000 {{}}"
        for status in (*right, *wrong):
            found = said("V1", NOTHING, FRONT, **front("500 600 ok 200 -", f"2000 2010 error {status} -", faults=fault))
            assert found.status == ("pass" if status in right else "fail"), status
        slow = kind in ("timeout", "latency", "pause", "delay")
        quick = said("V1", NOTHING, FRONT, **front("500 600 ok 200 -", "2000 2250 error 503 -", faults=fault)).status
        late = said("V1", NOTHING, FRONT, **front("500 600 ok 200 -", "2000 2251 error 503 -", faults=fault)).status
        assert quick == ("pass" if slow or 503 in right else "fail")
        assert late == ("pass" if 503 in right else "fail")

    def test_names_the_answers_and_what_they_said(self) -> None:
        """Two of three."""
        rows = ("500 600 ok 200 -", "2000 2010 error 504 -", "2100 2110 error 404 -", "2200 2210 error 503 -")
        tables = front(*rows, faults="f refuse 1000 6000 {}")
        assert whole("V1", NOTHING, FRONT, **tables) == ("fail", [2, 3], "", "", 2 / 3)
        found = said("V1", NOTHING, FRONT, **tables)
        assert found.reason == "2 answers had a status that means something else: 404, 504"
        assert [witness["status"] for witness in found.witnesses] == [504, 404]
        fine = said("V1", NOTHING, FRONT, **front(*rows[:1], rows[3], faults="f refuse 1000 6000 {}"))
        assert fine.reason.startswith("1 failure had the status of their cause")

    def test_what_fails_between_two_faults_is_neithers(self) -> None:
        """Whatever it says."""
        faults = "f refuse 1000 6000 {}\ng pause 21000 26000 {}"
        tables = front("500 600 ok 200 -", "12000 12010 error 504 -", faults=faults)
        assert said("V1", NOTHING, FRONT, **tables).status == "not_exercised"

    def test_failures_under_every_fault_are_counted(self) -> None:
        """One under each of two, rightly told."""
        faults = "f refuse 1000 6000 {}\ng pause 11000 16000 {}"
        tables = front("500 600 ok 200 -", "2000 2010 error 503 -", "12000 12010 error 504 -", faults=faults)
        assert said("V1", NOTHING, FRONT, **tables).reason.startswith("2 failures had the status of their cause")

    def test_words_of_the_inside_and_500_need_no_fault(self) -> None:
        """One of two, each."""
        leak = front("2000 2010 error 503 LeakedInternalsError", "2100 2110 ok 200 -")
        assert whole("V1", NOTHING, FRONT, **leak) == ("fail", [1], "", "", 0.5)
        found = said("V1", NOTHING, FRONT, **leak)
        assert (found.reason, found.witnesses[0]["status"]) == ("1 answer told of the service's inside", 503)
        plain = front("2000 2010 error 500 -", "2100 2110 ok 200 -")
        assert whole("V1", NOTHING, FRONT, **plain) == ("fail", [1], "", "", 0.5)
        assert said("V1", NOTHING, FRONT, **plain).reason == "1 answer were 500, which says nothing"

    @pytest.mark.parametrize(("start", "end", "status"), [
        (1250, 1300, "fail"), (1249, 1300, "not_exercised"), (5000, 5750, "fail"), (5000, 5751, "not_exercised"),
    ])  # fmt: skip
    def test_only_what_lies_within_a_fault_meets_it_alone(self, start: int, end: int, status: str) -> None:
        """From ε after its start to ε before its end."""
        tables = front("500 600 ok 200 -", f"{start} {end} error 504 -", faults="f refuse 1000 6000 {}")
        assert said("V1", NOTHING, FRONT, **tables).status == status

    @pytest.mark.parametrize(("begin", "cleared", "status"), [
        (2010, 3000, "not_exercised"), (2011, 3000, "fail"), (100, 1750, "not_exercised"), (100, 1749, "fail"),
    ])  # fmt: skip
    def test_another_fault_may_be_the_cause_until_a_moment_after_it(
        self, begin: int, cleared: int, status: str
    ) -> None:
        """It began when the request ended, or was over ε before that began."""
        faults = f"f refuse 1000 6000 {{}}\ng latency {begin} {cleared} {{}}"
        tables = front("50 60 ok 200 -", "2000 2010 error 504 -", faults=faults)
        assert said("V1", NOTHING, FRONT, **tables).status == status

    @pytest.mark.parametrize(("status", "verdict"), [
        (404, "fail"), (400, "fail"), (399, "not_exercised"), (408, "not_exercised"), (425, "not_exercised"),
        (429, "not_exercised"),
    ])  # fmt: skip
    def test_the_caller_is_not_to_blame(self, status: int, verdict: str) -> None:
        """By any 4xx that blames."""
        tables = front("500 600 ok 200 -", f"2000 2010 error {status} -", faults="f refuse 1000 6000 {}")
        assert said("V1", NOTHING, FRONT, **tables).status == verdict

    @pytest.mark.parametrize(
        ("params", "status"), [('{"status":429}', "pass"), ('{"status":503}', "pass"), ('{"status":500}', "fail")]
    )
    def test_a_refusal_of_katos_own_may_be_passed_on(self, params: str, status: str) -> None:
        """As 503."""
        tables = front("500 600 ok 200 -", "2000 2010 error 503 -", faults=f"f status 1000 6000 {params}")
        assert said("V1", NOTHING, FRONT, **tables).status == status

    def test_the_last_answer_before_the_fault_tells_whether_it_was_well(self) -> None:
        """By its end; a breaker that was open already may say 503."""
        rows = ("100 900 error 502 -", "200 800 ok 200 -", "2000 2010 error 503 -")
        assert said("V1", NOTHING, FRONT, **front(*rows, faults="f status 1000 6000 {}")).status == "pass"
        well = ("100 700 error 502 -", *rows[1:])
        assert said("V1", NOTHING, FRONT, **front(*well, faults="f status 1000 6000 {}")).status == "fail"
        assert said("V1", NOTHING, FRONT, **front(rows[2], faults="f status 1000 6000 {}")).status == "pass"
        assert said("V1", NOTHING, {"subject": {"exits": []}}, **front(*well)).status == "not_applicable"


class TestV2:
    """Nobody is worked for who has gone."""

    def tables(self, *arrivals: tuple[int, str], more: str = "") -> dict[str, str]:
        """Callers u and v who went away at 1,000 ms; u came again at 5,000."""
        rows = [
            "1 observe u 0 1000 timeout - 0 -",
            "2 observe v 0 1000 timeout - 0 -",
            "3 observe u 5000 5100 ok - 200 -",
        ]
        seen = "\n".join(["call op node_id arrive_ms status", *(f"0 observe {user} {at} 200" for at, user in arrivals)])
        return {"calls": "\n".join([CALLS, *rows, *more.split("\n")[1:]]), "arrivals": seen}

    def test_names_whom_most_was_done_for_first(self) -> None:
        """Three requests for two callers, of two who had gone."""
        tables = self.tables((2000, "u"), (2000, "v"), (3000, "v"))
        assert whole("V2", NOTHING, FRONT, **tables) == ("fail", [2, 1], "", "", 1.0)
        found = said("V2", NOTHING, FRONT, **tables)
        assert found.reason == "3 requests were begun for 2 callers who had gone"
        assert [witness["begun_afterwards"] for witness in found.witnesses] == [2, 1]
        assert share("V2", NOTHING, FRONT, **self.tables((2000, "v"))) == 0.5

    @pytest.mark.parametrize(("at", "user", "status"), [
        (1250, "u", "pass"), (1251, "u", "fail"), (4999, "u", "fail"), (5000, "u", "pass"), (5099, "v", "fail"),
        (5100, "v", "pass"),
    ])  # fmt: skip
    def test_from_a_moment_after_until_the_next_call_or_the_end(self, at: int, user: str, status: str) -> None:
        """Of the same user; who comes no more, to the end of the run."""
        assert said("V2", NOTHING, FRONT, **self.tables((at, user))).status == status

    def test_needs_to_know_whose_a_request_is(self) -> None:
        """From some arrival; and a front."""
        assert said("V2", NOTHING, FRONT, **self.tables((2000, "-"))).status == "inconclusive"
        assert said("V2", NOTHING, {}, **self.tables((2000, "u"))).status == "not_applicable"
        fine = said("V2", NOTHING, FRONT, **self.tables((500, "u")))
        assert fine.reason == "nothing was begun for 2 callers who had gone away"


def test_a_verdict_names_its_calls() -> None:
    """By their ids."""
    tables = front("500 600 ok 200 -", "2000 2010 error 504 -", faults="f refuse 1000 6000 {}")
    assert calls_of(said("V1", NOTHING, FRONT, **tables)) == [2]
