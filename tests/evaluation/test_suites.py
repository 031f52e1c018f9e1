"""Numbers of benchmarks by their own rules, each worked by hand."""

from collections.abc import Sequence

import pytest

from jurist.data import Candidates, pairs_of
from jurist.errors import DataError
from jurist.evaluation import Judged, OfficialScore, judged, official_scores
from jurist.evaluation.sections import SECTION_OF, SECTIONS
from jurist.evaluation.suites import check_sections
from jurist.judges import BothOrders, ScoredJudge
from jurist.types import Failure, Judgement, Preference, Verdict, user

RIGHT, WRONG, TIE, FAILED = "right", "wrong", "tie", "failed"


def rows(*said: tuple[str, str, str], tie: bool = False) -> list[Judged]:
    """Judged pairs: category, and what came of each order."""
    preferences: list[Preference] = []
    judgements: list[list[Judgement]] = []
    for number, (category, *outcomes) in enumerate(said):
        one = Preference(
            id=f"p{number}",
            prompt=user(f"p{number}"),
            chosen="x",
            rejected="y",
            tie=tie,
            category=category,
            group=f"g{number}",
        )
        better = one.shown(0).label if not tie else Verdict.FIRST
        meant: dict[str, Verdict | Failure] = {
            RIGHT: better,
            WRONG: better.swapped(),
            TIE: Verdict.TIE,
            FAILED: Failure.REFUSED,
        }
        preferences.append(one)
        judgements.append(
            [
                Judgement(text="", outcome=meant[outcome], swapped=swapped)
                for outcome, swapped in zip(outcomes, (False, True), strict=True)
            ]
        )
    return judged(preferences, judgements, seed=0)


def values(scores: Sequence[OfficialScore]) -> dict[str, float]:
    """By name; every interval holds its value."""
    for score in scores:
        if score.interval is not None:
            assert score.interval.value == score.value
            assert score.interval.low <= score.value <= score.interval.high
    assert len({score.name for score in scores}) == len(scores)
    return {score.name: score.value for score in scores}


def test_rewardbench_has_its_23_subsets_and_their_published_weights():
    assert len(SECTION_OF) == 23
    # 358 chats, 456 hard ones, 740 of safety; mathematics counts as much as the code: 6 x 164.
    sums = {section: sum(weights.values()) for section, weights in SECTIONS.items()}
    assert sums == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 2 * 984}


def test_rewardbench_weights_subsets_not_rows():
    found = official_scores(
        "rewardbench",
        rows(
            # 100 and 28 pairs count: (100 x 1/2 + 28 x 1) / 128.
            ("alpacaeval-easy", RIGHT, RIGHT),
            ("alpacaeval-easy", WRONG, WRONG),
            ("mt-bench-easy", RIGHT, RIGHT),
            # A tie and a failure are half each.
            ("llmbar-natural", RIGHT, WRONG),
            ("llmbar-natural", FAILED, FAILED),
            ("donotanswer", RIGHT, RIGHT),
            # 984 and 164 count: 984 x 1/3 + 164 x 1, over 1148.
            ("math-prm", RIGHT, RIGHT),
            ("math-prm", WRONG, WRONG),
            ("math-prm", WRONG, WRONG),
            ("hep-go", RIGHT, RIGHT),
        ),
    )
    chat, reasoning = 78 / 128, (328 + 164) / 1148
    assert values(found) == pytest.approx(
        {
            "Chat": chat,
            "Chat Hard": 0.5,
            "Safety": 1.0,
            "Reasoning": reasoning,
            "mean of sections": (chat + 0.5 + 1.0 + reasoning) / 4,
        }
    )
    assert [score.num for score in found] == [3, 2, 1, 4, 10]


def test_rewardbench_with_sections_missing_says_how_many_there_are():
    found = official_scores("rewardbench", rows(("alpacaeval-easy", RIGHT, RIGHT)))
    assert values(found) == {"Chat": 1.0, "mean of sections (1 of 4)": 1.0}


