"""A judge chooses among candidates: what is written, what is asked, what is measured."""

import json

import pytest

from jurist.data import Candidate, Pool
from jurist.engines import ScriptedEngine
from jurist.engines import openai as served
from jurist.errors import ConfigError, DataError
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.pools import PoolsConfig, pair_of
from jurist.recipes.select import SelectConfig, run_select, select
from jurist.reports import RuleKind, load_results
from jurist.types import Comparison, user


def by_price(prompt, index):
    """Prefers the response with the higher price; cannot read one that says zzzz."""
    text = prompt[-1].content
    prices = [int(word[1:]) for word in text.split() if word.startswith("$")]
    if "zzzz" in text or prices[0] == prices[1]:
        return "I cannot say."
    return "[[A]]" if prices[0] > prices[1] else "[[B]]"


@pytest.fixture
def asked(monkeypatch):
    seen = []

    def reply(prompt, index):
        seen.append(prompt)
        return by_price(prompt, index)

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(reply))
    return seen


def pool(id, prices, right, **columns):
    """Candidates by their prices; those at a price in `right` are correct."""
    return {
        "id": id,
        "prompt": f"What does it cost in {id}?",
        "candidates": [
            {"text": f"It is ${price} here", "correct": price in right, "model": f"m{i}"}
            for i, price in enumerate(prices)
        ],
        **columns,
    }


POOLS = [
    pool("a", [1, 2, 3, 4], {4}),
    pool("b", [5, 3, 9, 7], {9}),
    pool("c", [1, 2, 3, 4], {1}),
    pool("d", [6, 8, 2, 4], {8, 6}),
]


def config(path, output, **changes):
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=1))
    return SelectConfig(judge=judge, pools=(str(path),), output=output, **changes)


def lines(output):
    return [json.loads(line) for line in (output / "selected.jsonl").read_text().splitlines()]


def rows(results):
    return {(row.method, row.rule): row for row in results.selection}


def test_the_dearest_of_each_pool_is_chosen_and_measured(
    tmp_path, write_rows, asked, capsys, drawn
):
    output = tmp_path / "run"
    assert run_select(config(write_rows(*POOLS), output)) == 0
    assert [(line["id"], line["text"]) for line in lines(output)] == [
        ("a", "It is $4 here"),
        ("b", "It is $9 here"),
        ("c", "It is $4 here"),
        ("d", "It is $8 here"),
    ]
    first = lines(output)[0]
    assert (first["correct"], first["model"], first["chosen"], first["num_comparisons"]) == (
        True,
        "m3",
        3,
        6,
    )
    assert sorted(first["rewards"]) == first["rewards"]
    assert len(asked) == 4 * 6 * 2
    # Prices make an order, so of the 4 triples of each pool none goes round in a circle.
    assert {(line["num_cyclic"], line["num_triples"]) for line in lines(output)} == {(0, 4)}
    said = "24 comparisons in 4 pools; of 16 triples of candidates that all met, 0 go round"
    assert said in (output / "report.md").read_text()
    results = load_results(output / "results.json")
    found = rows(results)
    judged = found["judge", "all pairs"]
    assert [point.n for point in judged.points] == [1, 2, 3, 4]
    # Right in three pools of four; random and the judge on one candidate are the pools' mean.
    assert judged.points[-1].accuracy.value == 0.75
    assert judged.points[0].accuracy.value == pytest.approx(5 / 16)
    assert judged.points[0].over_random.value == pytest.approx(0)
    assert judged.points[-1].over_random.value == pytest.approx(0.75 - 5 / 16)
    assert judged.points[-1].recovered == pytest.approx((0.75 - 5 / 16) / (1 - 5 / 16))
    assert [point.comparisons for point in judged.points] == [0, 1, 3, 6]
    assert [point.comparisons for point in found["judge", "knockout"].points] == [0, 1, 2, 3]
    assert found["judge", "knockout"].points[-1].accuracy.value == 0.75
    assert ("judge", "league of 4") not in found  # as many as there are
    assert found["oracle", ""].points[-1].accuracy.value == 1.0
    assert found["random", ""].points[-1].accuracy.value == pytest.approx(5 / 16)
    assert ("majority", "") not in found  # no pool says that its answer is a number
    # Pairs of a right candidate and a wrong one: 3 + 3 + 3 + 4, of which pool c's are wrong.
    (agreement,) = [row.agreement for row in results.rows]
    assert (agreement.num_pairs, agreement.accuracy.value) == (13, pytest.approx(10 / 13))
    said = capsys.readouterr().out
    assert "pairs: best of 4 by judge, all pairs: 75.0 [" in said
    assert "Best of n: pairs" in (output / "report.md").read_text()
    assert 'id="figure-selection"' in (output / "report.html").read_text()


def test_a_finished_run_asks_nothing_again_and_writes_the_same(tmp_path, write_rows, asked):
    path, output = write_rows(*POOLS), tmp_path / "run"
    run_select(config(path, output))
    before, number = (output / "selected.jsonl").read_bytes(), len(asked)
    report = (output / "report.html").read_bytes()
    run_select(config(path, output))
    assert (len(asked), (output / "selected.jsonl").read_bytes()) == (number, before)
    assert (output / "report.html").read_bytes() == report


