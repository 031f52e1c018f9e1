import base64
import json
import zlib
from dataclasses import replace

import pytest

from jurist.errors import DataError
from jurist.evaluation import judged
from jurist.reports.explorer import Explored, explored
from jurist.types import Failure, Judgement, Message, Preference, Verdict, user


def unpacked(packed: str):
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def texts(found: Explored) -> list:
    return [pair for part in found.parts for pair in unpacked(part)]


def pair(number: int = 0, **changes) -> Preference:
    values = {
        "id": f"p{number}",
        "prompt": user(f"question {number}"),
        "chosen": "the better one",
        "rejected": "worse",
        "category": "sums",
        "group": f"g{number}",
    }
    return Preference(**{**values, **changes})


def reading(outcome, *, swapped=False, **changes) -> Judgement:
    return Judgement(text=f"says {outcome}", outcome=outcome, swapped=swapped, **changes)


def seed_with(first: bool, preference: Preference) -> int:
    """A seed that draws the better response into the first place, or into the second."""
    return next(
        seed
        for seed in range(99)
        if (preference.shown(seed).comparison.first == preference.chosen) is first
    )


@pytest.mark.parametrize("first", [True, False])
def test_everything_is_told_by_the_label_wherever_the_responses_stood(first: bool):
    preference = pair()
    better = Verdict.FIRST if first else Verdict.SECOND
    said = [
        reading(better, probability=0.9 if first else 0.1, num_tokens=7, num_prompt_tokens=50),
        reading(better.swapped(), swapped=True, probability=0.3 if first else 0.7),
        reading(Failure.TRUNCATED, swapped=True),
    ]
    rows = judged([preference], [said], seed=seed_with(first, preference))
    found = explored({"judge": {"test": rows}}, megabytes=1.0)
    index = unpacked(found.index)
    assert index["readings"] == [
        {
            "result": [0],
            "outcome": [0],
            "given": [0.6],
            "flip": [1],
            "unasked": [0],
            "votes": [[1, 1, 0, 1]],
        }
    ]
    ((prompt, chosen, rejected, ((one, two, three),)),) = texts(found)
    assert (prompt, chosen, rejected) == ([["user", "question 0"]], "the better one", "worse")
    # Read first, verdict, probability of the better one, strength, tokens, tokens read, text.
    assert one == [int(first), 0, 0.9, None, 7, 50, f"says {better}"]
    assert two[:3] == [int(not first), 1, 0.3]
    assert three[:2] == [int(not first), "truncated"]


@pytest.mark.parametrize(
    ("outcome", "tie", "result"),
    [
        ("right", False, 0),
        ("wrong", False, 1),
        (Verdict.TIE, False, 2),
        (Failure.REFUSED, False, 3),
        (Verdict.TIE, True, 0),
        (Verdict.FIRST, True, 1),
        (Failure.ERROR, True, 3),
    ],
)
def test_results_are_right_wrong_tied_or_none(outcome, tie: bool, result: int):
    preference = pair(tie=tie)
    label = preference.shown(0).label
    if outcome in ("right", "wrong"):
        outcome = label if outcome == "right" else label.swapped()
    rows = judged([preference], [[reading(outcome)]], seed=0)
    index = unpacked(explored({"judge": {"test": rows}}, megabytes=1.0).index)
    assert index["readings"][0]["result"] == [result]
    assert index["pairs"]["tie"] == [int(tie)]


def test_the_index_has_what_filters_need(judges):
    index = unpacked(explored(judges, megabytes=64.0, preset={"differ": "verdict"}).index)
    rows = judges["STaR-DPO"]
    assert index["judges"] == list(judges)
    assert index["sets"] == ["in-distribution", "shifted"]
    assert index["categories"] == ["chat", "sums", "words"]
    assert index["preset"] == {"differ": "verdict"}
    assert len(index["pairs"]["id"]) == 40
    in_order = [*rows["in-distribution"], *rows["shifted"]]
    assert index["pairs"]["id"] == [row.preference.id for row in in_order]
    assert index["pairs"]["title"][7] == "What is 7 plus 8, and how do you know?"
    assert index["pairs"]["better"] == [len(row.preference.chosen) for row in in_order]
    star = index["readings"][list(judges).index("STaR-DPO")]
    assert star["flip"] == [
        None if f is None else int(f) for f in (r.ballot.flip for r in in_order)
    ]
    credits = [row.credit for row in in_order]
    assert [code == 0 for code in star["result"]] == [credit == 1.0 for credit in credits]


