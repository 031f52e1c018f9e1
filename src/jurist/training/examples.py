"""From rows to tokens.

An example is one or two sequences of tokens. Nothing is ever truncated: a verdict stands at the
end of its row, where truncation would take it. What is too long is refused by name.
"""

import hashlib
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from transformers import PreTrainedTokenizerBase

from jurist.errors import DataError
from jurist.formats import Format
from jurist.models.chat import encode_conversation, encode_prompt, encode_reply, encode_text
from jurist.rationales import CritiquePair, PairRow, SupervisedRow, both_orders
from jurist.types import Preference

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """Tokens of which the model learns those after the prompt."""

    ids: list[int]
    prompt_length: int
    """How many tokens come before the first one that counts. Sequences whose tokens up to there are
    equal share them."""

    @property
    def prompt(self) -> tuple[int, ...]:
        """The tokens before the first one that counts."""
        return tuple(self.ids[: self.prompt_length])


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A training row in tokens."""

    name: str
    """What an error calls it."""

    sequences: tuple[Encoded, ...]
    """One reply to learn; or the preferred one, then the other."""

    weight: float = 1.0
    """Factor of this row's loss, in the sum and in its denominator."""

    reference_logps: tuple[float, ...] = ()
    """Log-probability of each sequence's reply under the reference, in nats, summed."""

    @property
    def key(self) -> bytes:
        """A digest of what is learnt; equal rows have equal keys."""
        content = [sequence.ids for sequence in self.sequences]
        return hashlib.sha256(f"{content}{self.weight}".encode()).digest()

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(len(sequence.ids) for sequence in self.sequences)

    @property
    def prompt_length(self) -> int:
        """Tokens before the first one that counts in any of its sequences."""
        return min(sequence.prompt_length for sequence in self.sequences)


def supervised_examples(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[SupervisedRow]
) -> list[Example]:
    """Replies to learn whole, the token that ends the turn included."""
    return _examples(tokenizer, rows, encode_reply)


def verdict_examples(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[SupervisedRow]
) -> list[Example]:
    """Verdicts to learn: the reply's own tokens, without the one that ends the turn."""
    return _examples(tokenizer, rows, encode_text)


def _examples(
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[SupervisedRow],
    encode: Callable[[PreTrainedTokenizerBase, str], list[int]],
) -> list[Example]:
    examples: list[Example] = []
    for row in rows:
        with _naming(row.preference_id):
            whole = _joined(encode_prompt(tokenizer, row.prompt), encode(tokenizer, row.completion))
        examples.append(Example(name=row.preference_id, sequences=(whole,), weight=row.weight))
    return examples


def pair_examples(tokenizer: PreTrainedTokenizerBase, rows: Sequence[PairRow]) -> list[Example]:
    """Two replies to each prompt, the preferred one first."""
    examples: list[Example] = []
    for row in rows:
        with _naming(row.preference_id):
            prompt = encode_prompt(tokenizer, row.prompt)
            chosen, rejected = (encode_reply(tokenizer, one) for one in (row.chosen, row.rejected))
        logps = (row.reference_chosen_logp, row.reference_rejected_logp)
        examples.append(
            Example(
                name=row.preference_id,
                sequences=(_joined(prompt, chosen), _joined(prompt, rejected)),
                weight=row.weight,
                reference_logps=tuple(logp for logp in logps if logp is not None),
            )
        )
    return examples


def critique_examples(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[CritiquePair]
) -> list[Example]:
    """A critique of the chosen response and one of the rejected, each after its own prompt."""
    examples: list[Example] = []
    for row in rows:
        with _naming(row.chosen.preference_id):
            halves = tuple(
                _joined(
                    encode_prompt(tokenizer, half.prompt), encode_reply(tokenizer, half.completion)
                )
                for half in row
            )
        examples.append(Example(name=row.chosen.preference_id, sequences=halves))
    return examples


def scalar_examples(
    tokenizer: PreTrainedTokenizerBase, preferences: Sequence[Preference]
) -> list[Example]:
    """The conversation with the chosen response, then the one with the rejected response.

    Raises:
        DataError: If a preference is a tie, which Bradley-Terry has no place for.
    """
    _refuse_ties(preferences)
    examples: list[Example] = []
    for one in preferences:
        with _naming(one.id):
            chosen, rejected = (
                encode_conversation(tokenizer, one.prompt, response)
                for response in (one.chosen, one.rejected)
            )
        examples.append(_read_whole(one.id, chosen, rejected))
    return examples


