"""Looking for the label in training rows, where only what is judged and a reply may stand.

A rationale is written by somebody who was told the verdict, and training on what it was told with
would teach the judge to read hints. Two things are looked for. A row's prompt has to be, letter for
letter, what the judge's format makes of the preference in one of its orders, or of one of its
responses; a format is shown those and never a label, so such a prompt has nothing of either in it.
And a reply must not say that its verdict was known. Where nobody gave labels, a row's own verdict
has nothing to agree with.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jurist.errors import DataError
from jurist.formats import Format, ResponseFormat
from jurist.rationales.rows import PairRow, SupervisedRow
from jurist.rationales.sample import asked_of
from jurist.types import Conversation, Preference

_THE_VERDICT = r"(?:verdict|label|judge?ment|answer|ruling|preference|winner|decision)"
_DISCLOSURES: Final = re.compile(
    # Where no branch can begin, one look says so.
    r"\b(?=[a-z]{2}|i )(?:"
    + "|".join(
        (
            r"people who compared\b",
            r"known (?:beforehand|in advance|already)\b",
            r"already (?:known|decided|determined|established|been told)\b",
            r"(?:i|we) (?:was|were|am|are|have been) (?:told|informed|given|instructed)\b",
            r"as (?:i|we) (?:was|were) (?:told|informed|given)\b",
            r"you (?:have )?(?:told|said|stated|informed|asked me to explain)\b",
            r"as (?:you|the (?:task|instructions?|hint)) (?:say|said|state|stated|indicate)",
            rf"(?:given|stated|provided|known|supplied) {_THE_VERDICT}\b",
            rf"{_THE_VERDICT} (?:(?:that )?(?:was|is|were)|has been) (?:given|provided|known)\b",
            r"ground[- ]truth\b",
            r"the hint\b",
            r"(?:according to|based on|per|consistent with|in line with|matching) the "
            rf"(?:hint|label|(?:given|provided|known) {_THE_VERDICT})\b",
            r"(?:task|instructions?) (?:is|was|are|were) to "
            r"(?:explain|justify|defend|argue) why\b",
            r"(?:expected|reference|gold|true) (?:verdict|label)\b",
            r"(?:people|annotators|labell?ers|humans) (?:have )?(?:found|judged|preferred)\b",
            r"human (?:label|annotation|preference|labell?ers|annotators)\b",
        )
    )
    + ")",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """A place where a row says more than it may."""

    row: int
    """Which of the rows, from 0."""

    preference_id: str
    what: str
    """What was found, and where."""


def disclosure(reply: str) -> str | None:
    """Words by which a reply says that its verdict was known, or None if there are none.

    A list of turns of phrase: it finds the ways of saying so that it knows. A rationale that has
    some of them for another reason is lost with the rest.

    Example:
        >>> disclosure("As you said, A is better")
        'As you said'
        >>> disclosure("Response A is better than response B: it answers the question") is None
        True
    """
    found = _DISCLOSURES.search(reply)
    return None if found is None else found[0]


def find_leaks(
    rows: Sequence[SupervisedRow] | Sequence[PairRow],
    preferences: Sequence[Preference],
    format: Format | ResponseFormat,
    *,
    told: bool,
    labelled: bool = True,
) -> list[Leak]:
    """Every row whose prompt is not the judge's own, or whose reply says that it was told.

    Args:
        rows: Training rows, in any order.
        preferences: What they were made of.
        format: The judge's.
        told: Whether the replies' authors knew the verdict. If not, nothing they wrote can give
            away that they did, and their words are not looked at.
        labelled: Whether the preferences' labels are those that the rows were made by.
    """
    known = {preference.id: preference for preference in preferences}
    leaks: list[Leak] = []
    for number, row in enumerate(rows):
        for what in _faults(
            row, known.get(row.preference_id), format, told=told, labelled=labelled
        ):
            leaks.append(Leak(row=number, preference_id=row.preference_id, what=what))
    return leaks


def refuse_leaks(
    rows: Sequence[SupervisedRow] | Sequence[PairRow],
    preferences: Sequence[Preference],
    format: Format | ResponseFormat,
    *,
    told: bool,
    labelled: bool = True,
) -> None:
    """Stop before training on a row that leaks; see `find_leaks`.

    Raises:
        DataError: If one does.
    """
    leaks = find_leaks(rows, preferences, format, told=told, labelled=labelled)
    if leaks:
        shown = "\n".join(f"row {one.row} ({one.preference_id!r}): {one.what}" for one in leaks[:5])
        more = f"\n... and {len(leaks) - 5} more" if len(leaks) > 5 else ""
        raise DataError(
            f"{len({one.row for one in leaks})} of {len(rows)} training rows say more than a judge "
            f"is shown, and would teach it to read that:\n{shown}{more}"
        )


def _faults(
    row: SupervisedRow | PairRow,
    preference: Preference | None,
    format: Format | ResponseFormat,
    *,
    told: bool,
    labelled: bool,
) -> list[str]:
    if preference is None:
        return ["is of no preference of this run"]
    shown = dict(asked_of(format, preference))
    faults: list[str] = []
    if row.prompt not in shown:
        faults.append(f"prompt: {_difference(row, list(shown))}")
    elif labelled and len(shown) == 2 and row.label is not shown[row.prompt]:
        faults.append(f"label: {row.label} where the preference says {shown[row.prompt]}")
    texts = (
        {"completion": row.completion}
        if isinstance(row, SupervisedRow)
        else {"chosen": row.chosen, "rejected": row.rejected}
    )
    for name, text in texts.items() if told else ():
        if (words := disclosure(text)) is not None:
            faults.append(f"{name}: says {words!r}")
    return faults


def _difference(row: SupervisedRow | PairRow, prompts: list[Conversation]) -> str:
    """Where a prompt leaves what the format writes, in a few words."""
    text = "\n".join(message.content for message in row.prompt)
    best = ""
    for prompt in prompts:
        written = "\n".join(message.content for message in prompt)
        same = next(
            (n for n, (one, other) in enumerate(zip(text, written, strict=False)) if one != other),
            min(len(text), len(written)),
        )
        best = max(best, text[:same], key=len)
    return f"not what the format writes, from {text[len(best) : len(best) + 40]!r} on"