def test_texts_stand_in_the_order_of_the_index_in_parts_that_say_where_they_begin():
    long = "word " * 20_000
    rows = judged(
        [pair(i, chosen=f"{i} {long}") for i in range(12)],
        [[reading(Verdict.FIRST)] for _ in range(12)],
        seed=0,
    )
    found = explored({"judge": {"test": rows}}, megabytes=64.0)
    index = unpacked(found.index)
    parts = [unpacked(part) for part in found.parts]
    assert len(parts) > 1
    assert index["starts"] == [sum(map(len, parts[:i])) for i in range(len(parts))]
    assert [one[1].split()[0] for one in texts(found)] == [str(i) for i in range(12)]
    assert found.num_bytes > 12 * len(long)


def test_what_finds_no_room_is_counted_and_what_does_is_drawn_not_taken_from_the_top(judges):
    whole = explored(judges, megabytes=64.0)
    assert (whole.num_pairs, whole.num_left_out) == (40, 0)
    half = explored(judges, megabytes=whole.num_bytes / 2e6)
    assert 10 < half.num_pairs < 30
    assert half.num_left_out == 40 - half.num_pairs
    assert half.num_bytes <= whole.num_bytes / 2
    ids = unpacked(half.index)["pairs"]["id"]
    everything = unpacked(whole.index)["pairs"]["id"]
    assert ids == [one for one in everything if one in ids]
    assert ids != everything[: len(ids)]
    assert explored(judges, megabytes=1e-9).num_pairs == 1


def test_where_room_is_short_pairs_on_which_judges_differ_can_come_first(judges):
    two = {name: judges[name] for name in ("STaR-DPO", "zero-shot judge")}
    whole = unpacked(explored(two, megabytes=64.0).index)
    one, other = ([str(o) for o in of["outcome"]] for of in whole["readings"])
    differ = sum(a != b for a, b in zip(one, other, strict=True))
    assert 5 < differ < 35
    room = explored(two, megabytes=64.0).num_bytes / 4e6
    few = unpacked(explored(two, megabytes=room, differing_first=True).index)
    one, other = ([str(o) for o in of["outcome"]] for of in few["readings"])
    assert sum(a != b for a, b in zip(one, other, strict=True)) >= min(differ, len(one)) - 1


def test_hidden_characters_are_written_out_everywhere():
    hidden = "a\u202eb\x1b[31m"
    preference = pair(
        id=hidden,
        category=hidden,
        chosen=hidden,
        rejected=f"{hidden}!",
        prompt=(Message(role="document", content=hidden), *user(hidden)),
    )
    said = replace(reading(Verdict.FIRST), text=f"{hidden}\ud83d")
    rows = judged([preference], [[said]], seed=0)
    found = explored({hidden: {hidden: rows}}, megabytes=1.0)
    told = json.dumps([unpacked(found.index), texts(found)], ensure_ascii=False)
    assert "\u202e" not in told and "\x1b" not in told and "\ud83d" not in told
    shown = json.dumps("a\\u202eb\\x1b[31m")[1:-1]
    assert told.count(shown) == 10
    assert "\\\\ud83d" in told


def test_other_pairs_of_another_judge_are_refused(judges):
    other = {**judges["PairRM"], "shifted": judges["PairRM"]["shifted"][1:]}
    with pytest.raises(DataError, match="the same pairs of 'shifted' from all of"):
        explored({"a": judges["STaR-DPO"], "b": other}, megabytes=1.0)
