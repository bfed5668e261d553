"""The data laws on clients that make several observes of one observation."""

from __future__ import annotations

from law_cases import promise, said

ORACLE = {"oracle": "twin"}


def test_several_observes_of_one_observation_are_none_doubled() -> None:
    """A client that makes an event of each string does so in peace, three times at least; the same one twice is
    doubled all the same, and so are two of a client that makes a single one."""
    head = "call op start_ms end_ms outcome"
    calls = "\n".join([head, *(f"{n} observe {n} {n} ok" for n in range(1, 6)), "6 observe 6 90 timeout"])
    one = "\n".join(
        [
            "call op arrive_ms reply_ms status commit_seq payload",
            *(f"{n} observe {n} {n} 200 {n} 7" for n in range(1, 7)),
        ]
    )
    two = "\n".join(f"{n} observe {n} {n} 200 1{n} 8" for n in range(1, 4))
    for more, doubled in (
        (two, False),
        (f"{two}\n6 observe 20 20 200 20 8", False),
        (f"{two}\n6 observe 20 20 200 20 7", True),
        (f"{two}\n2 observe 20 20 200 20 8", True),
        ("6 observe 20 20 200 20 8", True),
        ("1 observe 1 1 200 11 8\n2 observe 2 2 200 12 8", True),
    ):
        found = said("D2", promise(), ORACLE, calls=calls, arrivals=f"{one}\n{more}")
        assert (found.status == "fail") is doubled, more


def test_what_a_client_does_in_trouble_is_no_way_of_its_own() -> None:
    """Three calls that ended badly, or under a fault, with two observes each: each is doubled."""
    head = "call op start_ms end_ms outcome"
    seen = ["call op arrive_ms reply_ms status commit_seq payload"]
    seen += [f"{n} observe {10 * n + k} {10 * n + k} 200 {2 * n + k} {7 + k}" for n in range(1, 5) for k in (0, 1)]
    fault = "name kind applied_ms effective_ms cleared_ms\nout latency 1 1 100"
    for outcome, more in (("error", {}), ("ok", {"faults": fault})):
        calls = "\n".join([head, *(f"{n} observe {10 * n} {10 * n + 5} {outcome}" for n in range(1, 5))])
        found = said("D2", promise(), ORACLE, calls=calls, arrivals="\n".join(seen), **more)
        assert (found.status, found.measured) == ("fail", "4 doubled"), outcome
