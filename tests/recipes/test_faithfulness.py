"""What a reader is shown of a trace, and what is made of its verdicts."""

import json
import re

import pytest

from jurist.errors import ConfigError
from jurist.evaluation import VIEWS, faithfulness, judged
from jurist.formats import Pairwise
from jurist.recipes.evaluate import EvaluateConfig, evaluate
from jurist.recipes.faithfulness import (
    NOT_SHOWN,
    FaithfulnessConfig,
    measure_faithfulness,
    read_rereadings,
    reread,
    run_faithfulness,
)
from jurist.recipes.judge import JudgeFileConfig, run_judge
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.types import Failure, Judgement, Preference, Verdict, user
from jurist.worlds import BASE

A, B = Verdict.FIRST, Verdict.SECOND
FORM = Pairwise()
PAIRS = [
    Preference(
        id=str(number), prompt=user(f"q{number}"), chosen="good", rejected="bad", group=str(number)
    )
    for number in range(6)
]


def as_shown(text: str, outcome: Verdict | Failure, *, swapped: bool) -> Judgement:
    """A reading as a ballot keeps it, of what was written of the order that was read."""
    found = Judgement(text=text, outcome=outcome)
    return found.mapped_back() if swapped else found


def rows(write, votes: int = 1):
    """Readings of every pair in both orders; `write(number, swapped, vote)` is (text, verdict)."""
    found = [
        [
            as_shown(*write(number, swapped, vote), swapped=swapped)
            for swapped in (False, True)
            for vote in range(votes)
        ]
        for number in range(len(PAIRS))
    ]
    return judged(PAIRS, found, seed=0)


def argued(number: int, swapped: bool, vote: int = 0) -> tuple[str, Verdict]:
    """A trace whose reasons speak for a response, now the first and now the second."""
    verdict = A if (number + swapped + vote) % 2 else B
    return (
        f"The {'left' if verdict is A else 'right'} one adds up.\n[[{'AB'[verdict is B]}]]",
        verdict,
    )


class Reader:
    """Gives the verdict that its rule finds, of the prompt and the trace; keeps what it saw."""

    fingerprint = "reader"

    def __init__(self, rule):
        self.rule, self.seen = rule, []

    def score(self, prompts, continuations):
        found = []
        for prompt, texts in zip(prompts, continuations, strict=True):
            self.seen += [(prompt[0].content, text) for text in texts]
            found.append([self._logp(prompt[0].content, text) for text in texts])
        return found

    def _logp(self, prompt: str, text: str) -> float:
        trace, letter = text[:-5], text[-3]
        return 0.0 if self.rule(prompt, trace) == letter else -3.0


def by_trace(prompt: str, trace: str) -> str:
    return "A" if "left" in trace or not trace else "B"


def by_responses(prompt: str, trace: str) -> str:
    shown = re.findall(r"response A\]\n(\S+)", prompt)
    return "A" if shown == ["good"] else "B"


def rates(found):
    return {view: one.value for view, one in faithfulness([found]).followed.items()}


def test_verdicts_that_follow_their_traces_follow_them_in_every_view_that_has_them():
    found = reread(Reader(by_trace), FORM, rows(argued), num_readings=1)
    # Half of the readings are for the first, which this reader says without a trace; the next
    # pair's verdicts are the other way about in each order.
    assert rates(found) == {
        "trace": 1.0,
        "argument": 1.0,
        "other": 0.0,
        "nothing": 0.5,
        "responses": 0.5,
        "both": 1.0,
        "exchanged": 1.0,
    }
    assert [one.outcome for one in found[:4]] == [B, A, A, B]


def test_verdicts_that_ignore_their_traces_are_as_likely_after_any_trace():
    def right(number: int, swapped: bool, vote: int) -> tuple[str, Verdict]:
        label = PAIRS[number].shown(0).label
        verdict = label.swapped() if swapped else label
        return f"The left one adds up.\n[[{'AB'[verdict is B]}]]", verdict

    found = rates(reread(Reader(by_responses), FORM, rows(right), num_readings=1))
    # Without responses this reader has one answer for all, right for one of the two orders.
    assert found["trace"] == found["argument"] == found["other"] == found["nothing"] == 0.5
    assert found["responses"] == found["both"] == 1.0
    assert found["exchanged"] == 0.0


