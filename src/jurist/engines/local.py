"""What engines that hold the weights themselves share: context, text, and the order of samples."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from jurist.errors import DataError
from jurist.types import Completion, Enough


class Gathering:
    """The completions of one call, handed on in the order of their indices."""

    def __init__(self, num_prompts: int, enough: Enough | None) -> None:
        """Gather for so many prompts, each until there is enough; see `Engine.generate`."""
        self._enough = enough
        self._early: list[dict[int, Completion]] = [{} for _ in range(num_prompts)]
        self.found: list[list[Completion]] = [[] for _ in range(num_prompts)]
        """Of each prompt, the run of completions from the first sample on."""

    def add(self, prompt: int, sample: int, completion: Completion) -> bool:
        """Add a sample, whenever it came.

        Returns:
            Whether the prompt has enough now. No sample of it may be added from then on.
        """
        early, found = self._early[prompt], self.found[prompt]
        early[sample] = completion
        over = False
        while not over and len(found) in early:
            found.append(early.pop(len(found)))
            over = self._enough is not None and self._enough(found)
        return over


def completion(
    tokenizer: PreTrainedTokenizerBase,
    tokens: Sequence[int],
    *,
    stopped: bool,
    logp: float,
    num_prompt_tokens: int,
) -> Completion:
    """Sampled tokens as a completion.

    Args:
        tokenizer: The model's.
        tokens: All that were sampled, the one that ended the reply included.
        stopped: The last one ended the reply; otherwise it ran into its limit.
        logp: Log-probability of the tokens, in nats.
        num_prompt_tokens: Tokens of the prompt.
    """
    written = tokens[:-1] if stopped else tokens
    text: Any = tokenizer.decode(list(written), clean_up_tokenization_spaces=False)
    return Completion(
        text=text,
        finish_reason="stop" if stopped else "length",
        num_tokens=len(tokens),
        num_prompt_tokens=num_prompt_tokens,
        logp=logp,
    )


def refuse_too_long(encoded: Sequence[Sequence[int]], room: int, context: int) -> None:
    """See that every prompt leaves room for a reply.

    Args:
        encoded: Tokens of each prompt.
        room: Most tokens of a reply.
        context: Tokens that the model reads and writes at most.

    Raises:
        DataError: If one does not.
    """
    offences = [(len(ids), i) for i, ids in enumerate(encoded) if len(ids) + room > context]
    if offences:
        tokens, place = max(offences)
        raise DataError(
            f"{len(offences)} of {len(encoded)} prompts do not fit the model's context of "
            f"{context} tokens with a reply of up to {room}: the longest, number {place}, has "
            f"{tokens}; leave those pairs out, lower --max-tokens, or use a model with a "
            f"longer context"
        )


def refuse_unlike(prompts: Sequence[object], continuations: Sequence[object]) -> None:
    """See that `score` was given a list of continuations for each prompt.

    Raises:
        ValueError: If it was not.
    """
    if len(prompts) != len(continuations):
        raise ValueError(
            f"score was given {len(prompts)} prompts and continuations of {len(continuations)}; it "
            f"takes a list of continuations for each prompt"
        )
