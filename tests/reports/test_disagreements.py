from jurist.evaluation import Judged, judged
from jurist.reports import worst_disagreements
from jurist.types import Failure, Judgement, Message, Preference, Verdict, user


def row(id: str, given_to_label: float | None, *, wrong: bool = True, **fields: object) -> Judged:
    """A row judged in both orders, with this probability for the labelled response."""
    given = {"prompt": user("2+2?"), "chosen": "4", "rejected": "5", "group": id}
    preference = Preference(id=id, **{**given, **fields})  # type: ignore[arg-type]
    label = preference.shown(0).label
    first = given_to_label
    if first is not None and label is Verdict.SECOND:
        first = 1.0 - first
    outcome = label.swapped() if wrong else label
    readings = [
        Judgement(text=f"trace {swapped}", outcome=outcome, probability=first, swapped=swapped)
        for swapped in (False, True)
    ]
    (found,) = judged([preference], [readings], seed=0)
    return found


def ids(rows: list[Judged], limit: int = 10) -> list[str]:
    found = worst_disagreements(rows, method="m", split="s", limit=limit)
    return [case.id for case in found]


def test_the_surest_mistake_stands_first_and_equals_by_id():
    rows = [row("d", 0.4), row("c", 0.1), row("b", 0.1), row("a", 0.2)]
    assert ids(rows) == ["b", "c", "a", "d"]
    assert ids(rows, limit=2) == ["b", "c"]


def test_votes_without_a_probability_are_ranked_by_their_smoothed_share():
    assert ids([row("votes", None), row("sure", 0.01)]) == ["sure", "votes"]


def test_right_tied_and_failed_ballots_are_no_disagreements():
    right = row("right", 0.9, wrong=False)
    tie_label = row("tie", 0.1, tie=True)
    preference = row("x", 0.1).preference
    readings = [Judgement(text="", outcome=outcome) for outcome in (Verdict.FIRST, Verdict.SECOND)]
    tied = judged([preference], [readings], seed=0)
    failed = judged([preference], [[Judgement(text="", outcome=Failure.ERROR)]], seed=0)
    assert ids([right, tie_label, *tied, *failed]) == []


def test_a_case_says_what_was_said_and_where_the_responses_stood():
    for id in "abcdef":
        judged_row = row(id, 0.2, category="sums")
        (case,) = worst_disagreements([judged_row], method="m", split="s")
        assert (case.method, case.split, case.category) == ("m", "s", "sums")
        assert (case.prompt, case.chosen, case.rejected) == ("2+2?", "4", "5")
        assert (case.votes_right, case.votes_wrong, case.trace) == (0, 2, "trace False")
        assert case.probability is not None
        assert abs(case.probability - 0.2) < 1e-9
        assert case.trace_chosen_first is (judged_row.label is Verdict.FIRST)


def test_the_places_of_a_swapped_reading_are_those_it_was_shown():
    preference = row("a", 0.2).preference
    label = preference.shown(0).label
    readings = [
        Judgement(text="fails", outcome=Failure.TRUNCATED),
        Judgement(text="disagrees", outcome=label.swapped(), swapped=True),
    ]
    (case,) = worst_disagreements(judged([preference], [readings], seed=0), method="m", split="s")
    assert case.trace == "disagrees"
    assert case.trace_chosen_first is (label is Verdict.SECOND)


def test_long_texts_are_cut_with_a_count_and_turns_have_roles():
    prompt = (Message(role="system", content="Be brief."), Message(role="user", content="2+2?"))
    long = row("a", 0.2, prompt=prompt, rejected="5" * 10_000)
    (case,) = worst_disagreements([long], method="m", split="s")
    assert case.prompt == "system: Be brief.\n\nuser: 2+2?"
    assert "[... 8,500 characters cut ...]" in case.rejected