def test_a_trace_that_only_names_the_winner_is_followed_until_its_statement_is_cut():
    def named(number: int, swapped: bool, vote: int) -> tuple[str, Verdict]:
        verdict = A if (number + swapped) % 2 else B
        letter = "AB"[verdict is B]
        return f"Both are long. So {letter} is better.\n[[{letter}]]", verdict

    reader = Reader(
        lambda prompt, trace: "A" if "A is better" in trace or "B" not in trace else "B"
    )
    rereadings = reread(reader, FORM, rows(named), num_readings=1)
    found = rates(rereadings)
    assert faithfulness([rereadings]).stated.value == 1.0
    assert found["trace"] == 1.0
    assert found["argument"] == found["nothing"] == 0.5


def test_what_is_hidden_is_hidden_and_what_is_shown_is_shown():
    reader = Reader(by_trace)
    reread(reader, FORM, rows(argued), num_readings=1)
    hidden = [(prompt, text) for prompt, text in reader.seen if NOT_SHOWN in prompt]
    shown = [(prompt, text) for prompt, text in reader.seen if NOT_SHOWN not in prompt]
    assert all(prompt.count(NOT_SHOWN) == 2 for prompt, _ in hidden)
    assert not any("good" in prompt or "bad\n" in prompt for prompt, _ in hidden)
    assert all("good" in prompt and "\nbad\n" in prompt for prompt, _ in shown)
    # The prompt that was answered is always there; no trace has its verdict but at the end.
    assert all(re.search(r"\nq\d\n", prompt) for prompt, _ in reader.seen)
    assert all(text.count("[[") == 1 and text.endswith("]]") for _, text in reader.seen)
    assert {text for _, text in reader.seen} == {
        f"{trace}[[{letter}]]"
        for trace in ("", "The left one adds up.\n", "The right one adds up.\n")
        for letter in "AB"
    }
    # What two readings are shown alike is read once.
    assert len(set(reader.seen)) == len(reader.seen)


def test_a_swapped_reading_is_read_as_its_judge_read_it():
    first, *others = rows(lambda number, swapped, vote: (f"t{number}{swapped}\n[[A]]", A))
    reader = Reader(by_trace)
    found = reread(reader, FORM, [first, *others], num_readings=1)
    # Each says A, the response it read first: of a pair, one speaks for either.
    assert {one.outcome for one in found} == {A}
    given, turned = first.comparison, first.comparison.swapped()
    for trace, order in (("t0False", (given, turned)), ("t0True", (turned, given))):
        seen = [prompt for prompt, text in reader.seen if text == f"{trace}\n[[A]]"]
        # As it was read, and with the responses exchanged; without them for itself and for another.
        shown = [prompt for prompt in seen if NOT_SHOWN not in prompt]
        assert set(shown) == {FORM.render(one)[0].content for one in order}
        assert len(seen) == 4


def test_the_verdict_with_responses_is_of_the_order_that_was_read():
    found = reread(Reader(by_responses), FORM, rows(argued), num_readings=1)
    for one in found:
        label = PAIRS[int(one.preference_id)].shown(0).label
        as_read = label.swapped() if one.swapped else label
        assert one.seen["responses"] is one.seen["both"] is as_read
        assert one.seen["exchanged"] is as_read.swapped()


def test_only_the_first_readings_of_each_order_are_read_again():
    found = reread(Reader(by_trace), FORM, rows(argued, votes=3), num_readings=2)
    assert len(found) == len(PAIRS) * 2 * 2
    assert [one.swapped for one in found[:4]] == [False, False, True, True]
    assert [one.outcome for one in found[:4]] == [B, A, A, B]


def test_readings_without_a_verdict_and_answers_that_are_none_are_kept_apart():
    def some(number: int, swapped: bool, vote: int):
        return ("cut", Failure.TRUNCATED) if number == 2 else argued(number, swapped)

    class Broken(Reader):
        def _logp(self, prompt: str, text: str) -> float:
            return float("nan") if "q3" in prompt else super()._logp(prompt, text)

    found = reread(Broken(by_trace), FORM, rows(some), num_readings=1)
    assert len(found) == 12
    assert [one.seen for one in found if isinstance(one.outcome, Failure)] == [{}, {}]
    result = faithfulness([found])
    assert (result.num_readings, result.num_without_verdict, result.num_unread) == (8, 2, 2)
    assert result.followed["trace"].value == 1.0


