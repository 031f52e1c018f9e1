"""A judged file speaks of the columns its pairs were read from, wherever they were shown."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.judges import Ballot
from jurist.recipes.judge import JudgeFileConfig, run_judge, verdict_line
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.types import Failure, Judgement, Preference, Verdict, user

PAIR = Preference(id="0", prompt=user("q"), chosen="good", rejected="bad", group="0")
# Ids whose pairs are shown with `chosen` first and second, at seed 0.
FIRST, SECOND = (
    next(
        str(i)
        for i in range(99)
        if (dataclasses.replace(PAIR, id=str(i)).shown(0).comparison.first == "good") is chosen
    )
    for chosen in (True, False)
)


def ballot(*outcomes: Verdict | Failure, probability: float | None = None) -> Ballot:
    return Ballot.of(
        (
            Judgement(text="", outcome=outcome, probability=probability, num_tokens=5)
            for outcome in outcomes
        ),
        num_unasked=3,
    )


@pytest.mark.parametrize("tie", [False, True])
def test_places_are_mapped_back_to_columns_whichever_was_shown_first(tie):
    votes = ballot(Verdict.FIRST, Verdict.FIRST, Verdict.SECOND, Verdict.TIE, Failure.REFUSED)
    shown_first = verdict_line(dataclasses.replace(PAIR, id=FIRST, tie=tie), votes, seed=0)
    shown_second = verdict_line(dataclasses.replace(PAIR, id=SECOND, tie=tie), votes, seed=0)
    # 2.5 votes of 4, smoothed: 3 / 5.
    assert shown_first == {
        "id": FIRST,
        "preferred": "chosen",
        "failure": None,
        "probability": 0.6,
        "flip": None,
        "votes": {"chosen": 2, "rejected": 1, "tie": 1, "failed": 1, "possible": 8},
        "num_tokens": 25,
    }
    assert shown_second == {
        **shown_first,
        "id": SECOND,
        "preferred": "rejected",
        "probability": pytest.approx(0.4),
        "votes": {"chosen": 1, "rejected": 2, "tie": 1, "failed": 1, "possible": 8},
    }


@pytest.mark.parametrize("id", [FIRST, SECOND])
def test_ties_and_failures_are_neither_column(id):
    pair = dataclasses.replace(PAIR, id=id)
    tied = verdict_line(pair, ballot(Verdict.FIRST, Verdict.SECOND), seed=0)
    assert (tied["preferred"], tied["probability"], tied["failure"]) == ("tie", 0.5, None)
    failed = verdict_line(pair, ballot(Failure.TRUNCATED), seed=0)
    assert (failed["preferred"], failed["probability"]) == (None, None)
    assert failed["failure"] == "truncated"
    assert failed["votes"] == {"chosen": 0, "rejected": 0, "tie": 0, "failed": 1, "possible": 4}


@given(
    id=st.text(max_size=3),
    seed=st.integers(0, 9),
    outcomes=st.lists(st.sampled_from([*Verdict, *Failure]), min_size=1, max_size=5),
    probability=st.none() | st.floats(0.01, 0.99),
)
def test_swapping_the_columns_swaps_the_line(id, seed, outcomes, probability):
    pair = dataclasses.replace(PAIR, id=id)
    other = dataclasses.replace(pair, chosen=pair.rejected, rejected=pair.chosen)
    votes = ballot(*outcomes, probability=probability)
    # The same place holds the other response now, so the same judge says the opposite of it.
    opposite = Ballot.of(
        (judgement.mapped_back() for judgement in votes.judgements), num_unasked=votes.num_unasked
    )
    line, swapped = verdict_line(pair, votes, seed=seed), verdict_line(other, opposite, seed=seed)
    exchanged = {"chosen": "rejected", "rejected": "chosen"}
    assert swapped["preferred"] == exchanged.get(line["preferred"], line["preferred"])
    assert swapped["votes"] == {
        exchanged.get(name, name): count for name, count in line["votes"].items()
    }
    assert (swapped["probability"] is None) == (line["probability"] is None)
    if line["probability"] is not None:
        assert swapped["probability"] == pytest.approx(1 - line["probability"])


def prefers_the_xs(prompt, index):
    text = prompt[-1].content
    if "zzzz" in text:
        return "I cannot say."
    return "[[A]]" if text.index("xxxx") < text.index("yy") else "[[B]]"


@pytest.fixture
def scripted(monkeypatch):
    asked = []

    def reply(prompt, index):
        asked.append(prompt)
        return prefers_the_xs(prompt, index)

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(reply))
    return asked


def judge_file(pairs, output, **changes):
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=2))
    return run_judge(JudgeFileConfig(judge=judge, pairs=str(pairs), output=output, **changes))


def lines(output):
    return [json.loads(line) for line in (output / "verdicts.jsonl").read_text().splitlines()]


def test_a_file_is_judged_pair_by_pair_in_its_order(tmp_path, write_rows, scripted):
    rows = [{"id": f"{i}", "prompt": f"q{i}", "chosen": "xxxx", "rejected": "yy"} for i in range(6)]
    straight, turned = tmp_path / "straight", tmp_path / "turned"
    assert judge_file(write_rows(*rows), straight) == 0
    swapped = [{**row, "chosen": "yy", "rejected": "xxxx"} for row in rows]
    assert judge_file(write_rows(*swapped, name="swapped.jsonl"), turned) == 0
    assert [line["id"] for line in lines(straight)] == [row["id"] for row in rows]
    assert {line["preferred"] for line in lines(straight)} == {"chosen"}
    assert {line["preferred"] for line in lines(turned)} == {"rejected"}
    for one, other in zip(lines(straight), lines(turned), strict=True):
        assert one["votes"] == {"chosen": 4, "rejected": 0, "tie": 0, "failed": 0, "possible": 4}
        assert one["probability"] == pytest.approx(1 - other["probability"])
        assert one["flip"] is False


def test_a_judged_file_is_not_judged_again(tmp_path, write_rows, scripted):
    path = write_rows({"id": "0", "prompt": "q", "chosen": "xxxx", "rejected": "yy"})
    judge_file(path, tmp_path / "run")
    first, num_asked = lines(tmp_path / "run"), len(scripted)
    assert num_asked == 4  # two votes in each order
    judge_file(path, tmp_path / "run")
    assert (lines(tmp_path / "run"), len(scripted)) == (first, num_asked)


@pytest.mark.parametrize(("allowed", "code"), [(0.5, 0), (0.49, 1)])
def test_more_failures_than_allowed_end_with_1_and_everything_is_kept(
    tmp_path, write_rows, scripted, allowed, code
):
    rows = [{"id": f"{i}", "prompt": "q", "chosen": "xxxx", "rejected": "yy"} for i in range(2)]
    rows[1]["prompt"] = "zzzz"
    run = tmp_path / "run"
    assert judge_file(write_rows(*rows), run, max_failure_rate=allowed) == code
    assert [line["failure"] for line in lines(run)] == [None, "unparseable"]


def test_a_path_in_brackets_is_said_as_it_is(tmp_path, write_rows, scripted, capsys):
    path = write_rows({"prompt": "q", "chosen": "xxxx", "rejected": "yy"})
    run = tmp_path / "[bold]run[-bold]"
    judge_file(path, run)
    assert (
        f"1 pairs judged, 0 without a verdict: {run / 'verdicts.jsonl'}" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("settings", "cast"),
    # 8 votes of each order: certain after 5; at one in a hundred 3, at a mean of 4 votes 2.
    [({}, 16), ({"stop_at": 0.0}, 10), ({"stop_at": 0.01}, 6), ({"mean_votes": 4.0}, 4)],
)
def test_votes_are_stopped_and_budgeted_as_asked(tmp_path, write_rows, scripted, settings, cast):
    rows = [{"id": f"{i}", "prompt": f"q{i}", "chosen": "xxxx", "rejected": "yy"} for i in range(6)]
    judge = JudgeConfig(
        model="m", base_url="http://scripted", voting=VotingConfig(votes=8, **settings)
    )
    output = tmp_path / "judged"
    run_judge(JudgeFileConfig(judge=judge, pairs=str(write_rows(*rows)), output=output))
    assert {line["preferred"] for line in lines(output)} == {"chosen"}
    for line in lines(output):
        assert line["votes"] == {
            "chosen": cast,
            "rejected": 0,
            "tie": 0,
            "failed": 0,
            "possible": 16,
        }
    assert len(scripted) == 6 * cast
