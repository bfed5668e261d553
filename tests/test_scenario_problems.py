"""Reading files: every problem at once with its place, layers, cells, overrides, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ScenarioError, UsageError
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import cells, load_scenario, override, reveal
from harness.scenario import given as as_given
from harness.scenario.lint import lint, text_of
from harness.scenario.nodes import merge, of, plain

HEAD = "format: kato-harness/1\n"


def _load(text: str, **more: str) -> object:
    return load_scenario("case.yaml", text=HEAD + text, **more)


def _places(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("case.yaml", text=text)
    return [(problem.line, problem.column, problem.what) for problem in caught.value.problems]


def test_three_mistakes_are_three_problems_in_file_order() -> None:
    """Line and column point at the key or value that is wrong."""
    text = "format: kato-harness/1\nsead: 3\nload: {rate: 40}\nfaults:\n  - {kind: refuse, at: basline.end + 5s}\n"
    assert _places(text) == [
        (2, 1, "unknown key 'sead'"),
        (3, 14, "rate: 40 has no unit"),
        (5, 24, "there is no phase or fault 'basline'"),
    ]


def test_an_unknown_key_suggests_the_known_one() -> None:
    """The cure names what was probably meant."""
    with pytest.raises(ScenarioError, match="did you mean duration"):
        _load("load: {duratoin: 30s}")


def test_a_mistyped_layer_is_suggested() -> None:
    """extends, environments and matrix are keys like the others."""
    with pytest.raises(ScenarioError, match="did you mean matrix"):
        _load("matrxi: {seed: [1]}")


def test_a_mistake_inside_an_expression_has_its_own_column() -> None:
    """Not the expression's beginning: the sign, the name."""
    assert _places(HEAD + "phases: {recovery: policy.breaker.reset_timeout + 10}\n") == [
        (2, 49, "a duration plus a number")
    ]
    assert _places(HEAD + 'phases: {warmup: "2s * policy.retry.max_atempts"}\n')[0][:2] == (2, 24)


def test_a_mistake_inside_an_slo_has_its_own_column() -> None:
    """The word that doesn't belong."""
    assert _places(HEAD + "slos: {a: p(95) < 50ms in basline}\n")[0][:2] == (2, 27)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("format: kato-harness/1\na: [1", "not YAML"),
        ("format: kato-harness/1\nformat: kato-harness/1", "stands here twice"),
        ("- a", "a scenario is a map"),
        ("seed: 1\nformat: kato-harness/1", "format is not the first key"),
        ("seed: 1", "the file lacks format"),
        ("format: kato-harness/1\nseed: !!python/object:os.system 1", "the tag"),
        ("format: kato-harness/1\nseed:", "seed has no value"),
        ("format: kato-harness/1\n${env:X}: 1", "a reference can't be a key"),
        ("format: kato-harness/1\nload: &a {sessions: *a}", "endless"),
        ("format: kato-harness/1\n? [1]\n: 2", "a key must be a word"),
        ("format: kato-harness/1\nfaults: " + "[" * 60 + "]" * 60, "nested too deeply"),
        ("format: kato-harness/1\nfaults: " + "[" * 5000, "nested too deeply"),
        ("format: kato-harness/1\nload: {rate: 5/s\x07}", "not YAML"),
    ],
)
def test_a_broken_file_is_words_never_a_traceback(text: str, what: str) -> None:
    """YAML's own mistakes are problems like the others."""
    assert any(what in said for _, _, said in _places(text))


def test_billions_of_aliases_are_refused() -> None:
    """Aliases that multiply end at a bound."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert any("endless" in said for _, _, said in _places(HEAD + "\n".join(lines)))


def test_yaml_holds_no_type_surprises() -> None:
    """`no` is a word, an octal is a number's text, a date is a date only where one is asked for."""
    scenario = load_scenario("case.yaml", text=HEAD + "question: no\nslos: {}\nlaws: {skip: {B10: 2027-02-01}}")
    assert scenario.question == "no"
    assert scenario.laws.skip == {"B10": "2027-02-01"}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_scenario_or_a_scenario_error(text: str) -> None:
    """Never a traceback on arbitrary text."""
    try:
        load_scenario("case.yaml", text=text)
    except ScenarioError as error:
        assert error.problems


WORDS = st.sampled_from(
    [
        "load",
        "rate",
        "40/s",
        "faults",
        "kind",
        "refuse",
        "at",
        "baseline.end",
        "slos",
        "a",
        "p(95) < 5ms",
        "phases",
        "recovery",
        "policy",
        "timeout",
        "read",
        "2s",
        "matrix",
        "seed",
        "environments",
        "7",
        "",
        "null",
        "extends",
    ]
)
SHAPES = st.recursive(
    WORDS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(WORDS, SHAPES, max_size=4))
