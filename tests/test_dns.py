"""DNS messages: what is written is read again, and no bytes whatever are more than an error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.dns import (
    AAAA,
    NO_ERROR,
    NO_SUCH_NAME,
    SERVER_FAILURE,
    A,
    Answer,
    DnsError,
    Question,
    answer,
    ask,
    parse_answer,
    parse_question,
)

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
NAMES = st.lists(LABELS, min_size=1, max_size=6).map(".".join)
QUESTIONS = st.builds(Question, st.integers(0, 0xFFFF), NAMES, st.sampled_from((A, AAAA)))
ADDRESSES = st.lists(st.sampled_from(("127.0.0.1", "10.0.0.255", "255.255.255.255", "0.0.0.0")), max_size=8)


@given(QUESTIONS)
def test_a_question_is_read_as_it_was_asked(question: Question) -> None:
    assert parse_question(ask(question)) == question


@given(QUESTIONS, ADDRESSES, st.integers(0, 2**31 - 1))
def test_an_answer_tells_its_addresses_and_how_long_they_hold(question: Question, told: list[str], ttl: int) -> None:
    """Only A records are known: a question for others gets none of them."""
    said = tuple(told) if question.kind == A else ()
    assert parse_answer(answer(question, told, ttl)) == Answer(question.number, NO_ERROR, said, ttl if said else 0)


@given(QUESTIONS, ADDRESSES, st.sampled_from((NO_SUCH_NAME, SERVER_FAILURE)))
def test_a_failure_names_no_address(question: Question, told: list[str], code: int) -> None:
    assert parse_answer(answer(question, told, 5, code)) == Answer(question.number, code)


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_their_own_error(message: bytes) -> None:
    for parse in (parse_question, parse_answer):
        with contextlib.suppress(DnsError):
            parse(message)


@given(QUESTIONS, ADDRESSES, st.data())
def test_a_cut_message_is_an_error(question: Question, told: list[str], data: st.DataObject) -> None:
    """Wherever it is cut before its last byte."""
    whole = answer(question, told, 5)
    with pytest.raises(DnsError):
        parse_answer(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_name_that_points_at_itself_ends() -> None:
    """RFC 1035, 4.1.4: a pointer may point anywhere in the message, itself included."""
    loop = ask(Question(1, "a", A))[:12] + b"\xc0\x0c\x00\x01\x00\x01"
    with pytest.raises(DnsError, match="without end"):
        parse_question(loop)


def test_several_questions_in_one_message_are_refused() -> None:
    two = bytearray(ask(Question(1, "a", A)))
    two[5] = 2
    with pytest.raises(DnsError, match="2 questions"):
        parse_question(bytes(two))