def test_m_rewardbench_is_the_mean_of_languages_of_the_mean_of_sections():
    found = official_scores(
        "m-rewardbench",
        rows(
            ("deu_Latn/alpacaeval-easy", RIGHT, RIGHT),
            ("deu_Latn/alpacaeval-hard", WRONG, WRONG),
            ("deu_Latn/math-prm", RIGHT, RIGHT),
            ("fra_Latn/alpacaeval-easy", WRONG, WRONG),
            ("fra_Latn/math-prm", RIGHT, RIGHT),
        ),
    )
    assert values(found) == pytest.approx(
        {
            "deu_Latn: mean of sections (2 of 4)": 0.75,
            "fra_Latn: mean of sections (2 of 4)": 0.5,
            "mean of languages": 0.625,
        }
    )


def test_m_rewardbench_has_no_interval_over_languages_of_unlike_sections():
    found = official_scores(
        "m-rewardbench",
        rows(("deu_Latn/math-prm", RIGHT, RIGHT), ("fra_Latn/donotanswer", WRONG, WRONG)),
    )
    assert found[-1].value == 0.5
    assert found[-1].interval is None


def test_judgebench_counts_pairs_right_on_balance():
    found = official_scores(
        "judgebench",
        rows(("knowledge", RIGHT, TIE), ("knowledge", RIGHT, WRONG), ("math", RIGHT, RIGHT)),
    )
    assert values(found) == pytest.approx({"knowledge": 0.5, "math": 1.0, "overall": 2 / 3})


def test_llmbar_keeps_natural_and_adversarial_apart():
    found = official_scores(
        "llmbar",
        rows(
            ("Natural", RIGHT, WRONG),
            ("Adversarial/Neighbor", RIGHT, RIGHT),
            ("Adversarial/Neighbor", WRONG, WRONG),
            ("Adversarial/Neighbor", RIGHT, RIGHT),
            ("adversarial_gptinst", WRONG, WRONG),
        ),
    )
    assert values(found) == pytest.approx(
        {
            "Natural": 0.5,
            "Adversarial: gptinst": 0.0,
            "Adversarial: neighbor": 2 / 3,
            "Adversarial, mean of subsets (2 of 4)": 1 / 3,
        }
    )


def test_mt_bench_agrees_per_turn_with_and_without_ties():
    votes = [
        *rows(
            ("turn 1", RIGHT, RIGHT),
            ("turn 1", RIGHT, WRONG),
            ("turn 1", WRONG, WRONG),
            ("turn 2", FAILED, RIGHT),
        ),
        *rows(("turn 1", TIE, TIE), ("turn 1", RIGHT, RIGHT), tie=True),
    ]
    # Turn 1 with ties: right, tied and so wrong, wrong, right, wrong: 2 of 5. Without: 1 of 2.
    assert values(official_scores("mt-bench", votes)) == pytest.approx(
        {
            "turn 1, ties kept": 0.4,
            "turn 1, without ties": 0.5,
            "turn 2, ties kept": 0.0,
            "turn 2, without ties": 0.0,
        }
    )


def test_auto_j_and_pandalm_keep_ties():
    said = [
        *rows(("k", RIGHT, RIGHT), ("k", RIGHT, WRONG), ("k", WRONG, WRONG)),
        *rows(("k", TIE, TIE), tie=True),
    ]
    assert values(official_scores("auto-j", said)) == {
        "consistency": 0.75,
        "agreement in both orders, ties kept": 0.5,
    }
    assert values(official_scores("pandalm", said)) == {"accuracy, ties kept": 0.5}


def candidates(name: str, right: str, wrong: str, category: str, group: str = "") -> Candidates:
    return Candidates(
        id=name,
        prompt=user(name),
        right=tuple(right.split()),
        wrong=tuple(wrong.split()),
        category=category,
        group=group or name,
    )


def number(prompts, responses):
    """A scorer that takes a response for its score; "x" has none."""
    return [float("nan") if response == "x" else float(response) for response in responses]