def comparison_examples(
    tokenizer: PreTrainedTokenizerBase, preferences: Sequence[Preference], format: Format
) -> list[Example]:
    """The judge's prompt with the chosen response first, then the one with it second.

    Raises:
        DataError: If a preference is a tie, which no reading of either order can be right about.
    """
    _refuse_ties(preferences)
    examples: list[Example] = []
    for one in preferences:
        with _naming(one.id):
            first, second = (
                encode_prompt(tokenizer, format.render(comparison))
                for comparison, _ in both_orders(one)
            )
        examples.append(_read_whole(one.id, first, second))
    return examples


@contextmanager
def _naming(row: str) -> Generator[None]:
    """Say of which row it is that something cannot be encoded."""
    try:
        yield
    except DataError as error:
        raise DataError(f"row {row!r}: {error}") from error


def _refuse_ties(preferences: Sequence[Preference]) -> None:
    tie = next((preference for preference in preferences if preference.tie), None)
    if tie is not None:
        raise DataError(
            f"preference {tie.id!r} is a tie; this method needs a chosen response: leave ties out"
        )


def _read_whole(name: str, first: list[int], second: list[int]) -> Example:
    """Two sequences of which only the last hidden state counts."""
    both = zip(first, second, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
    return Example(
        name=name,
        sequences=(
            Encoded(ids=first, prompt_length=shared),
            Encoded(ids=second, prompt_length=shared),
        ),
    )


def _joined(prompt: list[int], reply: list[int]) -> Encoded:
    return Encoded(ids=prompt + reply, prompt_length=len(prompt))


def check_examples(examples: Sequence[Example], *, max_length: int, advice: str) -> None:
    """Refuse what cannot be learnt as it is, and log how long the rest is.

    Args:
        examples: All rows of a training.
        max_length: Longest sequence, in tokens.
        advice: What to do about a row that is longer.

    Raises:
        DataError: If there are no rows, a sequence is too long, has no prompt or no reply, two
            sequences of a row are the same, or a weight is not positive.
    """
    if not examples:
        raise DataError("no rows to train on")
    faults = [
        f"row {example.name!r}: {fault}"
        for example in examples
        if (fault := _fault(example, max_length))
    ]
    if faults:
        more = f"\n... and {len(faults) - 5} more" if len(faults) > 5 else ""
        lengths = [example.longest for example in examples if example.longest > max_length]
        cut = (
            f", {len(lengths)} of them since their end, where the verdict stands, would be cut; "
            f"the longest has {max(lengths)} tokens"
            if lengths
            else ""
        )
        raise DataError(
            f"{len(faults)} of {len(examples)} rows cannot be trained on{cut}:\n"
            + "\n".join(faults[:5])
            + f"{more}\nNothing is ever truncated. {advice}"
        )
    lengths = sorted(example.longest for example in examples)
    marks = [lengths[min(len(lengths) - 1, len(lengths) * tenth // 10)] for tenth in (0, 5, 9, 10)]
    sequences = [sequence for example in examples for sequence in example.sequences]
    logger.info(
        "%d rows; tokens of the longest sequence: %d least, %d median, %d at 90 %%, %d most, "
        "of %d; of prompts at most %d, of replies %d",
        len(examples),
        *marks,
        max_length,
        max(sequence.prompt_length for sequence in sequences),
        max(len(sequence.ids) - sequence.prompt_length for sequence in sequences),
    )


def _fault(example: Example, max_length: int) -> str | None:
    for sequence in example.sequences:
        prompt, reply = sequence.prompt_length, len(sequence.ids) - sequence.prompt_length
        if len(sequence.ids) > max_length:
            return (
                f"{len(sequence.ids)} tokens, {prompt} of the prompt and {reply} of the reply; "
                f"at most {max_length} fit"
            )
        if prompt == 0:
            return "no tokens before the reply"
        if reply == 0 and len(example.sequences) == 1:
            return "no tokens in the reply"
    if len(example.sequences) == 2 and example.sequences[0].ids == example.sequences[1].ids:
        return "chosen and rejected are the same tokens"
    if not 0 < example.weight < float("inf"):
        return f"weight must be positive and finite, got {example.weight}"
    return None
