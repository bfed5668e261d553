"""The capacity search: near the truth on servers whose capacity theory knows, in few probes, and honest elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from known_servers import FAST, OTHER, SLOW, errors_of, knee_of
from unusual_servers import UNUSUAL

from harness.capacity import ProbeResult, knee, search
from harness.capacity.noise import quantile_error
from harness.capacity.render import text
from harness.capacity.settle import settling, truncation
from harness.capacity.simulated import Contended, Locked, Objective, Queue, SimulatedProbe
from harness.stats import quantile


def _near(case: tuple[Queue | Locked | Contended, Objective], seeds: range) -> None:
    errors, most, _ = errors_of(*case, knee_of(*case), seeds)
    assert most <= 12
    assert np.mean(np.abs(errors) <= 0.05) >= 0.95


@pytest.mark.parametrize("name", FAST)
def test_the_known_knee_is_found_within_5_percent_in_95_of_100_searches(name: str) -> None:
    """200 seeds a server, at most 12 probes each."""
    _near(FAST[name], range(200))


@pytest.mark.parametrize("name", SLOW)
def test_the_known_knee_is_found_on_servers_that_are_slower_to_simulate(name: str) -> None:
    """The first 20 of the 200 seeds; all of them are in the slow tests."""
    _near(SLOW[name], range(20))


@pytest.mark.parametrize("name", OTHER)
def test_the_known_knee_is_found_at_other_quantiles_and_shares_of_a_lock(name: str) -> None:
    """40 seeds of each."""
    _near(OTHER[name], range(40))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_all_200_seeds_on_servers_that_are_slower_to_simulate(name: str) -> None:
    """As above."""
    _near(SLOW[name], range(200))


@pytest.mark.parametrize("name", ["M/M/1 at p99.9", "M/M/1 bound at 6 % load", "lognormal σ 1 at p95", "cold start"])
def test_the_knee_is_found_where_calls_are_few_or_the_objective_is_flat(name: str) -> None:
    """15 seeds of servers that the search was not made on; all of them are in bench/knees.py."""
    case = UNUSUAL[name]
    errors, most, longer = errors_of(case.server, case.objective, case.knee(case.server, case.objective), range(15))
    assert most <= 12
    assert np.mean(np.abs(errors) <= 0.05) >= 0.9
    assert longer <= 120


def test_probes_at_the_boundary_last_longer_only_where_the_objective_asks_for_it() -> None:
    """p95 of a busy queue is told within usual probes; where p95 hardly rises with the rate it takes many times that,
    and never more than is allowed."""
    usual = search(SimulatedProbe(*FAST["M/D/1"], 1), 20).probes
    flat = UNUSUAL["M/M/1 bound at 6 % load"]
    long = search(SimulatedProbe(flat.server, flat.objective, 1), 2.0, longest=3).probes
    assert max(probe.longer for probe in usual) == 1
    assert max(probe.longer for probe in long) == 3


@pytest.mark.parametrize(("times_over", "longest"), [(50.0, 20.0), (2.0, 1.0)])
def test_probes_last_longer_where_a_server_collapses_rather_than_slows(times_over: float, longest: float) -> None:
    """A third of the bound is left just below 100/s, and 50 times the bound is measured above: no queue does that. One
    that breaks its bound twice over may."""
    lengths = []

    def probe(rate: float, longer: float) -> ProbeResult:
        lengths.append(longer)
        measure = 1 / (2 - rate / 200) if rate < 100 else times_over
        return ProbeResult(rate, rate < 100, min(rate, 100), math.log(measure))

    search(probe, 10)
    assert max(lengths) == longest
    assert len(lengths) <= 12


@pytest.mark.parametrize("late", [0.05, 0.001])
def test_the_noise_of_a_quantile_counts_that_late_calls_crowd(late: float) -> None:
    """What 60 probes of a queue at 65 % differ by, within a factor of 1.6, and more than that of as many lone calls."""
    seen, said = [], []
    for seed in range(60):
        draws = np.random.default_rng(seed)
        arrivals = np.cumsum(draws.exponential(1 / 65, 20_000))
        response = Queue(1, 0.010).ends(arrivals, draws) - arrivals
        seen.append(math.log(quantile(response, 1 - late)))
        said.append(quantile_error(response, 1 - late))
        alone = quantile_error(draws.permutation(response), 1 - late)
        assert said[-1] > alone
    assert 1 / 1.6 < np.mean(said) / np.std(seen) < 1.6


def _cliff(at: float) -> object:
    """A probe without numbers: it holds below `at`, and nothing else is known."""
    return lambda rate, longer: ProbeResult(rate, rate < at, min(rate, at))


@pytest.mark.parametrize("start", [1.0, 40.0, 90.0, 5000.0])
def test_a_bare_yes_or_no_is_enough(start: float) -> None:
    """Objectives without a number are bisected: ±5 % as well."""
    found = search(_cliff(100.0), start)
    assert found.ending == "found"
    assert len(found.probes) <= 12
    assert found.rate == pytest.approx(100, rel=0.05)


def test_what_holds_at_the_ceiling_is_a_lower_bound() -> None:
    """The ceiling is never passed, and the answer says that the truth lies above."""
    offered: list[float] = []
    found = search(lambda rate, longer: offered.append(rate) or ProbeResult(rate, True, rate), 10, ceiling=75)
    assert (found.ending, found.rate, found.interval.high) == ("above", 75, math.inf)
    assert max(offered) == 75


def test_nothing_that_holds_is_said_so() -> None:
    """A server that is too slow even for a call now and then has no capacity within the objective."""
    found = search(lambda rate, longer: ProbeResult(rate, False, rate, excess=0.5), 100)
    assert (found.ending, found.rate) == ("below", 0.0)
    assert len(found.probes) <= 12


def test_a_server_that_answers_nothing_is_not_asked_twelve_times() -> None:
    """Three probes, each at an eighth of the rate before, show that it isn't the rate."""
    found = search(lambda rate, longer: ProbeResult(rate, False, 0.0, excess=math.inf), 64)
    assert found.ending == "below"
    assert [probe.rate for probe in found.probes] == [64, 8, 1]