@pytest.mark.parametrize(
    ("tournament", "rule", "made"),
    [("league", "league of 2", 4), ("swiss", "Swiss, 2 rounds", 4), ("knockout", "knockout", 3)],
)
def test_smaller_tournaments_ask_for_no_more_than_they_say(
    tmp_path, write_rows, asked, tournament, rule, made
):
    output, path = tmp_path / "run", write_rows(*POOLS)
    asking = config(path, output, tournament=tournament, limits=PoolsConfig(num_opponents=2))
    results = select(asking)
    assert len(asked) == 4 * made * 2
    assert {line["num_comparisons"] for line in lines(output)} == {made}
    judges = [row for row in results.selection if row.kind is RuleKind.JUDGE]
    assert [(row.rule, [point.n for point in row.points]) for row in judges] == [(rule, [4])]
    assert judges[0].points[0].comparisons == made
    if tournament == "knockout":
        assert judges[0].points[0].accuracy.value == 0.75
        assert [line["rewards"] for line in lines(output)] == [None] * 4
    number = len(asked)
    assert select(asking) == results
    assert len(asked) == number


LIVE = {"league": "league of 2", "swiss": "Swiss, 2 rounds", "knockout": "knockout"}


def test_the_replay_of_a_tournament_is_what_it_gives_live(tmp_path, write_rows, asked):
    many = [pool(f"p{i}", [(7 * i + 3 * j) % 11 for j in range(6)], {10, 9}) for i in range(8)]
    path = write_rows(*many)
    limits = PoolsConfig(num_opponents=2)
    whole = rows(select(config(path, tmp_path / "all", limits=limits)))
    for tournament, rule in LIVE.items():
        live = rows(select(config(path, tmp_path / rule, limits=limits, tournament=tournament)))
        assert live["judge", rule].points[-1] == whole["judge", rule].points[-1]


def test_the_order_of_candidates_does_not_matter(tmp_path, write_rows, asked):
    turned = [{**row, "candidates": row["candidates"][::-1]} for row in POOLS]
    run_select(config(write_rows(*POOLS), tmp_path / "one"))
    run_select(config(write_rows(*turned, name="pairs2.jsonl"), tmp_path / "two"))
    for one, other in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        assert one["text"] == other["text"]
        assert one["rewards"] == other["rewards"][::-1]


def test_the_label_does_not_decide_what_is_shown(tmp_path, write_rows, asked):
    run_select(config(write_rows(*POOLS), tmp_path / "one"))
    shown = [prompt[-1].content for prompt in asked]
    asked.clear()
    bare = [
        {**row, "candidates": [{"text": one["text"]} for one in row["candidates"]]} for row in POOLS
    ]
    run_select(config(write_rows(*bare, name="pairs2.jsonl"), tmp_path / "two"))
    assert sorted(shown) == sorted(prompt[-1].content for prompt in asked)


def test_a_pairs_id_is_of_its_texts_and_its_label_of_what_is_right():
    candidates = [Candidate(text=text, correct=text == "b") for text in "abc"]
    one = Pool(id="p", prompt=user("q"), candidates=tuple(candidates), group="g")
    bare = Pool(
        id="p", prompt=user("q"), candidates=tuple(Candidate(text=t) for t in "abc"), group="g"
    )
    shown = Comparison(prompt=user("q"), first="a", second="b")
    for comparison in (shown, shown.swapped()):
        pair = pair_of(one, comparison)
        assert (pair.chosen, pair.rejected, pair.tie) == ("b", "a", False)
        unlabelled = pair_of(bare, comparison)
        assert (unlabelled.tie, unlabelled.id) == (True, pair.id)
    assert pair_of(one, Comparison(prompt=user("q"), first="a", second="c")).tie


def test_pools_without_labels_are_chosen_from_and_not_measured(tmp_path, write_rows, asked):
    bare = [
        {**row, "candidates": [{"text": one["text"]} for one in row["candidates"]]} for row in POOLS
    ]
    output = tmp_path / "run"
    assert run_select(config(write_rows(*bare), output)) == 0
    assert [line["chosen"] for line in lines(output)] == [3, 2, 3, 1]
    assert not (output / "results.json").exists()


def test_pools_labelled_in_part_are_refused(tmp_path, write_rows, asked):
    half = json.loads(json.dumps(POOLS))
    del half[1]["candidates"][0]["correct"]
    with pytest.raises(DataError, match=r"pairs: 1 of 4 pools .*\(pool 'b' is the first\)"):
        select(config(write_rows(*half), tmp_path / "run"))
    assert asked == []


def test_nothing_to_measure_is_said_and_the_choice_is_kept(tmp_path, write_rows, asked):
    path = write_rows(pool("a", [1, 2], set()))
    with pytest.raises(DataError, match="no pool has a right candidate beside a wrong one"):
        select(config(path, tmp_path / "run"))
    assert len(lines(tmp_path / "run")) == 1


