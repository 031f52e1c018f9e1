"""From rows to tensors: examples, the plan of the batches, padding.

An example is one or two sequences of tokens. Nothing is ever truncated: a verdict stands at the
end of its row, where truncation would take it. What is too long is refused by name.

Dimension key: B = rows, S = sequences of a row (1 or 2), N = S * B, T = tokens.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from jurist.errors import DataError
from jurist.models.chat import encode_conversation, encode_prompt, encode_reply, encode_text
from jurist.rationales import PairRow, SupervisedRow
from jurist.types import Preference

logger = logging.getLogger(__name__)

POOL_BATCHES = 16
"""Batches whose rows are sorted together by length, so that little is padded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """Tokens of which the model learns those after the prompt."""

    ids: list[int]
    prompt_length: int
    """How many tokens come before the first one that counts."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Examples as tensors, padded on the right; first sequences of all rows, then second ones."""

    ids: Tensor
    """Token ids. Shape: [N, T]."""

    attention_mask: Tensor
    """1 at tokens, 0 at padding. Shape: [N, T]."""

    reply_mask: Tensor
    """True at the tokens after each prompt. Shape: [N, T]."""

    first: int
    """Place of the last token of the shortest prompt: predictions before it count nowhere."""

    weights: Tensor
    """Shape: [B]."""

    reference_logps: Tensor
    """In nats. Shape: [S, B], or [0, B] if there are none."""


def supervised_examples(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[SupervisedRow]
) -> list[Example]:
    """Replies to learn whole, the token that ends the turn included."""
    return [
        Example(
            name=row.preference_id,
            sequences=(
                _joined(
                    encode_prompt(tokenizer, row.prompt), encode_reply(tokenizer, row.completion)
                ),
            ),
            weight=row.weight,
        )
        for row in rows
    ]


def verdict_examples(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[SupervisedRow]
) -> list[Example]:
    """Verdicts to learn: the reply's own tokens, without the one that ends the turn."""
    return [
        Example(
            name=row.preference_id,
            sequences=(
                _joined(
                    encode_prompt(tokenizer, row.prompt), encode_text(tokenizer, row.completion)
                ),
            ),
            weight=row.weight,
        )
        for row in rows
    ]


def pair_examples(tokenizer: PreTrainedTokenizerBase, rows: Sequence[PairRow]) -> list[Example]:
    """Two replies to each prompt, the preferred one first."""
    examples: list[Example] = []
    for row in rows:
        prompt = encode_prompt(tokenizer, row.prompt)
        logps = (row.reference_chosen_logp, row.reference_rejected_logp)
        examples.append(
            Example(
                name=row.preference_id,
                sequences=(
                    _joined(prompt, encode_reply(tokenizer, row.chosen)),
                    _joined(prompt, encode_reply(tokenizer, row.rejected)),
                ),
                reference_logps=tuple(logp for logp in logps if logp is not None),
            )
        )
    return examples


def scalar_examples(
    tokenizer: PreTrainedTokenizerBase, preferences: Sequence[Preference]
) -> list[Example]:
    """The conversation with the chosen response, then the one with the rejected response.

    Raises:
        DataError: If a preference is a tie, which Bradley-Terry has no place for.
    """
    examples: list[Example] = []
    for preference in preferences:
        if preference.tie:
            raise DataError(
                f"preference {preference.id!r} is a tie; Bradley-Terry needs a chosen response: "
                f"leave ties out"
            )
        chosen, rejected = (
            encode_conversation(tokenizer, preference.prompt, response)
            for response in (preference.chosen, preference.rejected)
        )
        both = zip(chosen, rejected, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))
        examples.append(
            Example(
                name=preference.id,
                sequences=(
                    Encoded(ids=chosen, prompt_length=shared),
                    Encoded(ids=rejected, prompt_length=shared),
                ),
            )
        )
    return examples


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
        raise DataError(
            f"{len(faults)} of {len(examples)} rows cannot be trained on:\n"
            + "\n".join(faults[:5])
            + f"{more}\nNothing is ever truncated. {advice}"
        )
    lengths = sorted(example.longest for example in examples)
    marks = [lengths[min(len(lengths) - 1, len(lengths) * tenth // 10)] for tenth in (0, 5, 9, 10)]
    logger.info(
        "%d rows; tokens of the longest sequence: %d least, %d median, %d at 90 %%, %d most, of %d",
        len(examples),
        *marks,
        max_length,
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


def plan(
    examples: Sequence[Example], *, batch_size: int, epochs: int, seed: int
) -> list[list[int]]:
    """Which rows each optimizer step learns from.

    Every epoch draws a new order by hash, so the plan depends on the rows' content and the seed,
    and neither on the order the rows came in nor on what the process did before. Within pools of
    16 batches, rows with prompts of about one length go together: sorting by the length of
    the whole would put short replies into batches of their own.

    Args:
        examples: All rows.
        batch_size: Rows per step, at most. Steps of a pool differ by one row at most.
        epochs: Times each row occurs.
        seed: Of the order.

    Returns:
        Indices into `examples`, by step.
    """
    keys = [example.key for example in examples]
    lengths = [example.prompt_length for example in examples]
    steps: list[list[int]] = []
    for epoch in range(epochs):
        salt = f"{seed}/{epoch}/".encode()
        draw = [hashlib.sha256(salt + key).digest() for key in keys]
        order = sorted(range(len(examples)), key=lambda index: (draw[index], keys[index]))
        batches: list[list[int]] = []
        for at in range(0, len(order), batch_size * POOL_BATCHES):
            pool = order[at : at + batch_size * POOL_BATCHES]
            pool.sort(key=lambda index: lengths[index])
            count = -(-len(pool) // batch_size)
            batches += [
                pool[len(pool) * part // count : len(pool) * (part + 1) // count]
                for part in range(count)
            ]
        batches.sort(key=lambda batch: hashlib.sha256(draw[batch[0]]).digest())
        steps += batches
    return steps


def micro_batches(examples: Sequence[Example], *, max_tokens: int) -> Iterator[Sequence[Example]]:
    """Cut the rows of a step, in their order, into as few parts as fit `max_tokens` each.

    Tokens count padding, and a row that is too long by itself goes alone.
    """
    start, longest = 0, 0
    for at, example in enumerate(examples):
        longest = max(longest, example.longest)
        tokens = longest * len(example.sequences) * (at + 1 - start)
        if tokens > max_tokens and at > start:
            yield examples[start:at]
            start, longest = at, example.longest
    yield examples[start:]


def collate(examples: Sequence[Example], *, pad_id: int, device: torch.device) -> Batch:
    """Examples as one padded batch on a device."""
    sequences = [
        example.sequences[place]
        for place in range(len(examples[0].sequences))
        for example in examples
    ]
    width = max(len(sequence.ids) for sequence in sequences)
    ids = torch.tensor(
        [sequence.ids + [pad_id] * (width - len(sequence.ids)) for sequence in sequences]
    )
    lengths = torch.tensor([len(sequence.ids) for sequence in sequences]).unsqueeze(-1)
    prompts = torch.tensor([sequence.prompt_length for sequence in sequences]).unsqueeze(-1)
    places = torch.arange(width)
    return Batch(
        ids=ids.to(device),
        attention_mask=(places < lengths).long().to(device),
        reply_mask=((places >= prompts) & (places < lengths)).to(device),
        first=min(sequence.prompt_length for sequence in sequences) - 1,
        weights=torch.tensor([example.weight for example in examples], device=device),
        reference_logps=torch.tensor(
            [example.reference_logps for example in examples], device=device
        ).T,
    )