def test_any_shape_of_known_words_is_a_scenario_or_a_scenario_error(shape: dict[str, object]) -> None:
    """Right words in wrong places are refused too; and no problem is without place and cure."""
    import json

    try:
        cells(
            load_scenario(
                "case.yaml", text=HEAD + "\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in shape.items())
            )
        )
    except ScenarioError as error:
        assert all(problem.line >= 1 and problem.what and problem.cure for problem in error.problems)


def test_extends_merges_maps_and_replaces_lists(tmp_path: Path) -> None:
    """Later files win; problems name the file in which they stand."""
    (tmp_path / "base.yaml").write_text(HEAD + "load: {rate: 10/s, duration: 30s}\nfaults: [{kind: refuse}]\nseed: 3\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text(HEAD + "extends: [./base.yaml]\nload: {rate: 20/s}\nfaults: [{kind: pause}]\n")
    scenario = load_scenario(mine)
    assert (scenario.load.rate, scenario.load.duration, scenario.seed) == (20.0, 30.0, 3)
    assert [fault.kind for fault in scenario.faults] == ["pause"]
    (tmp_path / "base.yaml").write_text(HEAD + "load: {rate: 10}\nseed: x\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(mine)
    assert [(Path(p.file).name, p.line) for p in caught.value.problems] == [("base.yaml", 3)]


def test_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    """A circle is named, not followed."""
    (tmp_path / "a.yaml").write_text(HEAD + "extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text(HEAD + "extends: a.yaml\n")
    with pytest.raises(ScenarioError, match="extends itself"):
        load_scenario(tmp_path / "a.yaml")


TEXTS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(st.sampled_from("xyz"), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_size=3,
)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_merging_keeps_every_key_and_the_last_value(one: dict[str, object], two: dict[str, object]) -> None:
    """Layers are a union; where both are maps the rule holds below, elsewhere the later one stands."""
    merged = plain(merge(of(one, "f"), of(two, "f")))
    assert set(merged) == set(one) | set(two)
    for key, value in merged.items():
        if isinstance(one.get(key), dict) and isinstance(two.get(key), dict):
            assert value == plain(merge(of(one[key], "f"), of(two[key], "f")))
        else:
            assert value == two.get(key, one.get(key))


def test_an_environment_overrides_the_file() -> None:
    """--env chooses; without it the file stands alone; one that doesn't exist is named with the others."""
    text = HEAD + "seed: 1\nenvironments: {ci: {seed: 2}, staging: {target: {url: 'http://kato.internal'}}}"
    assert load_scenario("case.yaml", text=text).seed == 1
    assert load_scenario("case.yaml", text=text, env="ci").seed == 2
    assert not load_scenario("case.yaml", text=text, env="staging").target.embedded
    with pytest.raises(UsageError, match="staging"):
        load_scenario("case.yaml", text=text, env="stagin")


def test_mistakes_in_an_environment_that_was_not_chosen_are_found() -> None:
    """All problems at once means of all layers."""
    assert _places(HEAD + "environments: {ci: {load: {rate: 5}}}") == [(2, 34, "rate: 5 has no unit")]


def test_a_matrix_makes_one_scenario_a_cell_in_order() -> None:
    """Named file[key=value,…], each with its values."""
    found = cells(load_scenario("path/case.yaml", text=HEAD + "matrix: {workers: [1, 4], load.rate: [10/s, 20/s]}"))
    assert [cell.name for cell in found] == [
        "case[workers=1,load.rate=10_s]",
        "case[workers=1,load.rate=20_s]",
        "case[workers=4,load.rate=10_s]",
        "case[workers=4,load.rate=20_s]",
    ]
    assert [(cell.workers, cell.load.rate) for cell in found] == [(1, 10.0), (1, 20.0), (4, 10.0), (4, 20.0)]
    assert cells(load_scenario("case.yaml", text=HEAD)) == (load_scenario("case.yaml", text=HEAD),)


def test_a_cell_may_be_a_map_and_is_named_by_its_keys() -> None:
    """So a matrix goes through environments of KATO."""
    text = HEAD + "matrix: {target.env: [{SESSION_TTL: 60, SESSION_AUTO_EXTEND: false}, {LOG_LEVEL: DEBUG}]}"
    found = cells(load_scenario("case.yaml", text=text))
    assert [cell.name for cell in found] == [
        "case[target.env=SESSION_TTL:60_SESSION_AUTO_EXTEND:false]",
        "case[target.env=LOG_LEVEL:DEBUG]",
    ]
    assert [dict(cell.target.env) for cell in found][1] == {"LOG_LEVEL": "DEBUG"}


def test_a_matrix_reaches_a_fault_by_its_name_and_is_bounded() -> None:
    """`faults.NAME.key`; too many cells are refused."""
    text = HEAD + "faults: [{name: outage, kind: refuse}]\nmatrix: {faults.outage.for: [1s, 5s]}"
    assert [cell.faults[0].for_.text for cell in cells(load_scenario("case.yaml", text=text))] == ["1s", "5s"]
    assert (
        "more than 256 cells"
        in _places(HEAD + f"matrix: {{seed: {list(range(20))}, workers: {list(range(1, 20))}}}")[0][2]
    )
    assert "there is no 'outge'" in _places(text.replace("faults.outage", "faults.outge"))[0][2]


def test_an_override_is_checked_like_the_file() -> None:
    """The command line's values are read by the same table, and named when wrong."""
    scenario = load_scenario("case.yaml", text=HEAD + "faults: [{name: outage, kind: refuse}]")
    changed = override(scenario, {"seed": 5, "target.url": "http://127.0.0.1:9", "faults.outage.for": "2s"})
    assert (changed.seed, changed.target.url, changed.faults[0].for_.text) == (5, "http://127.0.0.1:9", "2s")
    with pytest.raises(ScenarioError, match=r"--rate:1:1: rate: 5 has no unit"):
        override(scenario, {"load.rate": "5"}, source="--rate")


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    """So that a scenario runs from any folder."""
    scenario = load_scenario(
        tmp_path / "a.yaml", text=HEAD + "integration: clients/kato.py:factory\nload: {data: {feed: v.jsonl}}"
    )
    assert scenario.integration.use == f"{tmp_path}/clients/kato.py:factory"
    assert scenario.load.data.feed == str(tmp_path / "v.jsonl")


def test_secrets_stay_references_until_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written down holds the reference; revealing resolves it; a missing one is named, never its value."""
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("KATO_USER", "ana")
    text = HEAD + "target: {headers: {authorization: '${env:KATO_USER}:${file:key}', x-plain: word}}"
    scenario = load_scenario(tmp_path / "a.yaml", text=text)
    assert reveal(scenario.target.headers)["authorization"] == "ana:s3cret"
    assert "s3cret" not in repr(scenario)
    written = as_given(scenario)["target"]["headers"]
    assert written == {"authorization": "${env:KATO_USER}${file:key}", "x-plain": "[redacted]"}
    monkeypatch.delenv("KATO_USER")
    with pytest.raises(UsageError, match="KATO_USER is not set"):
        reveal(scenario.target.headers)


def test_what_may_be_a_secret_is_masked_wherever_it_is_written() -> None:
    """Literal headers of the target, headers named like secrets, user names in URLs, in cells and environments too."""
    text = HEAD + (
        "target: {url: 'http://user:pw@127.0.0.1:1', headers: {x: plainsecret}}\n"
        "load: {users_are: [{share: 1, headers: {authorization: tok1, x-user-id: 'std-{n}'}}]}\n"
        "matrix: {target.headers.x-plain: [tok2, 12345678]}\n"
    )
    written = str(as_given(load_scenario("case.yaml", text=text)))
    assert all(secret not in written for secret in ("pw", "plainsecret", "tok1", "tok2", "12345678"))
    assert "std-{n}" in written


def test_a_typed_value_is_never_a_reference() -> None:
    """References stand for texts; anything else comes from environments."""
    assert "can't be a reference" in _places(HEAD + "load: {rate: '${env:RATE}'}")[0][2]


def test_users_of_the_closed_model_have_a_session_each() -> None:
    """Fewer sessions than users would have them wait for each other; one that all share is said otherwise."""
    load = "load: {users: 30, sessions: {concurrent: 7%s}}\n"
    ((line, _, said),) = _places(HEAD + load % "")
    assert (line, "30 users in 7 sessions" in said) == (2, True)
    _load(load % ", strategy: shared")


def test_lint_lists_every_file_and_resolves_its_times(tmp_path: Path) -> None:
    """Times that only make sense together are judged with the policy the file carries."""
    good, bad, late = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "late.yaml"
    good.write_text(HEAD)
    bad.write_text(HEAD + "sead: 1\n")
    late.write_text(HEAD + "load: {duration: 10s}\nfaults: [{kind: refuse, at: 8s, for: 5s}]\nlaws: {watch: [Z9]}\n")
    problems = lint([good, bad, late, tmp_path / "none.yaml"], laws={"B3", "D2"})
    assert [Path(problem.file).name for problem in problems] == ["bad.yaml", "late.yaml", "late.yaml", "none.yaml"]
    assert "no recovery would be seen" in problems[1].what
    assert "there is no law Z9" in problems[2].what
    assert text_of(problems).count("cure:") == 4


def test_a_run_refuses_a_law_that_there_is_not(tmp_path: Path) -> None:
    """Else it would be required and never judged."""
    file = tmp_path / "typo.yaml"
    file.write_text("format: kato-harness/1\nquestion: one?\nload: {rate: 5/s, duration: 2s}\nlaws: {require: [B33]}\n")
    with pytest.raises(ScenarioError, match="4:18: there is no law B33"):
        prepare(load_scenario(file), Options(integration="reference"))
