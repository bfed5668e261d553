"""What counts as a failure, as a rejection and as behind the breaker, told by the laws that judge it."""

from __future__ import annotations

import pytest
from breaker_timeline import FIVE, OPENED, PER_CALL, Event, on, row, timeline
from law_cases import calls_of, promise, said

from harness.evidence.history import History
from harness.laws.breaker_state import infer_breaker
from harness.model import Verdict
from harness.policy import Breaker, Policy, Promise

HIDDEN: list[Event] = row("fallback", 5)
"""Five failures behind a fallback."""


def states(*events: Event, policy: Policy = FIVE.policy) -> list[str]:
    """The inferred states."""
    return [found["state"] for found in infer_breaker(History.literal(**timeline(*events)), policy).rows()]


class TestFailures:
    """What fills the count."""

    @pytest.mark.parametrize("error", ["connect_error", "connect_timeout", "read_timeout", "reset", "protocol_error"])
    def test_every_error_of_the_connection_counts(self, error: str) -> None:
        """Six in a row, the sixth let through."""
        assert calls_of(on("B1", *row(error, 6))) == [6]

    def test_a_full_pool_does_not(self) -> None:
        """It is the client's own."""
        assert on("B1", *row("pool_timeout", 6)).status == "not_exercised"

    def test_what_is_declared_for_one_operation_counts_there_alone(self) -> None:
        """Observes count refusals only; predictions, without a breaker, are nobody's matter."""
        own = promise({"calls": {"observe": {"breaker": {"fail_max": 5, "counts": ["connect_error"]}}}})
        predicted: list[Event] = [(at, how, "predict") for at, how in row("503", 6, 250)]
        assert on("B3", *row("503", 6), *predicted, promised=own).status == "not_exercised"
        assert on("B1", *row("connect_error", 6), *predicted, promised=own).status == "fail"

    @pytest.mark.parametrize("error", ["connect_timeout", "read_timeout", "reset", "protocol_error"])
    def test_calls_tell_it_where_attempts_are_not_seen(self, error: str) -> None:
        """The same errors; other operations' successes after them change nothing."""
        others: list[Event] = [(1300, "ok", "predict"), (1350, "ok", "learn")]
        assert calls_of(on("B1", *row(error, 6), *others, seen=False)) == [6]

    @pytest.mark.parametrize("how", ["ok", "hidden", "mended", "pool_timeout"])
    def test_a_call_that_ended_well_or_by_itself_is_no_failure(self, how: str) -> None:
        """Whatever error it met on the way."""
        assert on("B2", *row(how, 6), seen=False).status == "not_exercised"

    def test_a_declaration_holds_where_attempts_are_not_seen(self) -> None:
        """Refusals only, of observes only: neither time-outs nor answers of 503 fill that count."""
        own = promise({"calls": {"observe": {"breaker": {"fail_max": 5, "counts": ["connect_error"]}}}})
        for how in ("503", "read_timeout", "connect_timeout"):
            assert on("B2", *row(how, 6), seen=False, promised=own).status == "not_exercised", how
        assert on("B2", *row("connect_error", 6), seen=False, promised=own).status != "not_exercised"

    def test_an_answer_that_could_not_be_read_is_neither(self) -> None:
        """It is no counted failure, it closes nothing, and a generous count takes it for a failure."""
        assert on("B1", *row("decode", 6)).status == "not_exercised"
        assert states(*OPENED, (4300, "decode"), (7100, "ok"))[2:4] == ["half_open", "open"]
        assert on("B2", *row("connect_error", 4), (1000, "decode"), (1200, "rejected")).status != "fail"

    def test_a_cancelled_attempt_is_what_its_call_says(self) -> None:
        """A time-out, where time-outs count; a call that says so of an attempt that was served is left alone."""
        own = promise({"calls": {"observe": {"breaker": {"fail_max": 5, "counts": ["connect_error"]}}}})
        tables = timeline(*row("read_timeout", 6))
        cancelled = tables | {"attempts": tables["attempts"].replace("read_timeout", "cancelled")}
        served = tables | {"attempts": tables["attempts"].replace("read_timeout 0", "- 200")}
        assert said("B1", FIVE, **cancelled).status == "fail"
        assert said("B1", own, **cancelled).status == "not_exercised"
        assert said("B1", FIVE, **served).status == "not_exercised"

    def test_the_last_attempt_tells(self) -> None:
        """Six calls whose first attempt was reset and whose second was served: nothing failed."""
        calls = [f"{n} observe {200 * n} {200 * n + 50} ok -" for n in range(1, 7)]
        first = [f"{n} 1 {200 * n} {200 * n + 10} reset 0" for n in range(1, 7)]
        second = [f"{n} 2 {200 * n + 30} {200 * n + 40} - 200" for n in range(1, 7)]
        tables = {
            "calls": "\n".join(["call op start_ms end_ms outcome error", *calls]),
            "attempts": "\n".join(["call attempt start_ms end_ms result status", *first, *second]),
        }
        assert said("B2", FIVE, **tables).status == "not_exercised"

    @pytest.mark.parametrize(
        ("result", "status"), [("-", 200), ("-", 299), ("-", 300), ("-", 199), ("-", 503), ("reset", 200)]
    )
    def test_work_in_the_background_that_was_served_sets_the_count_back(self, result: str, status: int) -> None:
        """A probe between the third failure and the fourth; served is a whole answer of 2xx."""
        tables = timeline(*row("connect_error", 6))
        tables["attempts"] += f"\n0 1 700 750 {result} {status} 0"
        served = result == "-" and status in (200, 299)
        assert said("B1", FIVE, **tables).status == ("not_exercised" if served else "fail")

    @pytest.mark.parametrize(("at", "excused"), [(700, True), (800, True), (801, False)])
    def test_work_in_the_background_may_have_opened_it(self, at: int, excused: bool) -> None:
        """Two failures and a rejection at 0.8 s: what a replay did up to then nobody saw."""
        tables = timeline((200, "ok"), *row("connect_error", 2, 400), (800, "rejected"))
        tables["attempts"] += f"\n0 1 {at} {at + 5} connect_error 0 0"
        assert said("B2", FIVE, **tables).status == ("pass" if excused else "fail")

    @pytest.mark.parametrize(("at", "excused"), [(1400, True), (1250, False)])
    def test_so_may_work_from_a_reset_time_out_before_it_closed(self, at: int, excused: bool) -> None:
        """It closed at 4.31 s, and two failures opened it at 5 s: what was tried before 1.31 s is long over."""
        tables = timeline(*OPENED, (4300, "ok"), *row("reset", 2, 4500), (5000, "rejected"))
        tables["attempts"] += f"\n0 1 {at} {at + 5} connect_error 0 0"
        assert said("B2", FIVE, **tables).status == ("pass" if excused else "fail")


