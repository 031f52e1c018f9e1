"""A judge labels pairs and pools: what is preferred, tied, set aside, and read back to train on."""

import json
import math
from typing import get_args

import pytest

import jurist
from jurist.data import read_preferences
from jurist.digest import derive_seed
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, DataError
from jurist.recipes import judged_parts
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.judged_parts import BudgetConfig
from jurist.recipes.label import run_label
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.labels import Reason
from jurist.recipes.pools import PoolsConfig
from jurist.recipes.responses import PolicyConfig


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


def label(output, *, voting=VotingConfig(votes=2), **changes):
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=voting)
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
    found = json.loads((output / "labels.json").read_text())
    assert {name: found[name] for name in ("labelled", *get_args(Reason))} == {
        "labelled": 3,
        "preferred": 2,
        "tied": 0,
        "unsure": 0,
        "flipped": 1,
        "no verdict": 1,
        "one response": 0,
        "budget": 0,
    }
    assert found["rows"] == {"labelled.jsonl": 3}


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
        ({"prompts": "p"}, "--prompts are responded to by --policy"),
        ({"pairs": "p", "policy": PolicyConfig(policy="m")}, "--prompts are responded to by"),
        ({"pairs": "p", "layouts": ()}, "--layouts names no layout"),
        ({"pairs": "p", "layouts": ("trl", "verl")}, "--layouts to be of jurist, trl.*'verl'"),
        ({"pairs": "p", "layouts": ("trl", "trl")}, "--layouts names one twice: trl trl"),
        ({"pairs": "p", "min_confidence": 0.4}, "--min-confidence is a probability"),
        ({"pairs": "p", "min_confidence": 1.0}, "--min-confidence is a probability"),
        ({"pairs": "p", "max_failure_rate": 2.0}, "--max-failure-rate is a share"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(tmp_path, changes, wanted):
    with pytest.raises(ConfigError, match=wanted):
        LabelConfig(judge=JudgeConfig(model="m"), output=tmp_path, **changes)


def rows(path):
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def test_each_row_says_what_the_judge_said_and_what_it_cost(tmp_path, write_rows, asked):
    output = tmp_path / "run"
    label(output, pairs=str(write_rows(*PAIRS)), layouts=("jurist", "trl"))
    up, down, same = rows(output / "labelled.jsonl")
    summary = json.loads((output / "labels.json").read_text())
    for row in (up, down):
        assert row["judge"] == summary["judge"]["fingerprint"]
        assert row["judge_probability"] == row["judge_confidence"] == pytest.approx(0.9)
        assert row["judge_margin"] == row["margin"]
        assert row["judge_flip"] is False
        assert row["judge_votes"] == {"for": 4, "against": 0, "tie": 0, "failed": 0, "possible": 4}
        assert row["judge_tokens"]["written"] == 4
    assert (same["judge_probability"], same["judge_flip"], same["judge_margin"]) == (
        0.5,
        True,
        None,
    )
    assert same["judge_votes"] == {"for": 2, "against": 2, "tie": 0, "failed": 0, "possible": 4}
    assert [row["id"] for row in rows(output / "labelled-trl.jsonl")] == ["up", "down"]
    spent = summary["spent"]
    assert (spent["num_comparisons"], spent["num_judgements"], spent["num_failures"]) == (4, 16, 4)
    assert spent["tokens_per_label"] == (spent["num_read"] + spent["num_written"]) / 3


def test_what_it_is_unsure_of_may_be_left_without_a_label(tmp_path, write_rows, asked):
    path = str(write_rows(*PAIRS))
    label(tmp_path / "run", pairs=path, unsure="abstain")
    assert [one.id for one in labelled(tmp_path / "run")] == ["up", "down"]
    assert set_aside(tmp_path / "run") == {"same": "flipped", "lost": "no verdict"}
    # As many votes for either is not to be unsure, but to hold them equal.
    label(tmp_path / "even", pairs=path, unsure="abstain", consistent=False)
    assert [one.id for one in labelled(tmp_path / "even")] == ["up", "down", "same"]
    assert set_aside(tmp_path / "even") == {"lost": "no verdict"}
    # Four of four, 0.9, are sure enough for nothing.
    strict = {"pairs": path, "min_confidence": 0.95}
    with pytest.raises(DataError, match="none of 4 could be labelled"):
        label(tmp_path / "strict", unsure="abstain", **strict)
    assert set_aside(tmp_path / "strict")["up"] == "unsure"
    label(tmp_path / "tied", **strict)
    assert all(one.tie for one in labelled(tmp_path / "tied"))


def test_where_no_layout_has_ties_they_are_set_aside(tmp_path, write_rows, asked):
    output = tmp_path / "run"
    label(output, pairs=str(write_rows(*PAIRS)), layouts=("trl", "openrlhf"))
    assert set_aside(output) == {"same": "flipped", "lost": "no verdict"}
    assert not (output / "labelled.jsonl").exists()
    assert len(rows(output / "labelled-openrlhf.jsonl")) == 2


def test_a_judge_that_goes_by_places_alone_yields_ties_only(tmp_path, write_rows, monkeypatch):
    engine = ScriptedEngine(lambda prompt, index: "[[A]]")
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: engine)
    label(tmp_path / "run", pairs=str(write_rows(*PAIRS)))
    found = rows(tmp_path / "run" / "labelled.jsonl")
    assert [row["id"] for row in found] == [row["id"] for row in PAIRS]
    assert all(row["tie"] and row["judge_flip"] for row in found)


