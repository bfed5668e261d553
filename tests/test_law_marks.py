"""What an answer's shape says of it: that it is a substitute, that nothing was done, or that it is a healthy one."""

from __future__ import annotations

import pytest

from harness.laws.marks import admits, alike, fields, fits, tells, type_of


@pytest.mark.parametrize(("shape", "healthy", "told"), [
    ("{stale:true}", ["{stale:false}"], True), ("{live:false}", ["{live:true}"], True),
    ("{stale:true}", ["{}", "{stale:false}"], True), ("{stale:true}", ["{stale:true}", "{}"], False),
    ("{live:false}", ["{}"], False), ("{source:str=cache}", ["{source:str=kato}"], True),
    ("{source:str=cache}", ["{source:str=cache}"], False), ("{n:int}", ["{n:str}"], False),
    ("Old{n:int}", ["New{n:int}"], True), ("Old{n:int}", ["New{n:int}", "Old{n:int}"], False),
    ("Old{n:int}", ["{n:int}"], False), ("Old", ["New{n:int}"], False), ("{stale:true}", [], False),
    ("Old{n:Old{m:int}}", ["Old{n:int}"], False),
])  # fmt: skip
def test_a_flag_a_word_or_a_type_of_its_own_tells_an_answer_apart(shape: str, healthy: list[str], told: bool) -> None:
    """From all that were healthy; without any there is nothing to tell it from."""
    assert tells(shape, frozenset(healthy)) is told


@pytest.mark.parametrize("name", [
    "ok", "okay", "success", "successful", "succeeded", "accepted", "stored", "saved", "committed", "delivered",
    "recorded", "observed", "done", "OK",
])  # fmt: skip
def test_a_flag_that_says_done_says_not_done_too(name: str) -> None:
    """Unless healthy answers say so as well."""
    for healthy, said in ((f"{{{name}:true}}", True), ("{n:int}", True), (f"{{{name}:false}}", False)):
        assert admits(f"{{{name}:false}}", frozenset({healthy})) is said
    assert not admits(f"{{{name}:true}}", frozenset({"{n:int}"}))


@pytest.mark.parametrize("name", ["error", "errors", "err", "exception", "failure", "Error"])
def test_a_field_for_errors_says_so_where_it_holds_one(name: str) -> None:
    """And holds none in healthy answers."""
    for healthy, said in (
        (f"{{{name}:null}}", True),
        (f"{{{name}:false}}", True),
        ("{n:int}", True),
        (f"{{{name}:str}}", False),
    ):
        assert admits(f"{{{name}:str}}", frozenset({healthy})) is said
    assert not admits(f"{{{name}:null}}", frozenset({"{n:int}"}))


@pytest.mark.parametrize(("shape", "healthy", "said"), [
    ("false", "true", True), ("(false,null)", "(true,dict)", True), ("{live:false}", "{live:true}", False),
    ("{status:str=failed}", "{status:str=ok}", True), ("{status:str=failed}", "{status:str=failed}", False),
    ("{status:str=degraded}", "{status:str=ok}", False),
])  # fmt: skip
def test_a_bare_flag_and_a_word_say_it_too(shape: str, healthy: str, said: bool) -> None:
    """A flag by itself, or in a tuple; `failed` where healthy ones have another word."""
    assert admits(shape, frozenset({healthy})) is said


@pytest.mark.parametrize(("shape", "healthy", "fit"), [
    ("{a:int,b:str}", "{a:int}", True), ("{a:int}", "{a:int,b:str}", False), ("{a:str}", "{a:int}", False),
    ("(int,str)", "(int,str)", True), ("(int,str)", "(int,list)", False), ("(int)", "{0:int}", False),
    ("list", "{a:int}", False), ("{a:int}", "list", False), ("list", "list", True), ("null", "{a:int}", True),
    ("", "{a:int}", False), ("{}", "{}", True),
])  # fmt: skip
def test_an_answer_fits_where_it_has_all_fields_of_a_healthy_one(shape: str, healthy: str, fit: bool) -> None:
    """Further ones may mark it."""
    assert fits(shape, healthy) is fit


@pytest.mark.parametrize(("one", "other", "same"), [
    ("int", "float", True), ("bool", "int", True), ("true", "false", True), ("str=a", "str=b", True),
    ("null", "dict", True), ("dict", "null", True), ("str", "int", False), ("list", "dict", False),
    ("bool", "true", True), ("float", "float", True),
])  # fmt: skip
def test_numbers_pass_for_each_other_and_nothing_for_everything(one: str, other: str, same: bool) -> None:
    """Words of a text are none of its kind."""
    assert alike(one, other) is same


def test_shapes_are_read_by_name_by_place_or_as_a_whole() -> None:
    """With the type in front of them."""
    assert fields("R{a:int,b:c:str=x}") == {"a": "int", "b:c": "str=x"}
    assert (fields("(int,null)"), fields("list"), fields("{}")) == ({"0": "int", "1": "null"}, {"": "list"}, {})
    assert (type_of("R{a:S{b:int}}"), type_of("{a:int}"), type_of("list")) == ("R", "", "")