class TestRejections:
    """What a breaker turned away."""

    @pytest.mark.parametrize("how", ["rejected", "turned_away", "open_error"])
    def test_the_outcome_or_the_error_says_so(self, how: str) -> None:
        """Either is enough."""
        assert on("B1", *row("connect_error", 5), (1200, how)).status == "pass"

    def test_a_substitute_without_a_try_says_so_after_a_failure(self) -> None:
        """Also the very first failure, and one that ended at that moment; not where nothing had failed."""
        one = promise({"breaker": {"fail_max": 1, "reset_timeout": 3.0}})
        assert on("B1", (200, "fallback"), (210, "substitute"), promised=one).status == "pass"
        assert on("B1", *HIDDEN, (1200, "substitute")).status == "pass"
        assert states((200, "ok"), (400, "substitute"), (600, "ok")) == []

    def test_a_fallback_after_a_try_is_none(self) -> None:
        """The sixth failure was let through, whatever the caller got."""
        assert calls_of(on("B1", *HIDDEN, (1200, "fallback"))) == [6]

    def test_without_attempts_a_substitute_says_nothing(self) -> None:
        """It may have been tried."""
        assert on("B1", *row("connect_error", 5), (1200, "substitute"), seen=False).status != "pass"

    def test_without_a_promise_only_the_breakers_own_error_says_that_there_is_one(self) -> None:
        """A client without any breaker may have a substitute at hand."""
        events = [*HIDDEN, (1200, "substitute")]
        assert states(*events, policy=Policy()) == []
        assert states(*events, (1400, "rejected"), policy=Policy())[:2] == ["closed", "open"]
        assert states(*events, policy=Policy(calls={"observe": Policy(breaker=Breaker(5, 3.0))})) != []

    @pytest.mark.parametrize(("successes", "known"), [(49, True), (50, False)])
    def test_the_failure_is_among_the_last_fifty_tries(self, successes: int, known: bool) -> None:
        """What failed longer ago explains nothing."""
        events: list[Event] = [(200, "fallback"), *row("ok", successes, 400), (20_000, "substitute")]
        assert bool(states(*events)) == known

    def test_substitutes_are_no_tries(self) -> None:
        """Sixty of them after five failures are all rejections, and the breaker was open to the end."""
        assert states(*HIDDEN, *row("substitute", 60, 1200), (14_000, "ok"))[:2] == ["closed", "open"]
        assert on("B4", *HIDDEN, *row("substitute", 60, 1200)).measured == "p99 0.00 ms of 60 rejections"

    def test_each_worker_has_failures_of_its_own(self) -> None:
        """The first process has no substitute, the second's follow its own failures; the third's follow none."""
        events: list[Event] = [(at, how, "observe", 1) for at, how in HIDDEN]
        events += [(300, "ok", "observe", 0), (1200, "substitute", "observe", 1), (1300, "substitute", "observe", 2)]
        found = infer_breaker(History.literal(**timeline(*events)), FIVE.policy)
        assert {spell["worker"] for spell in found.rows()} == {1}