MANY = [
    {"id": f"p{n}", "prompt": f"q{n}", "chosen": f"is ${n % 7} a", "rejected": f"is ${n % 5} b"}
    for n in range(40)
]


def noisy(prompt, index):
    """Sides with the dearer one, mostly: votes differ from sample to sample."""
    said = by_price(prompt, index)
    turned = {"[[A]]": "[[B]]", "[[B]]": "[[A]]"}
    return turned.get(said, said) if derive_seed(prompt[-1].content, index) % 4 == 0 else said


@pytest.fixture
def wavering(monkeypatch):
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(noisy))


def test_permuting_the_rows_permutes_the_labels(tmp_path, write_rows, wavering):
    shuffled = sorted(MANY, key=lambda row: derive_seed(row["id"]))
    found = {}
    for name, these in (("one", MANY), ("two", shuffled)):
        output = tmp_path / name
        label(output, pairs=str(write_rows(*these)), voting=VotingConfig(votes=3))
        found[name] = rows(output / "labelled.jsonl")
        assert [row["id"] for row in found[name]] == [row["id"] for row in these]
    by_id = {row["id"]: row for row in found["two"]}
    assert found["one"] == [by_id[row["id"]] for row in found["one"]]
    assert len({row["judge_probability"] for row in found["one"]}) > 3


def test_swapping_the_responses_swaps_chosen_and_rejected_and_nothing_else(
    tmp_path, write_rows, wavering
):
    # In places drawn from ids, a swap exchanges the two orders: what is preferred is the same text.
    turned = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in MANY]
    found = {}
    for name, these in (("one", MANY), ("two", turned)):
        label(tmp_path / name, pairs=str(write_rows(*these)), voting=VotingConfig(votes=3))
        found[name] = rows(tmp_path / name / "labelled.jsonl")
    kinds = set()
    for one, two in zip(found["one"], found["two"], strict=True):
        kinds.add(one["tie"])
        if one["tie"]:
            assert (one["chosen"], one["rejected"]) == (two.pop("rejected"), two.pop("chosen"))
            two |= {"chosen": one["chosen"], "rejected": one["rejected"]}
            for votes in (two["judge_votes"],):
                votes["for"], votes["against"] = votes["against"], votes["for"]
            two["judge_probability"] = pytest.approx(1 - two["judge_probability"])
        assert one == two
    assert kinds == {True, False}


