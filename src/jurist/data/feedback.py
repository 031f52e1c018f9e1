"""Feedback sets to train on, in the columns they are published in.

| layout | columns | checked in |
|---|---|---|
| ultrafeedback | instruction, completions: each response and annotations | GitHub |
| ultrainteract | trajectory: from, value; chosen, rejected, task, dataset | data set card |
| helpsteer2 | prompt, response_1, response_2, preference_strength | its readers |
| helpsteer2-ratings | prompt, response, helpfulness and four more attributes | its readers |

Checked in November 2026. Only recalled: the names of who speaks in a trajectory of UltraInteract,
and the range of HelpSteer2's strengths. That a positive strength is for the second response was
checked. Skywork-Reward-Preference (chosen, rejected: lists of messages; source) is TRL's
conversational type and needs no layout of its own.

A row of UltraFeedback holds several responses and makes a pair of every two; two rows of
HelpSteer2's ratings, one after the other, make one pair. `unfolded` turns them into rows of pairs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import cast

from jurist.data.cells import kind, number_of, required, short, text_of
from jurist.data.layouts import ABOUT, Layout, Pair, Published
from jurist.data.lines import Columns, Row
from jurist.data.overlap import normalised
from jurist.digest import digest
from jurist.errors import DataError
from jurist.types import Conversation, Message, Role, user

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
"""What HelpSteer2 rates, each from 0 to 4."""

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")
"""What UltraFeedback rates, each from 1 to 5 or "N/A"."""


_RATING = frozenset({"prompt", "response", "helpfulness"})


# Turning rows into rows of pairs


def unfolded(rows: Iterator[Row], layout: Layout | None) -> Iterator[Row]:
    """Turn rows that are not pairs into rows that are; others are left as they are.

    Args:
        rows: Rows of one file.
        layout: The layout that was asked for, or None to go by the columns.

    Returns:
        Rows of two completions each in the place of UltraFeedback's rows of several, and one row
        in the place of two of HelpSteer2's ratings. A row keeps the number of the (first) row it
        was made of. A rating without its partner is a bad row.
    """
    if layout not in (None, Layout.ULTRAFEEDBACK, Layout.HELPSTEER2_RATINGS):
        yield from rows
        return
    waiting: Row | None = None
    for row in rows:
        if _is_rating(row):
            if waiting is None:
                waiting = row
                continue
            if _prompt(waiting) == _prompt(row):
                yield _joined(waiting, row)
                waiting = None
                continue
            yield _lonely(waiting)
            waiting = row
            continue
        if waiting is not None:
            yield _lonely(waiting)
            waiting = None
        yield from _every_two(row)
    if waiting is not None:
        yield _lonely(waiting)


def _is_rating(row: Row) -> bool:
    columns = row.columns or {}
    return all(columns.get(name) is not None for name in _RATING)


def _prompt(row: Row) -> object:
    return (row.columns or {}).get("prompt")


def _joined(first: Row, second: Row) -> Row:
    columns = {**(first.columns or {}), "ratings": [first.columns, second.columns]}
    raw = None if first.raw is None or second.raw is None else first.raw + second.raw
    return first._replace(columns=columns, raw=raw)


def _lonely(row: Row) -> Row:
    reason = (
        "expected two rows, one after the other, that rate two responses to one prompt, found one"
    )
    return row._replace(columns=None, reason=reason)


def _every_two(row: Row) -> Iterator[Row]:
    completions = (row.columns or {}).get("completions")
    if "instruction" not in (row.columns or {}) or not isinstance(completions, list):
        yield row
        return
    several = cast("list[object]", completions)
    if len(several) < 3:
        yield row
        return
    for part, two in enumerate(combinations(several, 2), start=1):
        yield row._replace(columns={**(row.columns or {}), "completions": list(two)}, part=part)


# Reading rows of pairs


def _ultrafeedback(columns: Columns) -> Pair:
    """UltraFeedback (Cui et al. 2024): the completion with the higher mean rating is better.

    The mean is over the four aspects, those rated "N/A" left out; the published overall score is
    not used, since it was known to be wrong for some rows.
    """
    completions = cast("list[object]", _list_of(columns, "completions"))
    if len(completions) != 2:
        raise DataError(f"expected two completions or more, found {len(completions)}")
    (first, a), (second, b) = (
        _rated(completion, number) for number, completion in enumerate(completions, start=1)
    )
    prompt = user(text_of(columns, "instruction"))
    if a >= b:
        return Pair(prompt, first, second, tie=a == b, margin=a - b)
    return Pair(prompt, second, first, margin=b - a)


def _rated(completion: object, number: int) -> tuple[str, float]:
    """The response of a completion, and the mean of its ratings."""
    if not isinstance(completion, dict):
        raise DataError(f"expected completion {number} to be an object, found {kind(completion)}")
    held = cast(Columns, completion)
    annotations = required(held, "annotations")
    if not isinstance(annotations, dict):
        raise DataError(f"expected 'annotations' to be an object, found {kind(annotations)}")
    ratings: list[int] = []
    for aspect in ASPECTS:
        rated = cast(Columns, annotations).get(aspect)
        if rated is not None and not isinstance(rated, dict):
            raise DataError(
                f"expected {aspect!r} in completion {number} to be an object, found {kind(rated)}"
            )
        found = cast(Columns, rated or {}).get("Rating")
        if found is None or found == "N/A":
            continue
        if not isinstance(found, str) or found not in {"1", "2", "3", "4", "5"}:
            raise DataError(
                f"expected the rating of {aspect!r} in completion {number} to be '1' to '5' or "
                f"'N/A', found {short(found)}"
            )
        ratings.append(int(found))
    if not ratings:
        raise DataError(
            f"expected a rating of {', '.join(ASPECTS)} in completion {number}, found none"
        )
    return text_of(held, "response"), sum(ratings) / len(ratings)


_SPEAKERS: Mapping[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}


def _ultrainteract(columns: Columns) -> Pair:
    """A pair of nodes of one tree of UltraInteract (Yuan et al. 2024), with the way to them.

    All pairs of a tree begin with one instruction and are one group. The published id is not
    read: nothing says that it names one pair only.
    """
    trajectory = _list_of(columns, "trajectory")
    turns: list[Message] = []
    for number, value in enumerate(trajectory, start=1):
        turn = cast(Columns, value) if isinstance(value, dict) else {}
        role = turn.get("from")
        if not isinstance(role, str) or role not in _SPEAKERS:
            raise DataError(
                f"expected 'from' of turn {number} of 'trajectory' to be one of "
                f"{', '.join(map(repr, _SPEAKERS))}, found {short(role)}"
            )
        turns.append(Message(role=_SPEAKERS[role], content=text_of(turn, "value")))
    if not turns:
        raise DataError("expected turns in 'trajectory', found none")
    return Pair(
        tuple(turns),
        text_of(columns, "chosen"),
        text_of(columns, "rejected"),
        category=text_of(columns, "task"),
        source=text_of(columns, "dataset"),
        group=digest(normalised(turns[0].content))[:16],
    )


def _helpsteer2(columns: Columns) -> Pair:
    """HelpSteer2-Preference (Wang et al. 2024): strength from -3 to 3, above 0 for response_2."""
    strength = number_of(columns, "preference_strength")
    if strength is None or strength not in {-3, -2, -1, 0, 1, 2, 3}:
        raise DataError(
            f"expected 'preference_strength' to be a whole number from -3 to 3, found "
            f"{short(columns.get('preference_strength'))}"
        )
    first, second = (text_of(columns, name) for name in ("response_1", "response_2"))
    if strength > 0:
        first, second = second, first
    return Pair(
        _steered(text_of(columns, "prompt")),
        first,
        second,
        tie=strength == 0,
        margin=abs(strength),
    )


def _helpsteer2_ratings(columns: Columns) -> Pair:
    """Two rated responses of HelpSteer2 (Wang et al. 2024): the more helpful one is better.

    The margin is the difference in helpfulness. The other four attributes are checked, and do not
    enter: longer or more complex is not better.
    """
    for name in sorted(_RATING):
        required(columns, name)
    ratings = _list_of(columns, "ratings")
    if len(ratings) != 2:
        raise DataError(f"expected two ratings, found {len(ratings)}")
    first, second = map(_helpfulness, ratings)
    if first[1] < second[1]:
        first, second = second, first
    margin = first[1] - second[1]
    return Pair(
        _steered(text_of(columns, "prompt")), first[0], second[0], tie=margin == 0, margin=margin
    )


def _helpfulness(rating: object) -> tuple[str, float]:
    if not isinstance(rating, dict):
        raise DataError(f"expected a rating to be an object, found {kind(rating)}")
    columns = cast(Columns, rating)
    values: dict[str, float] = {}
    for name in ATTRIBUTES:
        value = number_of(columns, name)
        if value is None or value not in {0, 1, 2, 3, 4}:
            raise DataError(
                f"expected {name!r} to be a whole number from 0 to 4, found "
                f"{short(columns.get(name))}"
            )
        values[name] = value
    return text_of(columns, "response"), values["helpfulness"]


_STEER_MARK = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


def _steered(text: str) -> Conversation:
    """The turns of a prompt in which all but the first begin with a mark of who speaks."""
    first, *pieces = _STEER_MARK.split(text)
    turns = [Message(role="user", content=first)]
    for speaker, content in zip(pieces[::2], pieces[1::2], strict=True):
        role: Role = "user" if speaker == "User" else "assistant"
        if role == turns[-1].role:
            raise DataError(f"expected user and assistant to take turns, found two of {role}")
        turns.append(Message(role=role, content=content))
    return tuple(turns)


def _list_of(columns: Columns, name: str) -> Sequence[object]:
    value = required(columns, name)
    if not isinstance(value, list):
        raise DataError(f"expected {name!r} to be a list, found {kind(value)}")
    return cast("list[object]", value)


FEEDBACK = (
    Published(
        Layout.ULTRAFEEDBACK, frozenset({"instruction", "completions"}), frozenset(), _ultrafeedback
    ),
    Published(
        Layout.ULTRAINTERACT,
        frozenset({"trajectory", "chosen", "rejected"}),
        frozenset({"task", "dataset"}),
        _ultrainteract,
        about=ABOUT - {"id", "source", "category", "group"},
    ),
    Published(
        Layout.HELPSTEER2,
        frozenset({"prompt", "response_1", "response_2", "preference_strength"}),
        frozenset(),
        _helpsteer2,
    ),
    Published(
        Layout.HELPSTEER2_RATINGS,
        _RATING,
        frozenset({*ATTRIBUTES, "ratings"}),
        _helpsteer2_ratings,
    ),
)
"""The layouts of this file."""