def scored(suite: str, *several: Candidates) -> list[OfficialScore]:
    pairs = [pair for one in several for pair in pairs_of(one)]
    said = BothOrders(ScoredJudge(number))([pair.shown(0).comparison for pair in pairs])
    return official_scores(suite, judged(pairs, said, seed=0), candidates=several)


def test_rewardbench_2_is_best_of_four_and_ties_by_their_own_arithmetic():
    found = scored(
        "reward-bench-2",
        candidates("f1", "3", "2 1 0", "Factuality"),
        candidates("f2", "3", "3.0 1 0", "Factuality"),
        candidates("m1", "3", "x 1 0", "Math"),
        # Margin 2, spread 1; the reference's margin is 0.5.
        candidates("tied:1", "5 4", "2 1", "Ties", "ties:1"),
        candidates("ref:1", "5", "4.5 1", "Ties", "ties:1"),
    )
    # All right, all right; 2 > 1 holds, 0.5 > 1 does not; tanh(0.5 / 1 - 1).
    ties = 0.3 + 0.3 + 0.2 + 0.01 * -0.46211715726
    assert values(found) == pytest.approx(
        {
            "Factuality": 0.75,
            "Math": 0.0,
            "Ties": ties,
            "mean of subsets (3 of 6)": (0.75 + 0.0 + ties) / 3,
        },
        abs=1e-5,
    )
    assert [score.num for score in found] == [2, 1, 2, 5]


def test_rewardbench_2_leaves_ties_out_that_have_no_reference():
    found = scored(
        "reward-bench-2",
        candidates("m1", "3", "2", "Math"),
        candidates("tied:1", "5 4", "2 1", "Ties", "ties:1"),
        candidates("ref:2", "5", "1", "Ties", "ties:2"),
    )
    assert values(found) == {"Math": 1.0, "mean of subsets (1 of 6)": 1.0}


def test_rm_bench_is_a_mean_of_domains_each_a_mean_of_difficulties():
    found = scored(
        "rm-bench",
        # Right in every cell.
        candidates("a", "9 8 7", "1 2 3", "chat"),
        # Wrong in every cell.
        candidates("b", "1 2 3", "9 8 7", "chat"),
        # Scores grow with the style: right iff the right style is fancier. Ties are wrong.
        candidates("c", "1 2 3", "1.0 2.0 3.0", "math"),
    )
    assert values(found) == pytest.approx(
        {
            "chat": 0.5,
            "math": 1 / 3,
            "easy": (0.5 + 1.0) / 2,
            "normal": (0.5 + 0.0) / 2,
            "hard": (0.5 + 0.0) / 2,
            "mean of domains (2 of 4)": (0.5 + 1 / 3) / 2,
        }
    )


def test_rewardmath_is_one_against_nine():
    found = scored(
        "rewardmath",
        candidates("0", "10", "1 2 3 4 5 6 7 8 9", "Algebra"),
        candidates("1", "7.5", "1 2 3 4 5 6 7 8 9", "Algebra"),
    )
    assert values(found) == pytest.approx(
        {"mean reciprocal rank": (1 + 1 / 3) / 2, "right beats all": 0.5}
    )


@pytest.mark.parametrize("suite", ["hhh", "anything"])
def test_a_benchmark_of_plain_accuracy_has_no_more_numbers(suite: str):
    assert official_scores(suite, rows(("k", RIGHT, RIGHT))) == []


@pytest.mark.parametrize(
    ("suite", "category", "reason"),
    [
        (
            "rewardbench",
            "alpacaeval-odd",
            "expected a subset of RewardBench, found 'alpacaeval-odd'",
        ),
        ("m-rewardbench", "deu_Latn", "expected a subset of RewardBench, found ''"),
        ("llmbar", "", "expected LLMBar's Natural and Adversarial, found ''"),
    ],
)
def test_a_section_that_no_rule_knows_is_refused_before_and_after_judging(
    suite: str, category: str, reason: str
):
    with pytest.raises(DataError, match=reason):
        check_sections(suite, [category])
    with pytest.raises(DataError, match=reason):
        official_scores(suite, rows((category, RIGHT, RIGHT)))
    check_sections("judgebench", [category])
