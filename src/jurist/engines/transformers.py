"""An engine that runs a causal language model in this process, with transformers.

Prompts are batched by length and padded on the left; each is read once, and all its samples are
decoded against that one copy of its keys and values (`jurist.engines.shared_prefix`). Every sample
is drawn with random numbers of its own, and its log-probability is exact.

Dimension key: P = prompts in the batch, N = samples of each, R = P * N replies, V = vocabulary.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jurist.digest import digest
from jurist.engines.base import sample_seed
from jurist.engines.decoding import PlainSteps, SharedSteps, Steps, draw, uniforms
from jurist.engines.shared_prefix import supported
from jurist.errors import DataError
from jurist.models.chat import encode_prompt, encode_text, stop_ids
from jurist.models.load import Dtype, load_causal, load_tokenizer, weights_fingerprint
from jurist.progress import progress
from jurist.types import Completion, Conversation, Enough, FinishReason, Sampling

MAX_BATCH_TOKENS = 32_768
"""Tokens whose keys and values are held at once: of the padded prompts, and of every reply at its
longest. A model of 30 layers, 3 heads of keys and width 64 takes 1.5 GB for as many in float32."""

MAX_BATCH_REPLIES = 1_024
"""Replies decoded at once: more only make each step slower."""

MAX_BATCH_LOGITS = 2**25
"""Logits of one step, 128 MB in float32: a model with many tokens decodes fewer replies at once."""

_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Reply:
    """One sample as it grows."""

    tokens: list[int] = field(default_factory=list[int])
    logp: float = 0.0
    finish_reason: FinishReason = "length"


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
            max_batch_tokens: Tokens whose keys and values may be held at once. Where the samples of
                one prompt need more, the prompt is read again for every part of them.
        """
        self.model = model
        self.tokenizer = tokenizer
        self._fingerprint = fingerprint
        self.max_batch_tokens = max_batch_tokens
        self._max_rows = min(MAX_BATCH_REPLIES, max(1, MAX_BATCH_LOGITS // _vocabulary(model)))
        self.stops = stop_ids(tokenizer, getattr(model.generation_config, "eos_token_id", None))
        self._shares_prefix = supported(model)

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
        enough: Enough | None = None,
    ) -> list[list[Completion]]:
        """Sample replies; see `Engine.generate`.

        `enough` is asked after the first sample of each prompt and then after each doubling.
        """
        encoded = [encode_prompt(self.tokenizer, prompt) for prompt in prompts]
        self._refuse_too_long(encoded, sampling.max_tokens)
        found: list[list[Completion]] = [[] for _ in prompts]
        asked = range(len(prompts))
        while asked:
            have = len(found[asked[0]])
            wanted = sampling.num_samples - have if enough is None else max(1, have)
            wanted = min(wanted, sampling.num_samples - have)
            part = replace(sampling, num_samples=wanted, first_index=sampling.first_index + have)
            self._sample(prompts, encoded, asked, part, found)
            if have + wanted >= sampling.num_samples or enough is None:
                break
            asked = [i for i in asked if not enough(found[i])]
        return found

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Log-probabilities of continuations; see `LogprobEngine.score`.

        A continuation is scored as text with which the reply begins: the token that would end the
        reply is not part of it.
        """
        encoded = [encode_prompt(self.tokenizer, prompt) for prompt in prompts]
        replies = [[encode_text(self.tokenizer, text) for text in texts] for texts in continuations]
        asked = list(zip(encoded, replies, strict=True))
        num = max(map(len, replies), default=0)
        longest = max((len(ids) for texts in replies for ids in texts), default=0)
        self._refuse_too_long(encoded, longest)
        found: list[list[float]] = [[] for _ in prompts]
        by_length = sorted(range(len(asked)), key=lambda i: (-len(encoded[i]), i))
        with progress("scoring", len(asked), "readings") as advance:
            held = partial(_held, encoded, num * longest)
            for batch in self._batches(by_length, held, rows=max(1, num)):
                logps = self._logps([asked[i] for i in batch])
                for i, of_prompt in zip(batch, logps, strict=True):
                    found[i] = of_prompt
                advance(len(batch))
        return found

    @torch.inference_mode()
    def _logps(
        self, asked: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]
    ) -> list[list[float]]:
        """Log-probabilities of given replies: decoding that takes their tokens, not drawn ones.

        Args:
            asked: Tokens of P prompts, each with the tokens of N replies or of fewer.
        """
        prompts, replies = zip(*asked, strict=True)
        samples = max(map(len, replies))
        padded = [ids for texts in replies for ids in (*texts, *[()] * (samples - len(texts)))]
        longest = max(map(len, padded), default=0)
        logits, steps = self._read(prompts, num_samples=samples, room=longest)
        tokens = torch.zeros(len(padded), longest, dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for row, ids in enumerate(padded):
            tokens[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
            mask[row, : len(ids)] = 1
        tokens, mask = tokens.to(logits.device), mask.to(logits.device)
        sums = torch.zeros(len(padded), dtype=torch.float64, device=logits.device)
        with steps.attending():
            for step in range(longest):
                if step > 0:
                    logits = steps.step(tokens[:, step - 1])
                logps = logits.log_softmax(-1).gather(-1, tokens[:, step, None])[:, 0]
                sums += logps.double().where(mask[:, step] == 1, 0.0)
        of_prompts = sums.view(len(prompts), samples).tolist()
        return [row[: len(texts)] for row, texts in zip(of_prompts, replies, strict=True)]

    def _sample(
        self,
        prompts: Sequence[Conversation],
        encoded: Sequence[list[int]],
        asked: Sequence[int],
        sampling: Sampling,
        found: list[list[Completion]],
    ) -> None:
        """Sample replies to some of the prompts, and append them to what was found of each."""
        # Longest first, so that a batch that does not fit shows at the start.
        by_length = sorted(asked, key=lambda i: (-len(encoded[i]), i))
        num, size = sampling.num_samples, sampling.max_tokens
        room = (self.max_batch_tokens - len(encoded[by_length[0]])) // size
        num_parts = math.ceil(num / max(1, min(room, self._max_rows)))
        with progress("sampling", len(asked) * num, "replies") as advance:
            for part in range(num_parts):
                indices = range(
                    sampling.first_index + num * part // num_parts,
                    sampling.first_index + num * (part + 1) // num_parts,
                )
                held = partial(_held, encoded, len(indices) * size)
                for batch in self._batches(by_length, held, rows=len(indices)):
                    seeds = [
                        sample_seed(sampling.seed, prompts[i], n) for i in batch for n in indices
                    ]
                    drawn = np.stack([uniforms(seed, size) for seed in seeds])
                    replies = self._decode([encoded[i] for i in batch], drawn, sampling)
                    for i, of_prompt in zip(batch, replies, strict=True):
                        found[i] += [self._completion(one, len(encoded[i])) for one in of_prompt]
                    advance(len(seeds))

    def _batches(
        self, items: Sequence[_Item], held: Callable[[_Item], int], *, rows: int
    ) -> Iterator[list[_Item]]:
        """Cut items into batches that fit the budgets, or of one.

        Args:
            items: Sorted by length.
            held: Tokens that an item takes, if it is not padded.
            rows: Rows of logits that an item takes.
        """
        batch: list[_Item] = []
        most = 0
        for item in items:
            most = max(most, held(item))
            full = (len(batch) + 1) * most > self.max_batch_tokens
            if batch and (full or (len(batch) + 1) * rows > self._max_rows):
                yield batch
                batch, most = [], held(item)
            batch.append(item)
        if batch:
            yield batch

    @torch.inference_mode()
    def _decode(
        self, prompts: Sequence[Sequence[int]], drawn: npt.NDArray[np.float64], sampling: Sampling
    ) -> list[list[_Reply]]:
        """Sample N replies to each of P prompts, token by token.

        Args:
            prompts: Tokens of the prompts. Length P.
            drawn: A number in [0, 1) for every step of every reply. Shape: [R, max_tokens].
            sampling: How; N follows from `drawn`.
        """
        samples = len(drawn) // len(prompts)
        replies = [[_Reply() for _ in range(samples)] for _ in prompts]
        live = [reply for of_prompt in replies for reply in of_prompt]
        logits, steps = self._read(prompts, num_samples=samples, room=sampling.max_tokens)
        places = torch.from_numpy(drawn).to(logits.device)
        rows = torch.arange(len(live), device=logits.device)
        open_rows = torch.ones(len(live), dtype=torch.bool, device=logits.device)
        stops = torch.tensor(sorted(self.stops), device=logits.device)
        with steps.attending():
            for step in range(sampling.max_tokens):
                tokens = draw(
                    logits,
                    places[rows, step],
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                )
                logps = logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
                ended = torch.isin(tokens, stops)
                for reply, token, logp, is_open, has_ended in zip(
                    live,
                    tokens.tolist(),
                    logps.double().tolist(),
                    open_rows.tolist(),
                    ended.tolist(),
                    strict=True,
                ):
                    if is_open:
                        reply.tokens.append(token)
                        reply.logp += logp
                        if has_ended:
                            reply.finish_reason = "stop"
                open_rows &= ~ended
                if step + 1 == sampling.max_tokens or not bool(open_rows.any()):
                    break
                kept = steps.compact(open_rows)
                if kept is not None:
                    live = [live[row] for row in kept.tolist()]
                    tokens, open_rows, rows = tokens[kept], open_rows[kept], rows[kept]
                logits = steps.step(tokens)
        return replies

    def _read(
        self, prompts: Sequence[Sequence[int]], *, num_samples: int, room: int
    ) -> tuple[Tensor, Steps]:
        """Read P prompts, each once.

        Args:
            prompts: Their tokens.
            num_samples: N.
            room: Most tokens of a reply.

        Returns:
            Logits of the first token of every reply, float32, shape [R, V], and what decodes on.
        """
        ids, mask, positions = self._left_padded(prompts)
        output: Any = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        steps: Steps = (
            SharedSteps(self.model, cache, mask, num_samples=num_samples, room=room)
            if self._shares_prefix
            else PlainSteps(self.model, cache, mask, num_samples=num_samples)
        )
        return output.logits[:, -1].float().repeat_interleave(num_samples, dim=0), steps

    def _left_padded(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Token ids, attention mask and positions of prompts, each of shape [P, L]."""
        longest = max(map(len, prompts))
        # What stands in a padded place is never read; 0 is a token of every vocabulary.
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        device = self.model.device
        return ids.to(device), mask.to(device), positions.to(device)

    def _completion(self, reply: _Reply, num_prompt_tokens: int) -> Completion:
        written = reply.tokens[:-1] if reply.finish_reason == "stop" else reply.tokens
        text: Any = self.tokenizer.decode(written, clean_up_tokenization_spaces=False)
        return Completion(
            text=text,
            finish_reason=reply.finish_reason,
            num_tokens=len(reply.tokens),
            num_prompt_tokens=num_prompt_tokens,
            logp=reply.logp,
        )

    def _refuse_too_long(self, encoded: Sequence[list[int]], room: int) -> None:
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if context is None:
            return
        offences = [(len(ids), i) for i, ids in enumerate(encoded) if len(ids) + room > context]
        if offences:
            tokens, place = max(offences)
            raise DataError(
                f"{len(offences)} of {len(encoded)} prompts do not fit the model's context of "
                f"{context} tokens with a reply of up to {room}: the longest, number {place}, has "
                f"{tokens}; leave those pairs out, lower --max-tokens, or use a model with a "
                f"longer context"
            )


def _held(encoded: Sequence[list[int]], of_replies: int, i: int) -> int:
    return len(encoded[i]) + of_replies


def _vocabulary(model: PreTrainedModel) -> int:
    size: Any = model.config.get_text_config().vocab_size
    return int(size)
