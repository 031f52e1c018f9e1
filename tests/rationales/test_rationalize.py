import pytest

from jurist.errors import ConfigError
from jurist.formats import Direct, Pairwise, Rationalizer, Terse, make_rationalizer
from jurist.rationales import both_orders, right_and_wrong, right_traces, sample_rationales
from jurist.types import Comparison, Completion, Preference, Sampling, Verdict, user
from jurist.worlds import preferences as draw

PAIRS = draw("in_distribution", "train", num=5, seed=1)
FORMAT = Terse(seed=2)


class Author:
    """Explains the verdict it is given, as its script says."""

    fingerprint = "author"

    def __init__(self, script):
        self.script = script
        self.prompts = []

    def generate(self, prompts, sampling, rule=None):
        self.prompts += prompts
        return [
            [
                Completion(
                    text=self.script(prompt[0].content.rpartition(" ")[2], index),
                    finish_reason="stop",
                )
                for index in range(sampling.num_samples)
            ]
            for prompt in prompts
        ]


def obliging(letter, index):
    return f"gut {letter} looks neat {index} \n [[{letter}]]"


def test_traces_stand_with_the_prompt_that_a_judge_sees_and_the_hint_does_not():
    author = Author(obliging)
    found = sample_rationales(author, Rationalizer(FORMAT), PAIRS, Sampling(num_samples=2))
    assert len(author.prompts) == 10
    assert len(found.traces) == 20
    for trace in found.traces:
        assert trace.right
        assert trace.prompt[0].content.endswith(" Think")
    asked = {prompt[0].content.rpartition(" Think ")[2] for prompt in author.prompts}
    assert asked == {"A", "B"}
    assert found.counts == {
        "preferences": 5,
        "ties": 0,
        "rationales": 20,
        "kept": 20,
        "contrary": 0,
        "disclosed": 0,
        "truncated": 0,
        "unparseable": 0,
        "refused": 0,
        "error": 0,
    }


def test_a_judges_own_prompts_are_the_same_whichever_response_is_chosen():
    turned = [
        Preference(id=one.id, prompt=one.prompt, chosen=one.rejected, rejected=one.chosen)
        for one in PAIRS
    ]
    ways = [
        sample_rationales(Author(obliging), Rationalizer(FORMAT), pairs, Sampling()).traces
        for pairs in (PAIRS, turned)
    ]
    assert {trace.prompt for trace in ways[0]} == {trace.prompt for trace in ways[1]}


def test_what_contradicts_its_verdict_says_it_was_told_or_fails_is_left_out_and_counted():
    def script(letter, index):
        other = "B" if letter == "A" else "A"
        return [
            f"fine \n [[{letter}]]",
            f"no \n [[{other}]]",
            f"as you said \n [[{letter}]]",
            "what",
        ][index]

    found = sample_rationales(Author(script), Rationalizer(FORMAT), PAIRS, Sampling(num_samples=4))
    assert len(found.traces) == 10
    assert {name: found.counts[name] for name in ("kept", "contrary", "disclosed")} == {
        "kept": 10,
        "contrary": 10,
        "disclosed": 10,
    }
    assert found.counts["unparseable"] == 10


def test_both_sides_make_pairs_and_one_side_makes_rows():
    rationalizer = Rationalizer(FORMAT)
    both = sample_rationales(
        Author(obliging), rationalizer, PAIRS, Sampling(num_samples=2), sides=("right", "wrong")
    )
    pairs = right_and_wrong(both.traces, per_prompt=2, seed=0).rows
    assert len(pairs) == 20
    for pair in pairs:
        assert pair.chosen.endswith("[[A]]" if pair.label is Verdict.FIRST else "[[B]]")
        assert not pair.rejected.endswith(pair.chosen[-5:])
    one = sample_rationales(Author(obliging), rationalizer, PAIRS, Sampling(num_samples=2))
    assert len(right_traces(one.traces, per_prompt=1, seed=0).rows) == 10


def test_a_tie_is_left_out_and_counted():
    tie = Preference(id="t", prompt=user("q"), chosen="a", rejected="b", tie=True, group="q")
    found = sample_rationales(Author(obliging), Rationalizer(FORMAT), [*PAIRS, tie], Sampling())
    assert (found.counts["preferences"], found.counts["ties"]) == (5, 1)


@pytest.mark.parametrize("format", [Pairwise(seed=1), Terse(seed=1)])
def test_the_hint_names_the_better_response_and_nothing_else_changes_with_it(format):
    comparison, _ = both_orders(PAIRS[0])[0]
    rationalizer = Rationalizer(format)
    first, second = (
        rationalizer.render(comparison, verdict)[0].content
        for verdict in (Verdict.FIRST, Verdict.SECOND)
    )
    assert first != second
    plain = format.render(comparison)[0].content
    for hinted in (first, second):
        assert comparison.first in hinted
        assert comparison.second in hinted
        assert hinted != plain


def test_a_chat_model_is_told_the_line_to_end_with():
    comparison = Comparison(prompt=user("q"), first="one", second="two")
    asked = Rationalizer(Pairwise()).render(comparison, Verdict.SECOND)[0].content
    assert "response B to be the better one" in asked
    assert "response B is better than response A" in asked
    assert asked.endswith("a line that holds [[B]] and nothing else.")


def test_no_verdict_to_explain_is_refused():
    comparison = Comparison(prompt=user("q"), first="one", second="two")
    with pytest.raises(ValueError, match="tie has no better response"):
        Rationalizer(Pairwise()).render(comparison, Verdict.TIE)
    with pytest.raises(ValueError, match="no rationale"):
        Rationalizer(Terse(reasoning=False))
    with pytest.raises(ConfigError, match="'direct' has no reasoning"):
        make_rationalizer("direct", seed=0)
    assert make_rationalizer("terse", seed=4) == Rationalizer(Terse(seed=4))
    assert not Direct().reasoning