@pytest.mark.parametrize("part_pairs", [1, 7, 40])
def test_in_parts_of_any_size_the_labels_are_the_same(
    tmp_path, write_rows, wavering, monkeypatch, part_pairs
):
    path = str(write_rows(*MANY))
    label(tmp_path / "whole", pairs=path)
    monkeypatch.setattr(judged_parts, "PART_PAIRS", part_pairs)
    label(tmp_path / "parts", pairs=path)
    for name in ("labelled.jsonl", "unlabelled.jsonl", "labels.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "parts" / "judgements" / "pairs").exists()


@pytest.mark.parametrize("after", [3, 50, 158])
def test_parts_that_are_done_are_kept_where_a_run_is_broken_off(
    tmp_path, write_rows, monkeypatch, after
):
    monkeypatch.setattr(judged_parts, "PART_PAIRS", 10)
    path, count = str(write_rows(*MANY)), 0

    def breaking(prompt, index):
        nonlocal count
        count += 1
        if count == after:
            raise KeyboardInterrupt
        return noisy(prompt, index)

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(noisy))
    label(tmp_path / "whole", pairs=path)
    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(breaking))
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path / "run", pairs=path)
    done = sorted((tmp_path / "run" / "judgements").glob("pairs/*"))
    assert len(done) == (after - 1) // 40
    (tmp_path / "run" / "completions.sqlite").unlink()
    label(tmp_path / "run", pairs=path)
    # The parts that were done were not asked about again, though nothing else was remembered.
    assert count == after + 160 - 40 * len(done)
    for name in ("labelled.jsonl", "labels.json", "judgements/pairs.jsonl.gz"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_refuses_other_pairs(tmp_path, write_rows, asked):
    label(tmp_path / "run", pairs=str(write_rows(*PAIRS)))
    with pytest.raises(ConfigError, match="judgements of 4 pairs, and there are 3 now"):
        label(tmp_path / "run", pairs=str(write_rows(*PAIRS[:3])))
    other = [*PAIRS[:3], {**PAIRS[3], "chosen": "is $7 x"}]
    with pytest.raises(ConfigError, match="judgements of other pairs"):
        label(tmp_path / "run", pairs=str(write_rows(*other)))


def test_a_run_goes_on_with_the_judge_it_began_with(tmp_path, write_rows, asked, monkeypatch):
    path = str(write_rows(*PAIRS))
    label(tmp_path / "run", pairs=path)
    (tmp_path / "run" / "judgements" / "pairs.jsonl.gz").unlink()
    monkeypatch.setattr(jurist, "__version__", "99.0")
    with pytest.raises(ConfigError, match="begun by another judge, with another jurist"):
        label(tmp_path / "run", pairs=path)


@pytest.mark.parametrize(
    ("budget", "judged"),
    [
        (BudgetConfig(max_judgements=160), 40),
        (BudgetConfig(max_judgements=159), 39),
        (BudgetConfig(max_judgements=50), 12),
    ],
)
def test_a_budget_of_judgements_is_kept_and_what_it_leaves_is_set_aside(
    tmp_path, write_rows, wavering, budget, judged
):
    output = tmp_path / "run"
    assert label(output, pairs=str(write_rows(*MANY)), budget=budget) == 0
    summary = json.loads((output / "labels.json").read_text())
    assert summary["budget"] == 40 - judged
    assert summary["spent"]["num_judgements"] == 4 * judged
    left = [name for name, reason in set_aside(output).items() if reason == "budget"]
    assert left == [row["id"] for row in MANY[judged:]]
    before = (output / "labelled.jsonl").read_bytes()
    label(output, pairs=str(write_rows(*MANY)), budget=budget)
    assert (output / "labelled.jsonl").read_bytes() == before


def test_votes_that_are_not_cast_are_left_for_other_pairs(tmp_path, write_rows, asked):
    # Two votes of eight settle a pair here, and 12 pairs are all that 200 votes are sure to reach.
    voting = VotingConfig(votes=8, stop_at=0.1)
    budget = BudgetConfig(max_judgements=200)
    label(tmp_path / "run", pairs=str(write_rows(*MANY)), voting=voting, budget=budget)
    summary = json.loads((tmp_path / "run" / "labels.json").read_text())
    assert summary["spent"]["num_judgements"] <= 200
    assert summary["spent"]["num_comparisons"] > 20


def test_a_budget_of_tokens_is_kept(tmp_path, write_rows, wavering):
    voting = VotingConfig(votes=2, max_tokens=10)
    label(tmp_path / "all", pairs=str(write_rows(*MANY)), voting=voting)
    whole = json.loads((tmp_path / "all" / "labels.json").read_text())["spent"]
    most = (whole["num_read"] + whole["num_written"]) // 2
    budget = BudgetConfig(max_judge_tokens=most)
    label(tmp_path / "run", pairs=str(write_rows(*MANY)), voting=voting, budget=budget)
    spent = json.loads((tmp_path / "run" / "labels.json").read_text())["spent"]
    assert 5 <= spent["num_comparisons"] <= 20
    assert spent["num_read"] + spent["num_written"] <= most


def test_too_small_a_budget_labels_nothing_and_says_so(tmp_path, write_rows, wavering):
    with pytest.raises(DataError, match=r"none of 40 could be labelled \({'budget': 40}\)"):
        label(
            tmp_path / "run",
            pairs=str(write_rows(*MANY)),
            budget=BudgetConfig(max_judgements=3),
        )


def test_a_mean_of_votes_is_shared_out_over_all_pairs_at_once(
    tmp_path, write_rows, wavering, monkeypatch
):
    voting = VotingConfig(votes=8, mean_votes=4)
    label(tmp_path / "run", pairs=str(write_rows(*MANY)), voting=voting)
    monkeypatch.setattr(judged_parts, "PART_PAIRS", 10)
    label(tmp_path / "parts", pairs=str(write_rows(*MANY)), voting=voting)
    one, two = ((tmp_path / name / "labelled.jsonl").read_bytes() for name in ("run", "parts"))
    assert one == two
    summary = json.loads((tmp_path / "run" / "labels.json").read_text())
    assert summary["estimate"]["num_judgements"] == 160
    assert summary["spent"]["num_judgements"] <= 160
    found = rows(tmp_path / "run" / "labelled.jsonl")
    assert len({sum(row["judge_votes"][n] for n in ("for", "against")) for row in found}) > 1
    with pytest.raises(ConfigError, match="--mean-votes is a budget of all pairs together"):
        label(tmp_path / "x", pairs="p", voting=voting, budget=BudgetConfig(max_judgements=9))


def test_pools_are_within_a_budget_or_beyond_it(tmp_path, write_rows, asked):
    pools = [*(pool(f"p{n}", 1, 2, 3) for n in range(4)), pool("same", 5, 5)]
    output = tmp_path / "run"
    budget = BudgetConfig(max_judgements=30)
    label(output, pools=str(write_rows(*pools)), budget=budget)
    assert [one.id for one in labelled(output)] == ["p0", "p1"]
    assert set_aside(output) == {"p2": "budget", "p3": "budget", "same": "one response"}
    (best, _) = rows(output / "labelled.jsonl")
    # Three comparisons were read for the one label, whose own votes are those of its two.
    assert best["judge_votes"] == {"for": 4, "against": 0, "tie": 0, "failed": 0, "possible": 4}
    assert best["judge_tokens"]["written"] == 12
    assert best["judge_confidence"] > best["judge_probability"] - 0.2


def test_rows_that_a_layout_has_no_place_for_are_refused_before_anything_is_judged(
    tmp_path, write_rows, asked
):
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    odd = {"id": "odd", "prompt": turns, "chosen": "x", "rejected": "y"}
    path = str(write_rows(*PAIRS, odd))
    with pytest.raises(DataError, match=r"odd: expected turns of user.*leave --layouts llama"):
        label(tmp_path / "run", pairs=path, layouts=("jurist", "llama-factory"))
    assert asked == []


def test_a_bad_last_row_is_found_before_anything_is_judged(tmp_path, write_rows, asked):
    path = str(write_rows(*PAIRS, {"id": "bad", "prompt": "x", "chosen": "y"}))
    with pytest.raises(DataError, match=r"pairs.jsonl:5: expected"):
        label(tmp_path / "run", pairs=path)
    assert asked == []
    label(tmp_path / "run", pairs=path, skip_bad=True)
    assert len(labelled(tmp_path / "run")) == 3
    assert len(rows(tmp_path / "run" / "rejects" / "pairs.jsonl")) == 1


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"text": "x", "chosen": "y", "rejected": "z"}, "expected a prompt at the beginning"),
        ({"prompt": "x", "chosen": "y"}, "expected the columns of a layout"),
        ({"prompt": "x", "chosen": "y", "rejected": " "}, "expected text in the rejected response"),
    ],
)
def test_what_is_no_pair_is_told(tmp_path, write_rows, asked, row, wanted):
    with pytest.raises(DataError, match=wanted):
        label(tmp_path / "run", pairs=str(write_rows(row)))


def test_a_pool_of_one_candidate_is_told(tmp_path, write_rows, asked):
    row = {"prompt": "x", "candidates": [{"text": "y"}]}
    with pytest.raises(DataError, match="expected at least two candidates, found 1"):
        label(tmp_path / "run", pools=str(write_rows(row)))
