"""What engines that hold the weights themselves share: tokens, context and text."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerBase

from jurist.errors import DataError
from jurist.models.chat import encode_prompt, encode_text
from jurist.types import Completion, Conversation


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


def encoded_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Conversation]
) -> list[list[int]]:
    """Tokens of each prompt, up to where the reply begins.

    Raises:
        ConfigError: As `encode_prompt`.
        DataError: If one cannot be encoded; says which.
    """
    return [
        _placed(partial(encode_prompt, tokenizer, prompt), f"prompt {place} of {len(prompts)}")
        for place, prompt in enumerate(prompts)
    ]


def encoded_continuations(
    tokenizer: PreTrainedTokenizerBase, continuations: Sequence[Sequence[str]]
) -> list[list[list[int]]]:
    """Tokens of the continuations of each prompt.

    Raises:
        DataError: If one cannot be encoded; says which.
    """
    return [
        [
            _placed(partial(encode_text, tokenizer, text), f"continuation {n} of prompt {place}")
            for n, text in enumerate(texts)
        ]
        for place, texts in enumerate(continuations)
    ]


def _placed(encode: Callable[[], list[int]], place: str) -> list[int]:
    try:
        return encode()
    except DataError as error:
        raise DataError(f"{place}, counted from 0: {error}") from error


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
