"""Fallback laws on literal histories."""

from __future__ import annotations

from law_cases import calls_of, promise, said

FALLBACK = promise({"fallback": {"marked": True}})
NOTHING = promise()
ORACLE = {"oracle": "twin"}
FAULTS = "name kind applied_ms effective_ms cleared_ms\nout refuse 100 101 900"
HEALTHY = "{count:int,predictions:list,time:null}"


class TestF1:
    """A degraded answer looks like a healthy one and is marked."""

    def tables(self, shape: str, marked: int = 1, op: str = "predict") -> dict[str, str]:
        return {
            "calls": f"""
            call op start_ms end_ms outcome marked shape
            1 predict 10 20 ok 0 {HEALTHY}
            2 {op} 200 201 degraded {marked} {shape}
            """,
            "attempts": "call attempt start_ms end_ms status\n1 1 10 20 200",
            "faults": FAULTS,
        }

    def test_passes_where_keys_and_types_are_there(self) -> None:
        """Null fits, a number is a number, and a further key may mark it."""
        shape = "{count:float,degraded:bool,predictions:null,time:null}"
        assert said("F1", FALLBACK, **self.tables(shape)).status == "pass"

    def test_fails_by_one_key_missing(self) -> None:
        """No count."""
        found = said("F1", FALLBACK, **self.tables("{predictions:list,time:null}"))
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_fails_by_one_type_changed(self) -> None:
        """A text where a list was."""
        assert said("F1", FALLBACK, **self.tables("{count:int,predictions:str,time:null}")).status == "fail"

    def test_fails_by_one_answer_that_nothing_marks(self) -> None:
        """The caller can't tell."""
        assert said("F1", FALLBACK, **self.tables(HEALTHY, marked=0)).status == "fail"
        unmarked = promise({"fallback": {"marked": False}})
        assert said("F1", unmarked, **self.tables(HEALTHY, marked=0)).status == "pass"

    def test_a_flag_or_a_type_of_its_own_marks_an_answer(self) -> None:
        """Without `degraded()`: a flag, a word, an error, a class or a place in a tuple that no healthy answer has."""
        told = [
            ("{stale:false,x:list}", "{stale:true,x:list}"),
            ("{x:list}", "{stale:true,x:list}"),
            ("Live{x:list}", "Stale{x:list}"),
            ("(true,dict)", "(false,null)"),
            ("{source:str,x:list}", "{source:str=cache,x:list}"),
            ("{source:str=kato,x:list}", "{source:str=popular,x:list}"),
            ("{x:list}", "{status:str=degraded,x:list}"),
            ("{error:null,x:list}", "{error:str,x:list}"),
            ("{x:list}", "{ok:false,x:list}"),
        ]
        untold = [
            ("{source:str=cache,x:list}", "{source:str=cache,x:list}"),
            ("{source:str,x:list}", "{source:str,x:list}"),
            ("{error:str,x:list}", "{error:str,x:list}"),
            ("{stale:true,x:list}", "{stale:true,x:list}"),
            ("{x:list}", "{stale:false,x:list}"),
            ("Live{x:list}", "Live{x:list}"),
            ("(true,dict)", "(true,dict)"),
        ]
        for pairs, status in ((told, "pass"), (untold, "fail")):
            for healthy, shape in pairs:
                tables = self.tables(shape, marked=0)
                tables["calls"] = tables["calls"].replace(HEALTHY, healthy)
                assert said("F1", FALLBACK, **tables).status == status, shape

    def test_nothing_is_a_shape_where_the_client_says_so(self) -> None:
        """None, and `degraded(None)` is true: whoever calls it knows; without that nothing marks it."""
        assert said("F1", FALLBACK, **self.tables("null")).status == "pass"
        assert said("F1", FALLBACK, **self.tables("null", marked=0)).status == "fail"

    def test_is_inconclusive_where_the_operation_was_never_healthy(self) -> None:
        """No observe to compare with."""
        assert said("F1", FALLBACK, **self.tables(HEALTHY, op="observe")).status == "inconclusive"

    def test_is_not_exercised_without_a_degraded_answer(self) -> None:
        """Declared, never needed."""
        calls = f"call op start_ms end_ms outcome shape\n1 predict 10 20 ok {HEALTHY}"
        assert said("F1", FALLBACK, calls=calls).status == "not_exercised"

    def test_does_not_apply_to_a_client_without_a_fallback(self) -> None:
        """None declared, none seen."""
        assert (
            said("F1", NOTHING, calls="call op start_ms end_ms outcome\n1 predict 10 20 ok").status == "not_applicable"
        )

    def test_an_answer_from_a_cache_in_peace_is_no_fallback(self) -> None:
        """Nothing failed, nothing was sent."""
        tables = self.tables(HEALTHY, marked=0) | {"faults": "name kind applied_ms\nlater refuse 5000"}
        assert said("F1", FALLBACK, **tables).status == "not_exercised"

    def test_a_cache_gives_the_same_answers_under_a_fault(self) -> None:
        """As old as in peace; an older one is a substitute, and so is one of another session or operation."""
        attempts = "call attempt start_ms end_ms status\n1 1 10 20 200\n3 1 80 90 200"

        def judged(peace: int = 50, op: str = "predict", session: str = "s", at: int = 120) -> str:
            calls = f"""
            call op session start_ms end_ms outcome shape
            1 predict s 10 20 ok {HEALTHY}
            2 predict s {peace} {peace} degraded {HEALTHY}
            3 predict s 80 90 ok {HEALTHY}
            4 {op} {session} {at} 125 degraded {HEALTHY}
            """
            return said("F1", FALLBACK, calls=calls, attempts=attempts, faults=FAULTS).status

        assert judged() == judged(at=110) == "not_exercised"
        assert judged(at=121) == judged(peace=49) == judged(session="t") == judged(peace=9) == "fail"
        assert judged(op="learn") == "inconclusive"

    def test_a_cache_that_a_write_empties_may_be_of_any_age(self) -> None:
        """Five times in peace the same answer again, never asked for twice: so it is under a fault, until a write."""

        def judged(repeats: int = 5, between: str = "predict t", asked: int = 0) -> str:
            again = "\n".join(f"{n} predict s {20 + n} {20 + n} degraded {HEALTHY}" for n in range(2, 2 + repeats))
            calls = f"""
            call op session start_ms end_ms outcome shape
            1 predict s 10 20 ok {HEALTHY}
            {again}
            20 {between} 40 45 ok {HEALTHY}
            30 predict s 120 125 degraded {HEALTHY}
            """
            attempts = f"call attempt start_ms end_ms status\n1 1 10 20 200\n20 1 40 45 200\n{asked} 1 22 22 200"
            return said("F1", FALLBACK, calls=calls, attempts=attempts, faults=FAULTS).status

        assert judged() == "not_exercised"
        assert judged(repeats=4) == judged(between="observe s") == judged(asked=2) == "fail"

    def test_attempts_from_threads_of_the_client_are_not_missing(self) -> None:
        """KATO answered 200 to each call; the hooks saw attempts that belong to nobody."""
        tables = self.tables(HEALTHY, marked=0)
        tables["attempts"] = "call attempt start_ms end_ms status\n0 0 10 20 200\n0 0 200 201 200"
        tables["arrivals"] = "call op arrive_ms reply_ms status\n1 predict 11 19 200\n2 predict 200.2 200.8 200"
        assert said("F1", FALLBACK, **tables).status == "not_exercised"