def test_another_pairs_trace_is_of_another_group_and_of_the_same_order():
    def told(number: int, swapped: bool, vote: int) -> tuple[str, Verdict]:
        return f"pair {number} {swapped}\n[[A]]", A

    reader = Reader(by_trace)
    same = [Preference(**{**as_dict(pair), "group": str(int(pair.id) // 3)}) for pair in PAIRS]
    found = [
        [as_shown(*told(number, swapped, 0), swapped=swapped) for swapped in (False, True)]
        for number in range(6)
    ]
    reread(reader, FORM, judged(same, found, seed=0), num_readings=1)
    for prompt, text in reader.seen:
        shown = re.search(r"\nq(\d)\n", prompt)[1]
        trace = re.match(r"pair (\d) (\w+)", text)
        if NOT_SHOWN in prompt and trace and trace[1] != shown:
            assert int(trace[1]) // 3 != int(shown) // 3
    one_group = [Preference(**{**as_dict(pair), "group": "all"}) for pair in PAIRS]
    alone = reread(reader, FORM, judged(one_group, found, seed=0), num_readings=1)
    assert all("other" not in one.seen for one in alone)
    result = faithfulness([alone])
    assert (result.num_readings, result.num_unread) == (0, 12)


def as_dict(pair: Preference) -> dict:
    return {name: getattr(pair, name) for name in Preference.__slots__}


# Runs


@pytest.fixture
def finished(tmp_path, world):
    """An evaluation of the base that ships, on a few pairs."""
    output = tmp_path / "run"
    judge = JudgeConfig(model=str(BASE), voting=VotingConfig(votes=2, max_tokens=64))
    evaluate(EvaluateConfig(judge=judge, test=(str(world / "test.jsonl"),), output=output))
    return output


def test_a_finished_run_is_read_again_once(tmp_path, finished, capsys):
    config = FaithfulnessConfig(run=finished, output=tmp_path / "reread", readings=2)
    run_faithfulness(config)
    said = capsys.readouterr().out
    assert "another pair's trace" in said and "without a verdict" in said
    content = json.loads((config.output / "results.json").read_text())
    (row,) = content["rows"]
    assert (content["schema"], content["reader"], row["split"]) == (1, "itself", "test")
    assert set(row["faithfulness"]["followed"]) == set(VIEWS)
    found = read_rereadings(config.output, "test")
    assert len(found) == 4 * 2 * 2
    assert row["faithfulness"]["num_readings"] == sum(bool(one.seen) for one in found)
    report = (config.output / "report.md").read_text()
    assert "Does the verdict follow from the trace?" in report
    # Again: nothing is asked, and the same comes out.
    (config.output / "completions.sqlite").unlink()
    before = (config.output / "results.json").read_bytes()
    assert measure_faithfulness(config)[0].method == "run"
    assert (config.output / "results.json").read_bytes() == before
    assert not (config.output / "completions.sqlite").exists()


def test_another_model_may_read_and_fewer_pairs_may_be_read(tmp_path, finished):
    config = FaithfulnessConfig(run=finished, output=tmp_path / "reread", reader=str(BASE), limit=2)
    (row,) = measure_faithfulness(config)
    assert row.faithfulness.num_readings + row.faithfulness.num_without_verdict == 4
    assert json.loads((config.output / "results.json").read_text())["reader"] == str(BASE)


def test_a_judged_file_is_read_again_too(tmp_path, world):
    judge = JudgeConfig(model=str(BASE), voting=VotingConfig(votes=1, max_tokens=64))
    pairs, output = str(world / "test.jsonl"), tmp_path / "judged"
    run_judge(JudgeFileConfig(judge=judge, pairs=pairs, output=output))
    (row,) = measure_faithfulness(FaithfulnessConfig(run=output, output=tmp_path / "reread"))
    assert (row.method, row.split) == ("judged", "pairs")
    assert row.faithfulness.num_readings + row.faithfulness.num_without_verdict == 4 * 2


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("evaluate", {"base_url": "http://127.0.0.1:1/v1"}, "name a model .* with --reader"),
        ("evaluate", {"format": "terse-direct"}, "its judge does not reason"),
        ("bradley-terry", {}, "a run of 'bradley-terry', which keeps no reasoning"),
    ],
)
def test_runs_that_have_no_traces_to_read_are_refused(tmp_path, finished, recipe, changes, said):
    path = finished / "config.json"
    kept = json.loads(path.read_text())
    kept["recipe"] = recipe
    kept["config"]["judge"] |= changes
    path.write_text(json.dumps(kept))
    with pytest.raises(ConfigError, match=said):
        measure_faithfulness(FaithfulnessConfig(run=finished, output=tmp_path / "reread"))


@pytest.mark.parametrize(
    ("changes", "said"), [({"readings": 0}, "--readings"), ({"limit": 1}, "--limit")]
)
def test_settings_that_cannot_be_are_refused(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said):
        FaithfulnessConfig(run=tmp_path, output=tmp_path, **changes)


def test_a_set_that_was_not_read_again_is_named(tmp_path):
    with pytest.raises(ConfigError, match="has re-read no 'test'"):
        read_rereadings(tmp_path, "test")
