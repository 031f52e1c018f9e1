r"""Column layouts that preferences are published in, and the way from each to a `Preference`.

| layout | columns |
|---|---|
| jurist | prompt, chosen, rejected, or for a tie prompt, response_a, response_b; tie, margin |
| trl | chosen, rejected, with prompt or without, texts or lists of messages; tie, margin |
| hh-rlhf | chosen, rejected: transcripts of "\n\nHuman: " and "\n\nAssistant: " turns |
| ultrafeedback-binarized | chosen, rejected, score_chosen, score_rejected; prompt |
| rewardbench | prompt, chosen, rejected, subset |

The layouts of `jurist.data.benchmarks` and `jurist.data.feedback` have columns that no other layout
has. Every layout also reads id, source, category, group and language if they are there and it has
no other use for them, and group and language in meta. Those above but hh-rlhf read in columns or in
meta which models wrote the responses: chosen_model and rejected_model. jurist and trl read the
margin in meta too, and the documents that a prompt came with in documents: a list of texts, or of
objects of title and text.
Texts are taken as they stand; nothing is stripped but the marks of a transcript.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from jurist.data.benchmarks import BENCHMARKS
from jurist.data.cells import flag_of, kind, name_of, number_of, required, short, text_of
from jurist.data.check import fault
from jurist.data.feedback import FEEDBACK
from jurist.data.layouts import ABOUT, Layout, Pair, Place, Published
from jurist.data.lines import Columns
from jurist.data.overlap import normalised_prompt
from jurist.data.turns import (
    ROLE_MARK,
    documents_of,
    messages,
    parted,
    parted_row,
    prompt_of,
    transcript,
)
from jurist.digest import digest
from jurist.errors import DataError
from jurist.types import Conversation, Preference, parted_documents

PUBLISHED: tuple[Published, ...] = (*BENCHMARKS, *FEEDBACK)
"""The layouts that their columns give away."""

_PAIR = frozenset({"prompt", "chosen", "rejected", "tie", "margin", "documents"})
_UNMEASURED = frozenset(
    {"prompt", "response_a", "response_b", "label_source", "licence", "documents"}
)

_MODELS = frozenset({"chosen_model", "rejected_model"})
_WITH_MODELS = frozenset(
    {Layout.JURIST, Layout.TRL, Layout.ULTRAFEEDBACK_BINARIZED, Layout.REWARDBENCH}
)
"""Layouts in which two columns, or two fields of meta, may say which model wrote which response."""

READ: Mapping[Layout, frozenset[str]] = {
    Layout.JURIST: ABOUT | _PAIR | _MODELS | {"response_a", "response_b"},
    Layout.TRL: ABOUT | _PAIR | _MODELS,
    Layout.HH_RLHF: ABOUT | {"chosen", "rejected"},
    Layout.ULTRAFEEDBACK_BINARIZED: ABOUT
    | _MODELS
    | {"prompt", "chosen", "rejected", "score_chosen", "score_rejected"},
    Layout.REWARDBENCH: ABOUT | _MODELS | {"prompt", "chosen", "rejected", "subset"},
} | {one.layout: one.about | one.marks | one.extra for one in PUBLISHED}
"""The columns that each layout reads; any other column of a row is left alone."""


# Recognising


def candidates(columns: Columns) -> list[Layout]:
    """The layouts that a row may be in, judged by which columns it has.

    Returns:
        None, one or several. Several means that reading the row by one of them and by another
        would come to different preferences.
    """
    have = {name for name, value in columns.items() if value is not None}
    published = [one for one in PUBLISHED if one.marks <= have]
    found = list(dict.fromkeys(one.layout for one in published))
    if not any({"chosen", "rejected"} <= one.marks for one in published):
        found += _general(columns, have)
    return found


def _general(columns: Columns, have: set[str]) -> list[Layout]:
    """The layouts of pairs that share the columns chosen and rejected."""
    if {"prompt", "response_a", "response_b"} <= have:
        return [Layout.JURIST]
    if not {"chosen", "rejected"} <= have:
        return []
    values = (columns["chosen"], columns["rejected"])
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < 2:
        texts = []
    found: list[Layout] = []
    if {"score_chosen", "score_rejected"} <= have:
        found.append(Layout.ULTRAFEEDBACK_BINARIZED)
    if texts and {"prompt", "subset"} <= have:
        found.append(Layout.REWARDBENCH)
    about = {"source", "category", "group", "meta", "tie"}
    if texts and "prompt" in have and (have & about or (not found and "id" in have)):
        found.append(Layout.JURIST)
    transcripts = texts and all(ROLE_MARK.match(text) for text in texts)
    if transcripts:
        found.append(Layout.HH_RLHF)
    quoting = texts and all("\n\nAssistant:" in text for text in texts)
    if not found or (transcripts and "prompt" in have and found == [Layout.HH_RLHF]):
        found.append(Layout.TRL)
        if quoting and "prompt" not in have:
            found.append(Layout.HH_RLHF)
    return found


# Reading


def preference(columns: Columns, layout: Layout, place: Place) -> Preference:
    """Read one row.

    Args:
        columns: The row.
        layout: What its columns mean.
        place: Where it stands. Gives id and source, if the row has none of its own. Of several
            pairs of one row, each has the row's id and its own number behind it.

    Raises:
        DataError: If the row is not a preference in that layout, saying what was expected and what
            was found, but not where: the caller knows.
    """
    pair = _READERS[layout](columns)
    meta = columns.get("meta")
    inside: Mapping[str, object] = cast(Columns, meta) if isinstance(meta, dict) else {}
    if meta is not None and not isinstance(meta, dict):
        raise DataError(f"expected 'meta' to be an object, found {kind(meta)}")
    about = {name: columns.get(name) for name in _ABOUT_OF.get(layout, ABOUT)}
    prompt = pair.prompt
    if layout in (Layout.JURIST, Layout.TRL):
        documents = documents_of(columns)
        if documents and parted_documents(prompt)[0]:
            raise DataError("expected documents once, found a column of them and turns of them too")
        prompt = (*documents, *prompt)
    margin = pair.margin
    if margin is None and layout in (Layout.JURIST, Layout.TRL):
        where = columns if columns.get("margin") is not None else inside
        margin = number_of(where, "margin")
    group = pair.group
    if group is None:
        group = name_of(about if about.get("group") is not None else inside, "group")
    language = pair.language
    if language is None:
        language = name_of(about if about.get("language") is not None else inside, "language")
    models = {
        name: name_of(columns if columns.get(name) is not None else inside, name) or ""
        for name in sorted(_MODELS)
        if layout in _WITH_MODELS
    }
    named = name_of(about, "id")
    if named is not None and place.part:
        named = f"{named}-{place.part}"
    read = Preference(
        id=_first(pair.id, named, place.name),
        prompt=prompt,
        chosen=pair.chosen,
        rejected=pair.rejected,
        tie=pair.tie,
        margin=margin,
        category=_first(pair.category, name_of(about, "category"), ""),
        source=_first(pair.source, name_of(about, "source"), place.stem),
        group=group or "",
        language=language or "",
        **models,
    )
    if group is None:
        # Translations have other prompts, and belong together all the same.
        read = replace(read, group=read.pair_name or prompt_group(prompt))
    if wrong := fault(read):
        raise DataError(wrong)
    return read


def _first(*names: str | None) -> str:
    return next(name for name in names if name is not None)


def prompt_group(prompt: Conversation) -> str:
    """The group of a row that names none: a digest of its normalised prompt, 16 digits long."""
    return digest(normalised_prompt(prompt))[:16]


def _jurist(columns: Columns) -> Pair:
    if "response_a" in columns or "response_b" in columns:
        return _tied(columns)
    prompt = prompt_of(required(columns, "prompt"))
    chosen, rejected = (text_of(columns, name) for name in ("chosen", "rejected"))
    return Pair(prompt, chosen, rejected, flag_of(columns, "tie"))


def _tied(columns: Columns) -> Pair:
    labels = [name for name in ("chosen", "rejected") if columns.get(name) is not None]
    if columns.get("tie") is None:
        # A label under a name unknown here would be taken for a tie.
        labels += sorted(set(columns) - _UNMEASURED - ABOUT - {"margin", "chosen", "rejected"})
    elif not flag_of(columns, "tie"):
        labels.append("tie")
    if labels:
        raise DataError(
            f"expected response_a and response_b to be tied, found {', '.join(map(repr, labels))} "
            f"beside them, which may say otherwise; name the better one 'chosen' and the other "
            f"'rejected', or give 'tie': true"
        )
    prompt = prompt_of(required(columns, "prompt"))
    return Pair(prompt, text_of(columns, "response_a"), text_of(columns, "response_b"), tie=True)


def _trl(columns: Columns) -> Pair:
    """TRL's preference type: standard or conversational, explicit or implicit prompt."""
    prompt, chosen, rejected = parted_row(columns)
    return Pair(prompt, chosen, rejected, flag_of(columns, "tie"))