class TestF2:
    """Nothing is reported as done that wasn't."""

    CALLS = "call op start_ms end_ms outcome marked shape\n1 observe 10 20 ok 0 dict\n2 observe 200 220 {} {} dict"
    ATTEMPTS = "call attempt start_ms end_ms status\n1 1 10 20 200\n2 1 200 220 503"
    ARRIVALS = (
        "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 12 18 200 1\n{} 1 observe 202 218 503 {}"
    )

    def found(self, outcome: str, marked: int = 0, commit: str = "-", call: int = 2) -> str:
        tables = {"calls": self.CALLS.format(outcome, marked), "attempts": self.ATTEMPTS, "faults": FAULTS}
        return said("F2", NOTHING, ORACLE, **tables, arrivals=self.ARRIVALS.format(call, commit)).status

    def test_passes_where_the_failure_was_told(self) -> None:
        """An error, or a marked substitute."""
        assert self.found("error") == "pass"
        assert self.found("degraded", marked=1) == "pass"

    def test_fails_by_one_report_without_a_commit(self) -> None:
        """503, and the caller was told that it is done."""
        assert self.found("ok") == "fail"
        assert self.found("degraded") == "fail"

    def test_nothing_and_no_are_no_reports_of_success(self) -> None:
        """None where a dictionary is usual, False where True is; None from a method that always gives it is one."""
        for healthy, shape, status in (("dict", "null", "pass"), ("true", "false", "pass"), ("null", "null", "fail")):
            rows = f"1 observe 10 20 ok 0 {healthy}\n2 observe 200 220 degraded 0 {shape}"
            calls = f"call op start_ms end_ms outcome marked shape\n{rows}"
            tables = {"calls": calls, "attempts": self.ATTEMPTS, "arrivals": self.ARRIVALS.format(2, "-")}
            assert said("F2", NOTHING, ORACLE, **tables, faults=FAULTS).status == status, (healthy, shape)

    def test_an_answer_that_was_replaced_after_the_commit_is_no_lie(self) -> None:
        """KATO had committed it."""
        assert self.found("ok", commit="2") == "pass"

    def test_is_inconclusive_where_a_commit_belongs_to_nobody(self) -> None:
        """It may be the one that is missing."""
        assert self.found("ok", commit="2", call=0) == "inconclusive"

    def test_is_inconclusive_without_an_oracle(self) -> None:
        """Nobody knows what was committed."""
        assert said("F2", NOTHING, calls=self.CALLS.format("ok", 0)).status == "inconclusive"

    def test_is_not_exercised_without_trouble(self) -> None:
        """Everything went well."""
        calls, attempts = self.CALLS.format("ok", 0), self.ATTEMPTS.replace("503", "200")
        arrivals = self.ARRIVALS.format(2, 2).replace("503", "200")
        found = said("F2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=arrivals)
        assert found.status == "not_exercised"


class TestF3:
    """4xx and the client's own errors stay errors."""

    CALLS = "call op start_ms end_ms outcome marked\n1 predict 200 210 {} {}"
    ATTEMPTS = "call attempt start_ms end_ms status\n1 1 200 210 {}"

    def found(self, outcome: str, status: int, faults: str = FAULTS) -> str:
        calls = self.CALLS.format(outcome, int(outcome == "degraded"))
        return said("F3", FALLBACK, calls=calls, attempts=self.ATTEMPTS.format(status), faults=faults).status

    def test_passes_where_a_422_came_through(self) -> None:
        """As an error."""
        assert self.found("error", 422) == "pass"

    def test_fails_by_one_422_that_was_masked(self) -> None:
        """A degraded answer instead."""
        assert self.found("degraded", 422) == "fail"

    def test_fails_by_one_error_of_the_client_that_was_masked(self) -> None:
        """KATO had answered 200 to a prediction; an observe may have been put aside while older ones went through."""
        assert self.found("degraded", 200) == "fail"
        calls = self.CALLS.format("degraded", 1).replace("predict", "observe")
        found = said("F3", FALLBACK, calls=calls, attempts=self.ATTEMPTS.format(200), faults=FAULTS)
        assert found.status == "not_exercised"

    def test_a_404_while_a_store_fails_and_a_429_are_katos_trouble(self) -> None:
        """Not the caller's."""
        assert self.found("degraded", 404, FAULTS.replace("refuse", "store")) == "not_exercised"
        assert self.found("degraded", 429) == "not_exercised"

    def test_is_not_exercised_by_5xx(self) -> None:
        """A degraded answer is what a fallback is for."""
        assert self.found("degraded", 503) == "not_exercised"

    def test_does_not_apply_without_a_fallback(self) -> None:
        """None declared, none seen."""
        tables = {"calls": self.CALLS.format("error", 0), "attempts": self.ATTEMPTS.format(422)}
        assert said("F3", NOTHING, **tables).status == "not_applicable"


class TestF4:
    """A write that was put aside comes back, or somebody is told."""

    CALLS = """
    call op start_ms end_ms outcome marked
    1 observe 200 201 {} 1
    2 observe {} 1010 ok 0
    """
    ATTEMPTS = "call attempt start_ms end_ms status\n2 1 {} 1010 200"
    ARRIVALS = """
    call attempt op arrive_ms reply_ms status commit_seq
    2 1 observe 1002 1005 200 1
    {} 0 observe 1100 1101 200 {}
    """

    def found(self, outcome: str = "degraded", call: int = 0, commit: str = "-", later_ms: int = 1000) -> str:
        tables = {"calls": self.CALLS.format(outcome, later_ms), "attempts": self.ATTEMPTS.format(later_ms)}
        return said("F4", FALLBACK, ORACLE, **tables, faults=FAULTS, arrivals=self.ARRIVALS.format(call, commit)).status

    def test_passes_where_it_was_replayed(self) -> None:
        """By a commit of its own call, or by one outside all calls."""
        assert self.found(call=1, commit="2") == "pass"
        assert self.found(call=0, commit="2") == "pass"

    def test_fails_by_one_that_was_never_heard_of_again(self) -> None:
        """KATO served others, and not this one."""
        assert self.found() == "fail"

    def test_fails_by_one_that_had_waited_when_the_fault_came(self) -> None:
        """Gathered in peace, under no fault and without an attempt, and told so; then forgotten."""
        calls = """
        call op start_ms end_ms outcome shape
        1 observe 10 11 degraded {queued:true}
        2 observe 1000 1010 ok {queued:false}
        """
        tables = {"calls": calls, "attempts": self.ATTEMPTS.format(1000), "faults": FAULTS}
        for call, commit, status in ((0, "-", "fail"), (1, "2", "pass")):
            arrivals = self.ARRIVALS.format(call, commit)
            assert said("F4", FALLBACK, ORACLE, **tables, arrivals=arrivals).status == status

    def test_an_error_is_a_declaration(self) -> None:
        """The caller knows."""
        assert self.found("error") == "not_exercised"

    def test_a_result_that_says_it_failed_is_an_error(self) -> None:
        """A flag, an error or a word of its own that no healthy answer has; a flag of another meaning is none."""
        for healthy, shape, status in (
            ("R{error:null,ok:true}", "R{error:str,ok:false}", "not_exercised"),
            ("dict", "{accepted:false}", "not_exercised"),
            ("true", "false", "not_exercised"),
            ("(dict,null)", "(null,str)", "fail"),
            ("{status:str}", "{status:str=failed}", "not_exercised"),
            ("{status:str}", "{status:str=degraded}", "fail"),
            ("R{ok:false}", "R{ok:false}", "fail"),
            ("{live:true}", "{live:false}", "fail"),
        ):
            calls = f"""
            call op start_ms end_ms outcome marked shape
            1 observe 200 201 degraded 1 {shape}
            2 observe 1000 1010 ok 0 {healthy}
            """
            tables = {"calls": calls, "attempts": self.ATTEMPTS.format(1000), "faults": FAULTS}
            found = said("F4", FALLBACK, ORACLE, **tables, arrivals=self.ARRIVALS.format(0, "-"))
            assert found.status == status, (healthy, shape)

    def test_is_inconclusive_where_the_run_ended_before_recovery(self) -> None:
        """Nothing was served after it."""
        assert self.found(later_ms=150) == "inconclusive"

    def test_does_not_apply_without_a_fallback(self) -> None:
        """None declared, none seen."""
        assert said("F4", NOTHING, ORACLE, calls=self.CALLS.format("error", 1000)).status == "not_applicable"