class TestBulkheads:
    """Substitutes that a full bulkhead hands out are no rejections."""

    FAILED: Event = (100, "fallback")

    def test_while_its_place_is_taken(self) -> None:
        """From the moment on at which the attempt began."""
        assert states(self.FAILED, (200, "ok", "observe", 0, 900), (200, "substitute"), (300, "substitute")) == []

    def test_an_attempt_that_has_just_ended_takes_no_place(self) -> None:
        """The substitute came at that moment."""
        assert states(self.FAILED, (200, "ok", "observe", 0, 100), (300, "substitute")) != []

    def test_one_that_came_with_nothing_under_way_speaks_for_its_row(self) -> None:
        """Two came during the slow attempt, one after it: a breaker turned all three away."""
        slow: Event = (200, "ok", "observe", 0, 300)
        found = on("B4", self.FAILED, slow, (300, "substitute"), (400, "substitute"), (600, "substitute"))
        assert found.measured.endswith("of 3 rejections")

    def test_a_try_between_ends_the_row(self) -> None:
        """The two before it were shed, the one after it was rejected."""
        slow: Event = (200, "ok", "observe", 0, 300)
        shed: list[Event] = [(300, "substitute"), (400, "substitute")]
        assert on("B4", self.FAILED, slow, *shed, (600, "ok"), (800, "substitute")).measured.endswith("of 1 rejection")

    def test_what_never_came_to_the_breaker_ends_no_row(self) -> None:
        """A mistake of the client's between the two."""
        slow: Event = (200, "ok", "observe", 0, 300)
        found = on("B4", self.FAILED, slow, (300, "substitute"), (400, "bug"), (600, "substitute"))
        assert found.measured.endswith("of 2 rejections")

    def test_a_place_is_its_own_workers(self) -> None:
        """Another process's slow attempt explains nothing."""
        slow: Event = (200, "ok", "observe", 1, 900)
        assert states(self.FAILED, slow, (300, "substitute")) != []