def _hh_rlhf(columns: Columns) -> Pair:
    """Transcripts of Bai et al. (2022), which differ in the assistant's last turn only."""
    chosen, rejected = (transcript(columns, name) for name in ("chosen", "rejected"))
    return Pair(*parted(chosen, rejected))


def _ultrafeedback(columns: Columns) -> Pair:
    """UltraFeedback with one better and one other response of each prompt, and their scores."""
    score_chosen, score_rejected = (
        number_of(columns, name) for name in ("score_chosen", "score_rejected")
    )
    if score_chosen is None or score_rejected is None:
        raise DataError(
            f"expected scores in 'score_chosen' and 'score_rejected', found {score_chosen} and "
            f"{score_rejected}"
        )
    if score_chosen < score_rejected:
        raise DataError(
            f"expected the chosen response to score at least as high as the rejected one, found "
            f"{score_chosen} and {score_rejected}"
        )
    # The prompt column repeats one of the turns; which one, the copies of the set differ on.
    said = columns.get("prompt")
    if isinstance(columns.get("chosen"), list) and isinstance(said, str):
        prompt, chosen, rejected = parted(
            messages(columns["chosen"], "chosen"),
            messages(required(columns, "rejected"), "rejected"),
        )
        turns = [turn.content.strip() for turn in prompt if turn.role == "user"]
        if said.strip() not in turns:
            raise DataError(
                f"expected 'prompt' among the user turns of 'chosen', found {short(said)} "
                f"and {short(turns[-1] if turns else '')}"
            )
    else:
        prompt, chosen, rejected = parted_row(columns)
    margin = score_chosen - score_rejected
    return Pair(prompt, chosen, rejected, tie=margin == 0.0, margin=margin)


def _rewardbench(columns: Columns) -> Pair:
    required(columns, "subset")
    prompt = prompt_of(required(columns, "prompt"))
    return Pair(
        prompt,
        text_of(columns, "chosen"),
        text_of(columns, "rejected"),
        # The column "category", if there is one, is somebody else's.
        category=name_of(columns, "subset"),
    )


_READERS: Mapping[Layout, Callable[[Columns], Pair]] = {
    Layout.JURIST: _jurist,
    Layout.TRL: _trl,
    Layout.HH_RLHF: _hh_rlhf,
    Layout.ULTRAFEEDBACK_BINARIZED: _ultrafeedback,
    Layout.REWARDBENCH: _rewardbench,
} | {one.layout: one.read for one in PUBLISHED}

_ABOUT_OF = {one.layout: one.about for one in PUBLISHED}