def test_a_generator_that_gives_up_first_is_named_and_says_nothing_of_the_server() -> None:
    """Its probe is left out, what held before is a lower bound."""

    def probe(rate: float, longer: float) -> ProbeResult:
        result = ProbeResult(rate, True, rate, excess=-1.0)
        return result if rate <= 300 else replace(result, held=False, limit="the generator was saturated")

    found = search(probe, 50)
    assert (found.ending, found.rate, found.words) == ("limited", 200, "the generator was saturated")
    assert all(not result.limit for result in found.probes)


def test_a_server_that_does_not_recover_from_overload_is_named() -> None:
    """Rates that held on the way up fail on the way down."""
    broken = False

    def probe(rate: float, longer: float) -> ProbeResult:
        nonlocal broken
        held = rate < (60 if broken else 100)
        broken = broken or rate > 150
        return ProbeResult(rate, held, rate, excess=math.log(rate / (60 if broken and not held else 100)))

    assert "after it" in search(probe, 90).words
    assert search(_cliff(100.0), 90).words == ""


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """95 % intervals over 60 searches of a noisy server: at least 85 % of them."""
    server, objective = FAST["M/M/1"]
    truth = knee_of(server, objective)
    found = [search(SimulatedProbe(server, objective, seed), truth / 3) for seed in range(60)]
    assert np.mean([each.interval.low <= truth <= each.interval.high for each in found]) >= 0.85


def test_a_backlog_that_grows_is_never_settled_and_a_busy_queue_is() -> None:
    """3 % more than a server can do shows within 5,000 calls; 90 % of it does not look like growth."""
    draws = np.random.default_rng(3)
    for rate, settled in ((103.0, False), (90.0, True)):
        arrivals = np.cumsum(draws.exponential(1 / rate, 5000))
        ends = Queue(1, 0.010, constant=True).ends(arrivals, draws)
        assert settling(arrivals, ends, float(arrivals[-1])).settled is settled


def test_start_up_is_cut_off_where_the_rest_is_surest() -> None:
    """A ramp of three windows goes, and never more than half is cut."""
    noise = np.random.default_rng(1).normal(0, 0.1, 17)
    assert 3 <= truncation(np.concatenate([[0.0, 3.0, 6.0], 10 + noise])) <= 10
    assert truncation(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 9.0])) <= 4
    assert truncation(np.full(20, 7.0)) == 0
    assert truncation(np.array([])) == 0


def test_the_knee_of_a_curve_is_where_it_bends() -> None:
    """Kneedle on 1/(1−ρ) finds a rate in its bend, and none on a straight line."""
    rates = np.arange(5, 100, 5.0)
    assert 70 <= knee(rates, 1 / (100 - rates)) <= 90
    assert math.isnan(knee(rates, rates * 2))
    assert math.isnan(knee([1, 2], [1, 9]))


def test_the_answers_of_several_searches_stand_together_at_the_end_each_with_its_reason() -> None:
    """Where nothing holds it says what broke; a probe that held names the objective that was nearest to breaking."""

    def probe(rate: float, longer: float) -> ProbeResult:
        return ProbeResult(rate, rate < 100, min(rate, 100), words=f"p(95) < 50ms: {rate:g} ms")

    broken = search(lambda rate, longer: ProbeResult(rate, False, 0.0, words="no call has the outcome ok"), 64)
    lines = text({"": search(probe, 10), "outage": broken}).splitlines()
    assert lines[-2].startswith("without faults: capacity: 99")
    assert lines[-1].startswith("under the fault outage: capacity: none found")
    assert lines[-1].endswith("(no call has the outcome ok)")
    assert any("yes" in line and "p(95) < 50ms: 10 ms" in line for line in lines)
