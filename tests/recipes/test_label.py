"""A judge labels pairs and pools: what is preferred, tied, set aside, and read back to train on."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.data import read_preferences
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, DataError
from jurist.judges import Ballot
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.label import run_label
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.labels import label_of
from jurist.recipes.pools import PoolsConfig
from jurist.types import Failure, Judgement, Preference, Verdict, user

PAIR = Preference(id="0", prompt=user("q"), chosen="one", rejected="two", group="g", margin=9.0)


def ballot(given: str, swapped: str = "") -> Ballot:
    """Votes in either order, in terms of the pair: f, s, t, or x for a failure."""
    outcomes = {
        "f": Verdict.FIRST,
        "s": Verdict.SECOND,
        "t": Verdict.TIE,
        "x": Failure.UNPARSEABLE,
    }
    return Ballot.of(
        Judgement(text="", outcome=outcomes[letter], swapped=order)
        for votes, order in ((given, False), (swapped, True))
        for letter in votes
    )


@pytest.mark.parametrize(
    ("votes", "reason", "chosen"),
    [
        (("fff", "fff"), "preferred", "one"),
        (("sss", "sss"), "preferred", "two"),
        (("ffs", "fss"), "flipped", None),
        (("ffx", "xxx"), "preferred", "one"),
        (("fst", "fst"), "tied", None),
        (("xxx", "xxx"), "no verdict", None),
    ],
)
def test_votes_become_a_label(votes, reason, chosen):
    label = label_of(PAIR, ballot(*votes), min_confidence=0.6, consistent=True)
    assert label.reason == reason
    assert label.preference.tie is (chosen is None)
    if chosen is not None:
        assert label.preference.chosen == chosen
        assert label.preference.rejected == ({"one", "two"} - {chosen}).pop()


def test_the_margin_is_the_log_odds_and_the_threshold_is_on_the_probability():
    # 5 votes of 6, smoothed 5.5 / 7.
    votes = ballot("fff", "ffs")
    label = label_of(PAIR, votes, min_confidence=0.78, consistent=True)
    assert (label.reason, label.confidence) == ("preferred", pytest.approx(5.5 / 7))
    assert label.preference.margin == pytest.approx(math.log(5.5 / 1.5))
    unsure = label_of(PAIR, votes, min_confidence=0.79, consistent=True)
    assert (unsure.reason, unsure.preference.tie, unsure.preference.margin) == (
        "unsure",
        True,
        None,
    )


def test_contradicting_orders_may_be_allowed():
    votes = ballot("fff", "fss")
    assert label_of(PAIR, votes, min_confidence=0.5, consistent=True).reason == "flipped"
    assert label_of(PAIR, votes, min_confidence=0.5, consistent=False).reason == "preferred"


@given(
    given=st.text("fstx", min_size=1, max_size=5),
    swapped=st.text("fstx", max_size=5),
    min_confidence=st.floats(0.5, 0.95),
)
def test_which_response_is_called_chosen_does_not_matter(given, swapped, min_confidence):
    votes = ballot(given, swapped)
    mirrored = Ballot.of(judgement.mapped_back() for judgement in votes.judgements)
    turned = Preference(id="0", prompt=user("q"), chosen="two", rejected="one", group="g")
    one = label_of(PAIR, votes, min_confidence=min_confidence, consistent=True)
    other = label_of(turned, mirrored, min_confidence=min_confidence, consistent=True)
    assert one.reason == other.reason
    if not one.preference.tie:
        assert one.preference.chosen == other.preference.chosen
        assert one.preference.margin == pytest.approx(other.preference.margin)


def by_price(prompt, index):
    text = prompt[-1].content
    prices = [int(word[1:]) for word in text.split() if word.startswith("$")]
    if "zzzz" in text:
        return "I cannot say."
    if prices[0] == prices[1]:
        return "The first.\n[[A]]"
    return "[[A]]" if prices[0] > prices[1] else "[[B]]"


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def reply(prompt, index):
        seen.append(prompt)
        return by_price(prompt, index)

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(reply))
    return seen


def label(output, **changes):
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=2))
    return run_label(LabelConfig(judge=judge, output=output, **changes))


def labelled(output):
    return read_preferences(output / "labelled.jsonl", layout="jurist").preferences


def set_aside(output):
    rows = [json.loads(line) for line in (output / "unlabelled.jsonl").read_text().splitlines()]
    return {row["id"]: row["reason"] for row in rows}


PAIRS = [
    {"id": "up", "prompt": "a", "chosen": "is $2 x", "rejected": "is $1 x", "category": "c"},
    {"id": "down", "prompt": "b", "chosen": "is $1 x", "rejected": "is $2 x"},
    {"id": "same", "prompt": "c", "chosen": "is $1 x", "rejected": "is $1 y"},
    {"id": "lost", "prompt": "d", "chosen": "is $1 zzzz", "rejected": "is $2 x"},
]


def test_pairs_are_labelled_whatever_their_columns_say(tmp_path, write_rows, asked):
    output = tmp_path / "run"
    assert label(output, pairs=str(write_rows(*PAIRS))) == 0
    found = {one.id: one for one in labelled(output)}
    assert [*found] == ["up", "down", "same"]
    assert {found[name].chosen for name in ("up", "down")} == {"is $2 x"}
    # 4 votes of 4, smoothed 4.5 / 5.
    assert found["up"].margin == found["down"].margin == pytest.approx(math.log(9))
    assert (found["up"].category, found["up"].source, found["up"].tie) == ("c", "pairs", False)
    assert (found["same"].tie, found["same"].margin) == (True, None)
    assert set_aside(output) == {"lost": "no verdict"}
    assert json.loads((output / "labels.json").read_text()) == {
        "labelled": 3,
        "preferred": 2,
        "unsure": 0,
        "flipped": 1,
        "no verdict": 1,
        "one response": 0,
    }


def test_ties_may_be_set_aside_and_a_finished_run_asks_nothing(tmp_path, write_rows, asked):
    output, path = tmp_path / "run", str(write_rows(*PAIRS))
    label(output, pairs=path, ties="drop")
    assert [one.id for one in labelled(output)] == ["up", "down"]
    assert set_aside(output) == {"same": "flipped", "lost": "no verdict"}
    number, before = len(asked), (output / "labelled.jsonl").read_bytes()
    label(output, pairs=path, ties="drop")
    assert (len(asked), (output / "labelled.jsonl").read_bytes()) == (number, before)


@pytest.mark.parametrize(("allowed", "code"), [(0.25, 0), (0.24, 1)])
def test_more_failures_than_allowed_end_with_1(tmp_path, write_rows, asked, allowed, code):
    output = tmp_path / "run"
    assert label(output, pairs=str(write_rows(*PAIRS)), max_failure_rate=allowed) == code
    assert len(labelled(output)) == 3


def test_where_nothing_can_be_labelled_it_says_why(tmp_path, write_rows, asked):
    with pytest.raises(DataError, match=r"none of 1 could be labelled \({'no verdict': 1}\)"):
        label(tmp_path / "run", pairs=str(write_rows(PAIRS[3])))
    assert set_aside(tmp_path / "run") == {"lost": "no verdict"}


def pool(id, *prices):
    candidates = [{"text": f"is ${price} {id}", "correct": False} for price in prices]
    return {"id": id, "prompt": f"q {id}", "candidates": candidates}


POOLS = [pool("a", 3, 1, 2, 4), pool("b", 5, 5, 5), pool("zzzz", 1, 2), pool("d", 8, 9)]


def test_of_a_pool_the_best_is_chosen_over_the_worst(tmp_path, write_rows, asked):
    output = tmp_path / "run"
    label(output, pools=str(write_rows(*POOLS)))
    found = {one.id: one for one in labelled(output)}
    assert (found["a"].chosen, found["a"].rejected) == ("is $4 a", "is $1 a")
    assert (found["d"].chosen, found["d"].rejected) == ("is $9 d", "is $8 d")
    assert found["a"].margin > found["d"].margin > 0
    assert set_aside(output) == {"b": "one response", "zzzz": "no verdict"}


def test_of_a_pool_all_pairs_or_a_bounded_number_may_be_labelled(tmp_path, write_rows, asked):
    path = str(write_rows(POOLS[0], POOLS[3]))
    label(tmp_path / "all", pools=path, per_pool="all")
    assert len(labelled(tmp_path / "all")) == 7
    number = len(asked)
    label(
        tmp_path / "few",
        pools=path,
        per_pool="all",
        tournament="league",
        limits=PoolsConfig(num_opponents=2),
    )
    assert len(labelled(tmp_path / "few")) == 5
    assert (number, len(asked) - number) == (7 * 4, 5 * 4)
    for one in labelled(tmp_path / "all"):
        assert one.chosen.split()[1] > one.rejected.split()[1]


def test_labels_of_candidates_change_nothing(tmp_path, write_rows, asked):
    # Also where the judge ties: which of the two is written as chosen says nothing.
    tied = [
        {**pool(f"t{i}", 1), "candidates": [{"text": f"is $1 {c} t{i}"} for c in "ab"]}
        for i in range(6)
    ]
    right = json.loads(json.dumps([*POOLS, *tied]))
    for row in right:
        for place, candidate in enumerate(row["candidates"]):
            candidate["correct"] = place == 0
    for name, rows in (("one", [*POOLS, *tied]), ("two", right)):
        path = write_rows(*rows, name=f"{name}.jsonl")
        label(tmp_path / name, pools=f"{path}", per_pool="all")
    one, two = labelled(tmp_path / "one"), labelled(tmp_path / "two")
    assert [(a.id, a.chosen, a.tie) for a in one] == [(b.id, b.chosen, b.tie) for b in two]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, "either --pairs or --pools"),
        ({"pairs": "p", "pools": "q"}, "either --pairs or --pools"),
        ({"pairs": "p", "min_confidence": 0.4}, "--min-confidence is a probability"),
        ({"pairs": "p", "min_confidence": 1.0}, "--min-confidence is a probability"),
        ({"pairs": "p", "max_failure_rate": 2.0}, "--max-failure-rate is a share"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(tmp_path, changes, wanted):
    with pytest.raises(ConfigError, match=wanted):
        LabelConfig(judge=JudgeConfig(model="m"), output=tmp_path, **changes)
