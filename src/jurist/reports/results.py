"""What a run found, as a value: written to and read back from `results.json`.

Everything the tables, the figures and the page show is in here, and nothing they show is not, but
for the explorer: what it shows are the judgements themselves, which lie beside.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from jurist.data.objects import read_object
from jurist.errors import DataError
from jurist.evaluation import (
    Agreement,
    AuthorLean,
    Calibration,
    Differences,
    Judged,
    LanguageAgreement,
    LengthBias,
    OfficialScore,
    PairedComparison,
    Robustness,
    SelectionPoint,
    Shortcut,
    StoppingPoint,
    StrengthAgreement,
    VotePoint,
    agreement,
    author_leans,
    calibration,
    language_agreement,
    length_bias,
    reference_language,
    stopping_curve,
    strength_agreement,
    vote_curve,
)
from jurist.storage import write_json
from jurist.types import Verdict

SCHEMA = 7
"""Version of the layout of `results.json`; another one is refused, never guessed at."""

ADDED: Final = {"added": True}
"""Metadata of a field that came later: files of this schema may lack it, and have its default."""

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFacts:
    """What was judged, or trained on."""

    name: str
    split: str
    """What the rows of the results call it."""

    num_pairs: int
    num_tie_labels: int
    num_groups: int
    categories: Mapping[str, int]
    """Rows of each category."""

    num_overlapping: int | None
    """Rows whose prompt the training rows hold too. None if nothing was trained, or this is what
    was trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedRow:
    """One judge on one split."""

    method: str
    split: str
    agreement: Agreement
    curve: tuple[VotePoint, ...]
    stopping: tuple[StoppingPoint, ...]
    """Early-stopped voting, replayed. Empty where there is nothing to stop."""

    calibration: Calibration | None
    judging_seconds: float
    """Time to judge the split."""

    training_seconds: float | None
    """Time to make the judge, rationales included. None if it was not trained here."""

    languages: LanguageAgreement | None
    """None if the rows do not say what language they are in."""

    strength: StrengthAgreement | None
    """None unless judge and labels both say how much better a response is."""

    length: LengthBias | None
    """None if no labelled pair has responses of different lengths."""

    authors: tuple[AuthorLean, ...]
    """By name. Empty if the rows do not say which model wrote which response."""

    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortcutRow:
    """One shortcut on one split."""

    split: str
    shortcut: Shortcut


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialRow:
    """One number of a benchmark by its own rules, and one judge."""

    method: str
    split: str
    score: OfficialScore


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonRow:
    """One judge against another on one split."""

    method: str
    baseline: str
    split: str
    paired: PairedComparison


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferencesRow:
    """Where one judge and another differ on one split."""

    method: str
    baseline: str
    split: str
    differences: Differences


@dataclass(frozen=True, kw_only=True, slots=True)
class RobustnessRow:
    """One judge under attack, on pairs of one split."""

    method: str
    split: str
    robustness: Robustness


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeFacts:
    """What a judge is, as far as the run's folders say it. Texts are empty where they do not."""

    method: str
    model: str
    """The model that judged: a folder or a name."""

    served: bool
    """The model is behind an address, so that nothing of its making is known."""

    recipe: str
    """Method that it was trained by."""

    base: str
    """Model that its training started from."""

    kind: str
    """How it judges: reasoning, scalar ..."""

    format: str
    """Name of the format that it is asked in."""

    trained_on: str
    """Source of the preferences that it was trained on."""

    num_rows: int | None
    """Rows of its last training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFacts:
    """What one round of a judge's making sampled and kept. None where a recipe does not count."""

    method: str
    name: str
    num_preferences: int | None
    num_traces: int | None
    num_right: int | None
    """Traces that agree with the label."""

    num_wrong: int | None
    num_failed: int | None
    """Traces without a verdict."""

    num_rows: int | None
    """Rows that were trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPoint:
    """The mean of some steps of a training."""

    step: int
    """The last of them, from 1."""

    loss: float
    grad_norm: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSpread:
    """Lengths of some texts, in tokens."""

    median: int
    p99: int
    longest: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLengths:
    """How long the sequences were that a judge was trained on; both of a pair count."""

    num_rows: int
    limit: int
    """Longest sequence that fits. Longer ones are refused, and nothing is cut."""

    prompt: TokenSpread
    reply: TokenSpread
    total: TokenSpread


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCurve:
    """How one training of a judge went."""

    method: str
    name: str
    """The round, or that there was one training."""

    points: tuple[TrainingPoint, ...]
    """At least one."""

    lengths: TokenLengths | None = field(default=None, metadata=ADDED)
    """None if the training noted none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disagreement:
    """A pair on which a judge was sure and, if the label is right, wrong."""

    method: str
    split: str
    id: str
    category: str
    prompt: str
    """The conversation, a role before each turn if there are several. Texts are shortened here,
    each with a count of what was cut."""

    chosen: str
    rejected: str
    probability: float | None
    """What the judge gave the labelled response."""

    votes_right: int
    votes_wrong: int
    trace: str
    """One reading that ended in the wrong verdict. Empty for a judge that only scores."""

    trace_chosen_first: bool
    """That reading was shown the labelled response first, as A."""