def test_a_circle_is_counted_and_said(tmp_path, write_rows, monkeypatch, caplog):
    def rock_paper_scissors(prompt, index):
        prices = [int(word[1:]) for word in prompt[-1].content.split() if word.startswith("$")]
        return "[[A]]" if (prices[0] - prices[1]) % 3 == 1 else "[[B]]"

    monkeypatch.setattr(
        served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(rock_paper_scissors)
    )
    caplog.set_level("INFO")
    path = write_rows(pool("a", [1, 2, 3], {3}), pool("b", [1, 2], {2}))
    select(config(path, tmp_path / "run"))
    assert [(one["num_cyclic"], one["num_triples"]) for one in lines(tmp_path / "run")] == [
        (1, 1),
        (0, 0),
    ]
    assert "4 comparisons in 2 pools; of 1 triples of candidates that all met, 1 go" in caplog.text
    select(config(path, tmp_path / "knockout", tournament="knockout"))
    assert "no three candidates all met, so cycles cannot be seen" in caplog.text


def test_failures_are_counted_and_leave_the_choice_to_the_rest(tmp_path, write_rows, asked):
    row = pool("a", [1, 2, 3], {2})
    row["candidates"].append({"text": "zzzz $99", "correct": False})
    select(config(write_rows(row, POOLS[1]), tmp_path / "run"))
    first = lines(tmp_path / "run")[0]
    assert first["text"] == "It is $3 here"
    assert (first["num_failed"], first["rewards"][3]) == (3, None)


def test_equal_texts_are_judged_once_and_chosen_as_one(tmp_path, write_rows, asked):
    row = pool("a", [4, 4, 4, 1], {4})
    row["candidates"][1]["correct"] = False
    results = select(config(write_rows(row, POOLS[1]), tmp_path / "run"))
    assert len(asked) == 2 * (1 + 6)
    # Two of three equal ones are right: any of them may be taken, and the pair says nothing.
    whole = rows(results)["judge", "all pairs"].points[-1]
    assert whole.accuracy.value == pytest.approx((2 / 3 + 1) / 2)
    assert results.rows[0].agreement.num_pairs == 3


@pytest.mark.parametrize("tournament", ["all-pairs", "swiss", "knockout"])
def test_a_set_without_a_pair_to_compare_is_chosen_from(tmp_path, write_rows, asked, tournament):
    with pytest.raises(DataError, match="nothing to measure"):
        select(config(write_rows(pool("b", [4, 4], {4})), tmp_path / "run", tournament=tournament))
    assert [line["chosen"] for line in lines(tmp_path / "run")] == [0]
    assert asked == []


def test_majority_is_told_by_numbers_where_answers_are_numbers(tmp_path, write_rows, asked):
    numbered = [
        {
            **row,
            "candidates": [
                {**one, "text": f"${i} so {one['text'][6:-5]}"}
                for i, one in enumerate(row["candidates"])
            ],
            "answer": "4",
        }
        for row in POOLS
    ]
    results = select(config(write_rows(*numbered), tmp_path / "auto"))
    assert ("majority", "") in rows(results)
    assert ("judge", "all pairs, weighted vote") in rows(results)
    results = select(config(write_rows(*numbered), tmp_path / "none", answers="none"))
    assert ("majority", "") not in rows(results)
    assert ("judge", "all pairs, weighted vote") not in rows(results)


def test_limits_take_fewer_pools_and_candidates_whatever_their_order(tmp_path, write_rows, asked):
    limits = PoolsConfig(max_pools=2, max_candidates=3)
    select(config(write_rows(*POOLS), tmp_path / "one", limits=limits))
    select(config(write_rows(*POOLS[::-1], name="pairs2.jsonl"), tmp_path / "two", limits=limits))
    one, two = lines(tmp_path / "one"), lines(tmp_path / "two")
    assert len(one) == 2
    assert {len(line["rewards"]) for line in one} == {3}
    assert sorted((a["id"], a["text"]) for a in one) == sorted((a["id"], a["text"]) for a in two)


def test_a_pool_that_was_trained_on_is_refused(tmp_path, write_rows, asked):
    train = write_rows(
        {"prompt": POOLS[0]["prompt"], "chosen": "x", "rejected": "y"}, name="train.jsonl"
    )
    with pytest.raises(DataError, match="prompt"):
        select(config(write_rows(*POOLS), tmp_path / "run", train=str(train)))
    assert asked == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"pools": ()}, "--pools names no set"),
        ({"prior": 0.0}, "--prior must be positive"),
        ({"max_draws": 0}, "--max-draws must be at least 1"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(tmp_path, changes, wanted):
    settings = {"judge": JudgeConfig(model="m"), "pools": ("p",), "output": tmp_path, **changes}
    with pytest.raises(ConfigError, match=wanted):
        SelectConfig(**settings)


@pytest.mark.parametrize(
    ("name", "value"), [("num_opponents", 1), ("max_pools", 0), ("max_candidates", 1)]
)
def test_limits_that_leave_nothing_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} must be at least"):
        PoolsConfig(**{name: value})
