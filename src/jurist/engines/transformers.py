"""An engine that runs a causal language model in this process, with transformers.

Each prompt is read once, and all its samples are decoded against that one copy of its keys and
values (`jurist.engines.shared_prefix`), together with those of other prompts; what ends makes room
at once for what waits (`jurist.engines.decoding`). Every sample is drawn with random numbers of its
own, and its log-probability is exact.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jurist.digest import digest
from jurist.engines.base import groups_of, sample_seed
from jurist.engines.decoding import Decoder, decode
from jurist.engines.drawing import draw, follow, uniforms
from jurist.engines.gathering import Gathering
from jurist.engines.invariant_products import BLOCK_ROWS, PackedProducts, packable
from jurist.engines.local import (
    completion,
    encoded_continuations,
    encoded_prompts,
    refuse_too_long,
    refuse_unlike,
)
from jurist.engines.plain_decoder import PlainDecoder
from jurist.engines.schedule import Schedule, Start
from jurist.engines.shared_prefix import SharedPrefixDecoder, supported
from jurist.models.chat import stop_ids
from jurist.models.load import Dtype, load_causal, load_tokenizer, weights_fingerprint
from jurist.progress import progress
from jurist.types import Completion, Conversation, Sampling, StoppingRule

MAX_BATCH_TOKENS = 65_536
"""Tokens whose keys and values may be held at once: of the prompts being replied to, and of every
open reply at its longest. Each takes 2 x layers x heads of keys x width of a head x bytes of the
type: 46 kB for SmolLM2-135M in float32, so 3 GB in all."""

MAX_BATCH_REPLIES = 1_024
"""Replies decoded at once: more only make each step slower."""

MAX_BATCH_LOGITS = 2**25
"""Logits of one step, 128 MB in float32: a model with many tokens decodes fewer replies at once."""

AHEAD = 3
"""A prompt that is replied to again, since a rule wants more, gets so many times what is wanted at
the least. A step that attends to one more prompt costs as much as four more replies, measured."""


class TransformersEngine:
    """Samples and scores with a model in this process."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        fingerprint: str,
        max_batch_tokens: int = MAX_BATCH_TOKENS,
    ) -> None:
        """Wrap a model that is loaded.

        Args:
            model: In evaluation mode.
            tokenizer: The model's, with a chat template.
            fingerprint: What its replies depend on; see `Engine.fingerprint`.
            max_batch_tokens: Tokens whose keys and values may be held at once, by the formula of
                `MAX_BATCH_TOKENS`. A single sample is decoded whatever it needs.
        """
        self.model = model
        self.tokenizer = tokenizer
        self._fingerprint = fingerprint
        self.max_batch_tokens = max_batch_tokens
        self._max_rows = min(MAX_BATCH_REPLIES, max(1, MAX_BATCH_LOGITS // _vocabulary(model)))
        self.stops = stop_ids(tokenizer, getattr(model.generation_config, "eos_token_id", None))
        self._shares_prefix = supported(model)
        self._products: PackedProducts | None = None

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        dtype: Dtype = "float32",
        max_batch_tokens: int = MAX_BATCH_TOKENS,
    ) -> Self:
        """Load a checkpoint folder or hub id.

        Raises:
            ConfigError: If there is no such model, or it has no chat template.
        """
        return cls(
            load_causal(model, dtype=dtype),
            load_tokenizer(model),
            fingerprint=digest("transformers", weights_fingerprint(model), dtype),
            max_batch_tokens=max_batch_tokens,
        )

    @property
    def fingerprint(self) -> str:
        """Digest of weights, config, tokenizer, chat template and the type of the weights."""
        return self._fingerprint

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """Sample replies; see `Engine.generate`.

        Samples are decoded side by side, those of one prompt too. With a rule, those that it wants
        are begun, and while the batch is nearly empty others too; what is still open when it wants
        no more of a group is dropped.
        """
        encoded = encoded_prompts(self.tokenizer, prompts)
        self._refuse_too_long(encoded, sampling.max_tokens)

        def script(start: Start) -> Any:  # noqa: ANN401 - an array
            index = sampling.first_index + start.sample
            seed = sample_seed(sampling.seed, prompts[start.prompt], index)
            return uniforms(seed, sampling.max_tokens)

        choice = partial(draw, temperature=sampling.temperature, top_p=sampling.top_p)
        sizes = [[sampling.max_tokens] * sampling.num_samples] * len(prompts)
        schedule, decoder = self._plan(encoded, sizes, groups_of(len(prompts), rule))
        gathering = Gathering(schedule, sampling.num_samples, rule)
        with progress("sampling", len(prompts) * sampling.num_samples, "replies") as advance:
            for ended in decode(
                decoder,
                schedule,
                encoded,
                script,
                choice,
                stops=sorted(self.stops),
                device=self.model.device,
            ):
                one = completion(
                    self.tokenizer,
                    ended.tokens,
                    stopped=ended.stopped,
                    logp=ended.logp,
                    num_prompt_tokens=len(encoded[ended.prompt]),
                )
                gathering.add(ended.prompt, ended.sample, one)
                advance(1)
        return gathering.answers()

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Log-probabilities of continuations; see `LogprobEngine.score`.

        A continuation is scored as text with which the reply begins: the token that would end the
        reply is not part of it.
        """
        encoded = encoded_prompts(self.tokenizer, prompts)
        replies = encoded_continuations(self.tokenizer, continuations)
        refuse_unlike(encoded, replies)
        self._refuse_too_long(encoded, max((len(ids) for row in replies for ids in row), default=0))
        # No tokens are certain.
        found = [[0.0] * len(row) for row in replies]
        asked = [[n for n, ids in enumerate(row) if ids] for row in replies]
        sizes = [[len(row[n]) for n in places] for row, places in zip(replies, asked, strict=True)]

        def script(start: Start) -> Any:  # noqa: ANN401 - an array
            return np.array(replies[start.prompt][asked[start.prompt][start.sample]])

        schedule, decoder = self._plan(encoded, sizes)
        with progress("scoring", sum(map(len, sizes)), "continuations") as advance:
            for ended in decode(
                decoder, schedule, encoded, script, follow, stops=(), device=self.model.device
            ):
                found[ended.prompt][asked[ended.prompt][ended.sample]] = ended.logp
                advance(1)
        return found

    def _plan(
        self,
        encoded: Sequence[list[int]],
        sizes: Sequence[Sequence[int]],
        groups: Sequence[range] | None = None,
    ) -> tuple[Schedule, Decoder]:
        """A schedule of samples of these sizes, and what decodes them."""
        plan = partial(
            Schedule,
            max_tokens=self.max_batch_tokens,
            max_rows=self._max_rows,
            groups=groups,
            ahead=AHEAD,
        )
        lengths = [len(ids) for ids in encoded]
        if self._shares_prefix:
            if self._products is None and packable(self.model):
                self._products = PackedProducts(self.model)
            if self._products is not None:
                plan = partial(plan, lean_rows=BLOCK_ROWS)
            return plan(lengths, sizes), SharedPrefixDecoder(self.model, self._products)
        # Here every reply holds a copy of its prompt.
        whole = [[n + size for size in row] for n, row in zip(lengths, sizes, strict=True)]
        return plan([0] * len(lengths), whole), PlainDecoder(self.model)

    def _refuse_too_long(self, encoded: Sequence[list[int]], room: int) -> None:
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if context is not None:
            refuse_too_long(encoded, room, context)


def _vocabulary(model: PreTrainedModel) -> int:
    size: Any = model.config.get_text_config().vocab_size
    return int(size)
