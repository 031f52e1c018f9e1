"""What the explorer of `report.html` holds: every pair, and every reading of it, packed.

Everything is told in terms of the label, so that judges who saw a pair's responses in different
places can be read beside each other: *better* is the response labelled better (of a tie label the
one the file names first). Filters need little of each pair, kept in one index of columns; the texts
lie beside it in parts that the page unpacks when it first needs one.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from jurist.digest import derive_seed
from jurist.errors import DataError
from jurist.evaluation import Judged
from jurist.showing import visible
from jurist.types import Conversation, Failure, Judgement, Verdict

_PART_SIZE = 400_000
"""Bytes of text from which a part is full. Larger ones make the first pair of a part slower to
show, smaller ones compress less."""

_TITLE_LENGTH = 80
"""Characters of a prompt that the list of pairs shows at most."""

_RIGHT, _WRONG, _TIED, _NONE = range(4)
_FOR, _AGAINST, _EVEN = range(3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Explored:
    """Judged pairs, packed for a page: JSON, deflated (zlib), base64."""

    index: str
    """Columns to filter by, of all pairs carried."""

    parts: tuple[str, ...]
    """Texts of the pairs, in the order of the index."""

    num_pairs: int
    """Pairs carried."""

    num_judged: int
    """Pairs there are."""

    num_bytes: int
    """Of the texts carried, before compression."""

    megabytes: float
    """Room there was for them."""

    @property
    def num_left_out(self) -> int:
        """Pairs that the bound left no room for."""
        return self.num_judged - self.num_pairs


@dataclass(frozen=True, slots=True)
class _Pair:
    """One pair of one test set, and what each judge said of it."""

    split: str
    of: list[Judged]
    """By judge, in the order of the judges. At least one."""

    @property
    def differs(self) -> bool:
        """Whether the judges came to different verdicts, all failures being one."""
        outcomes = [_outcome(one.ballot.outcome, one.better_first) for one in self.of]
        return len({None if isinstance(one, str) else one for one in outcomes}) > 1


def explored(
    judges: Mapping[str, Mapping[str, Sequence[Judged]]],
    *,
    megabytes: float,
    preset: Mapping[str, str] | None = None,
    differing_first: bool = False,
) -> Explored:
    """Pack what judges said for a page.

    Args:
        judges: What each said, by judge and test set: the same pairs from all, in the same order.
        megabytes: Most text to carry, in millions of bytes before compression. If there is more,
            pairs are drawn by a hash of their ids until it is reached, at least one; the page says
            how many were left out.
        preset: Settings of the explorer's controls to begin with, by name.
        differing_first: Where not all pairs are carried, draw those first on whose verdict the
            judges differ.

    Raises:
        DataError: If the judges did not judge the same pairs.
    """
    pairs = _pairs(judges)
    texts: dict[int, bytes] = {}
    room = megabytes * 1e6
    for number in _drawn(pairs, differing_first=differing_first):
        text = _json(_texts(pairs[number]))
        room -= len(text)
        if room < 0.0 and texts:
            break
        texts[number] = text
    carried = sorted(texts)
    parts = _parts([texts[number] for number in carried])
    index = {
        **_index([pairs[number] for number in carried], list(judges)),
        "starts": [0, *accumulate(map(len, parts))][: len(parts)],
        "preset": dict(preset or {}),
    }
    return Explored(
        index=_packed(_json(index)),
        parts=tuple(_packed(b"[" + b",".join(part) + b"]") for part in parts),
        num_pairs=len(carried),
        num_judged=len(pairs),
        num_bytes=sum(map(len, texts.values())),
        megabytes=megabytes,
    )


def _pairs(judges: Mapping[str, Mapping[str, Sequence[Judged]]]) -> list[_Pair]:
    splits = list(dict.fromkeys(split for by_split in judges.values() for split in by_split))
    pairs: list[_Pair] = []
    for split in splits:
        said = [by_split.get(split, ()) for by_split in judges.values()]
        ids = [[row.preference.id for row in rows] for rows in said]
        if any(one != ids[0] for one in ids):
            raise DataError(
                f"the explorer needs the same pairs of {split!r} from all of {', '.join(judges)}"
            )
        pairs += [_Pair(split, list(rows)) for rows in zip(*said, strict=True)]
    return pairs


def _drawn(pairs: Sequence[_Pair], *, differing_first: bool) -> list[int]:
    """The order in which pairs find room: a hash, so that what is carried is a random sample."""
    return sorted(
        range(len(pairs)),
        key=lambda number: (
            differing_first and not pairs[number].differs,
            derive_seed("explorer", 0, pairs[number].split, pairs[number].of[0].preference.id),
        ),
    )


def _parts(texts: Iterable[bytes]) -> list[list[bytes]]:
    parts: list[list[bytes]] = []
    size = _PART_SIZE
    for text in texts:
        if size >= _PART_SIZE:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    return parts


def _index(pairs: Sequence[_Pair], judges: Sequence[str]) -> dict[str, object]:
    """Columns of the pairs, and of what each judge made of them."""
    sets = list(dict.fromkeys(pair.split for pair in pairs))
    preferences = [pair.of[0].preference for pair in pairs]
    categories = sorted({one.category for one in preferences})
    set_at = {name: at for at, name in enumerate(sets)}
    category_at = {name: at for at, name in enumerate(categories)}
    return {
        "judges": [visible(name) for name in judges],
        "sets": [visible(name) for name in sets],
        "categories": [visible(name) for name in categories],
        "pairs": {
            "id": [visible(one.id) for one in preferences],
            "title": [_title(one.prompt) for one in preferences],
            "set": [set_at[pair.split] for pair in pairs],
            "category": [category_at[one.category] for one in preferences],
            "tie": [int(one.tie) for one in preferences],
            "better": [len(one.chosen) for one in preferences],
            "worse": [len(one.rejected) for one in preferences],
        },
        "readings": [_columns([pair.of[at] for pair in pairs]) for at in range(len(judges))],
    }


def _title(prompt: Conversation) -> str:
    """How the turn that is replied to begins: what a reader knows a pair by."""
    return visible(" ".join(prompt[-1].content[: 4 * _TITLE_LENGTH].split())[:_TITLE_LENGTH])


def _columns(rows: Sequence[Judged]) -> dict[str, list[object]]:
    """What filters and the list need of one judge: the result, and how it came about."""
    firsts = [row.better_first for row in rows]
    return {
        "result": [_result(row) for row in rows],
        "outcome": [
            _outcome(row.ballot.outcome, first) for row, first in zip(rows, firsts, strict=True)
        ],
        "given": [
            _share(row.ballot.probability, first) for row, first in zip(rows, firsts, strict=True)
        ],
        "flip": [None if row.ballot.flip is None else int(row.ballot.flip) for row in rows],
        "unasked": [row.ballot.num_unasked for row in rows],
        "votes": [
            [
                row.ballot.first if first else row.ballot.second,
                row.ballot.second if first else row.ballot.first,
                row.ballot.ties,
                row.ballot.num_failures,
            ]
            for row, first in zip(rows, firsts, strict=True)
        ],
    }


def _result(row: Judged) -> int:
    outcome = row.ballot.outcome
    if isinstance(outcome, Failure):
        return _NONE
    if outcome is row.label:
        return _RIGHT
    return _TIED if outcome is Verdict.TIE else _WRONG


def _outcome(outcome: Verdict | Failure, first: bool) -> int | str:
    """A verdict by the label, or the name of the failure."""
    if isinstance(outcome, Failure):
        return str(outcome)
    if outcome is Verdict.TIE:
        return _EVEN
    return _FOR if (outcome is Verdict.FIRST) is first else _AGAINST


def _share(probability: float | None, first: bool) -> float | None:
    """The probability of the response labelled better, to four decimals."""
    if probability is None:
        return None
    return round(probability if first else 1.0 - probability, 4)


def _texts(pair: _Pair) -> list[object]:
    """Prompt, the two responses, and the votes of each judge."""
    preference = pair.of[0].preference
    return [
        [[turn.role, visible(turn.content)] for turn in preference.prompt],
        visible(preference.chosen),
        visible(preference.rejected),
        [
            [_vote(judgement, row.better_first) for judgement in row.ballot.judgements]
            for row in pair.of
        ],
    ]


def _vote(judgement: Judgement, first: bool) -> list[object]:
    """Whether the better one was read first, the verdict, and what else the reading has."""
    strength = judgement.strength
    return [
        int(first is not judgement.swapped),
        _outcome(judgement.outcome, first),
        _share(judgement.probability, first),
        None if strength is None else round(strength if first else 0.0 - strength, 4),
        judgement.num_tokens,
        judgement.num_prompt_tokens,
        visible(judgement.text),
    ]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")