class RuleKind(StrEnum):
    """What a rule of choosing among candidates goes by."""

    JUDGE = "judge"
    SHORTCUT = "shortcut"
    """What a candidate looks like, or what most of them say."""

    BOUND = "bound"
    """No rule: the best there is, or any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionRow:
    """One rule of choosing among candidate responses, on one set of pools."""

    method: str
    """Name of the judge, or of the rule that needs none."""

    rule: str
    """What is compared with what, for a judge; else empty."""

    kind: RuleKind
    split: str
    num_pools: int
    num_groups: int
    points: tuple[SelectionPoint, ...]
    """By number of candidates, ascending. At least one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """Everything a report shows."""

    run: str
    """Name of the run."""

    version: str
    """Of this package."""

    environment: Mapping[str, str]
    """Versions, hardware, revision: what the numbers may depend on besides the configuration."""

    datasets: tuple[DatasetFacts, ...]
    rows: tuple[JudgedRow, ...]
    shortcuts: tuple[ShortcutRow, ...] = ()
    comparisons: tuple[ComparisonRow, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    selection: tuple[SelectionRow, ...] = ()
    """Best of n. Empty unless candidates were chosen from."""

    official: tuple[OfficialRow, ...] = ()
    """Numbers that benchmarks define, by their own rules."""

    differences: tuple[DifferencesRow, ...] = ()
    """Where two judges differ. Empty unless that was asked."""

    robustness: tuple[RobustnessRow, ...] = ()
    """Judges under attack. Empty unless that was asked."""

    judges: tuple[JudgeFacts, ...] = ()
    rounds: tuple[RoundFacts, ...] = ()
    training: tuple[TrainingCurve, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know to take the numbers for what they are, a sentence or two each."""

    schema: int = SCHEMA


def judged_row(
    rows: Sequence[Judged],
    *,
    method: str,
    split: str,
    judging_seconds: float,
    training_seconds: float | None,
    seed: int,
    reference: str = "",
) -> JudgedRow:
    """Everything the report shows of one judge on one split.

    Args:
        rows: What was judged.
        method: Name of the judge.
        split: Name of the data.
        judging_seconds: Time to judge `rows`.
        training_seconds: Time to make the judge, or None if it was not trained here.
        seed: The run's seed; the resamples are drawn from it too.
        reference: Language that drops are from, if it is among those of the rows; else English.

    Raises:
        DataError: If no row is labelled better one way or the other.
    """
    return JudgedRow(
        method=method,
        split=split,
        agreement=agreement(rows, seed=seed),
        curve=tuple(vote_curve(rows, seed=seed)),
        stopping=tuple(stopping_curve(rows, seed=seed)),
        calibration=calibration(rows),
        judging_seconds=judging_seconds,
        training_seconds=training_seconds,
        languages=_languages(rows, reference, seed),
        strength=strength_agreement(rows, seed=seed),
        length=length_bias(rows, seed=seed),
        authors=tuple(author_leans(rows, seed=seed)),
        seed=seed,
    )


def _languages(rows: Sequence[Judged], reference: str, seed: int) -> LanguageAgreement | None:
    """By language, if there are any among the labelled rows."""
    named = {row.preference.language for row in rows if row.label is not Verdict.TIE}
    if named <= {""}:
        return None
    chosen = reference if reference in named else reference_language(rows)
    return language_agreement(rows, reference=chosen if chosen in named else None, seed=seed)


def save_results(path: Path, results: Results) -> None:
    """Write `results` as JSON, whole or not at all; the same value gives the same bytes.

    Raises:
        ValueError: If a number is NaN or infinite.
        StoreError: If the file cannot be written.
    """
    write_json(path, dataclasses.asdict(results))


def load_results(path: Path) -> Results:
    """Read what `save_results` wrote.

    Raises:
        DataError: If the file is not there, is not JSON, is of another schema, or does not fit it.
    """
    try:
        content = read_object(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: cannot read results: {error}") from error
    except DataError as error:
        raise DataError(f"cannot read results: {error}") from error
    schema = content.get("schema")
    if schema != SCHEMA:
        raise DataError(
            f"{path}: schema {schema!r}; this version reads schema {SCHEMA}; write the report again"
        )
    return _decoded(Results, content, str(path))


def _decoded(kind: type[_T], content: object, where: str) -> _T:
    """The dataclass `kind` that `content` is the JSON of."""
    if not isinstance(content, dict):
        raise _misfit(where, f"an object for {kind.__name__}", content)
    fields = cast("dict[str, object]", content)
    hints = cast("dict[str, object]", typing.get_type_hints(kind))
    added = {one.name for one in dataclasses.fields(cast(Any, kind)) if "added" in one.metadata}
    missing, unknown = hints.keys() - fields.keys() - added, fields.keys() - hints.keys()
    if missing or unknown:
        raise DataError(
            f"{where}: {kind.__name__} lacks {sorted(missing)} and has unknown {sorted(unknown)}"
        )
    return kind(
        **{
            name: _value(hints[name], content, f"{where}.{name}")
            for name, content in fields.items()
        }
    )


def _value(hint: object, content: object, where: str) -> object:
    """The value of type `hint` that `content` is the JSON of."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if content is None:
            return None
        return _value(arguments[0], content, where)
    if origin is tuple:
        if not isinstance(content, list):
            raise _misfit(where, "a list", content)
        items = cast("list[object]", content)
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is not None:
        if not isinstance(content, dict):
            raise _misfit(where, "an object", content)
        entries = cast("dict[str, object]", content)
        return {
            _value(arguments[0], key, where): _value(arguments[1], item, f"{where}.{key}")
            for key, item in entries.items()
        }
    return _plain_value(cast("type[object]", hint), content, where)


def _plain_value(kind: type[object], content: object, where: str) -> object:
    if dataclasses.is_dataclass(kind):
        return _decoded(kind, content, where)
    if issubclass(kind, StrEnum):
        if content not in list(kind):
            raise _misfit(where, f"one of {[str(member) for member in kind]}", content)
        return kind(str(content))
    if kind is float and type(content) is int:
        return float(content)
    if type(content) is not kind:
        raise _misfit(where, f"a {kind.__name__}", content)
    return content


def _misfit(where: str, expected: str, content: object) -> DataError:
    return DataError(f"{where}: expected {expected}, got {content!r:.80}")