class TestOperations:
    """Which operations are behind the breaker."""

    def test_before_any_rejection_those_that_the_policy_promises(self) -> None:
        """Not the opening of sessions, nor an operation without a promise."""
        for op in ("open_session", "other"):
            assert on("B1", *((at, how, op) for at, how in row("connect_error", 6))).status == "not_exercised"
        predicted: list[Event] = [(at, how, "predict") for at, how in row("connect_error", 6)]
        assert on("B1", *predicted, promised=PER_CALL).status == "not_exercised"
        assert on("B1", *predicted).status == "fail"

    def test_after_one_those_that_were_rejected(self) -> None:
        """Predictions that fail and go on are not behind the breaker that turned observes away."""
        predicted: list[Event] = [(at, how, "predict") for at, how in row("connect_error", 6, 250)]
        assert on("B1", *OPENED, *predicted).status == "pass"

    @pytest.mark.parametrize(("how", "seen"), [("bug", True), ("overflow", False), ("cancelled", False)])
    def test_a_call_that_never_came_to_the_breaker_sets_nothing_back(self, how: str, seen: bool) -> None:
        """Four failures, one that the client dropped by itself, two more: the last was let through."""
        events: list[Event] = [*row("connect_error", 4), (1000, how), *row("connect_error", 2, 1200)]
        assert calls_of(on("B1", *events, seen=seen)) == [7]


class TestUnknownNames:
    """A breaker's own error may be called anything."""

    def said(self, detail: str, promised: Promise = FIVE, more: str = "") -> Verdict:
        """B1 on five failures, two errors of this class without a try, and one call that is tried soon after."""
        tables = timeline(*row("connect_error", 5), (1200, "bug"), (1400, "bug"), (1500, "ok"))
        head, *rows = tables["calls"].split("\n")
        rows = [f"{text} {detail if 'client_bug' in text else '-'}" for text in rows]
        return said("B1", promised, **tables | {"calls": "\n".join([f"{head} detail", *rows, more])})

    def test_an_error_of_the_clients_own_without_a_try_is_a_rejection(self) -> None:
        """It was open since 1.01 s, and let a call through at 1.5 s: early, and not left closed."""
        found = self.said("Unavailable")
        assert (found.status, calls_of(found), found.measured) == ("fail", [8], "0.49 s")

    @pytest.mark.parametrize("detail", ["TypeError", "Unavailable<ValueError", "-"])
    def test_a_bug_is_none(self, detail: str) -> None:
        """Nor is what wraps one: that breaker never rejected anybody."""
        assert self.said(detail).measured == "5 in a row"

    def test_an_error_of_the_clients_own_that_follows_no_failure_is_none(self) -> None:
        """Nothing was wrong: whatever turned it away was no breaker."""
        tables = timeline((100, "ok"), (1200, "bug"), (1500, "ok"))
        head, *rows = tables["calls"].split("\n")
        named = [f"{text} {'Unavailable' if 'client_bug' in text else '-'}" for text in rows]
        assert said("B2", FIVE, **tables | {"calls": "\n".join([f"{head} detail", *named])}).status == "not_exercised"

    def test_it_takes_a_promise_and_attempts_that_are_seen(self) -> None:
        """Without a breaker there is none to turn anybody away; without attempts nobody knows what was sent."""
        assert self.said("Unavailable", promise()).status == "not_applicable"
        tables = timeline(*row("connect_error", 5), (1200, "bug"), (1400, "bug"), (1500, "ok"), seen=False)
        head, *rows = tables["calls"].split("\n")
        named = [f"{text} {'Unavailable' if 'client_bug' in text else '-'}" for text in rows]
        unseen = said("B1", FIVE, calls="\n".join([f"{head} detail", *named]))
        assert unseen.measured == "5 in a row"

    def test_where_rejections_say_what_they_are_other_errors_are_none(self) -> None:
        """The last call was turned away by name."""
        assert self.said("Unavailable", more="9 observe 1600 1600 rejected breaker_open 0 -").measured == "5 in a row"
