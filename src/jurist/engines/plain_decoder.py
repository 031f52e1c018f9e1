"""Decoding the usual way, every reply with a copy of its prompt's keys and values.

Right for any decoder that transformers generates with, and slow: it serves architectures that
`jurist.engines.shared_prefix` does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache


@dataclass(slots=True)
class _Wave:
    """Replies that began at the same step."""

    cache: DynamicCache
    mask: Tensor
    """Which places are tokens: prompts are padded on the left. Shape: [R, L + S]."""


class PlainDecoder:
    """Reads prompts, and steps replies to them; see `jurist.engines.decoding.Decoder`."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._prompts: dict[int, Sequence[int]] = {}
        self._waves: list[_Wave] = []

    def begin(self, prompts: Mapping[int, Sequence[int]], rows: Sequence[int], room: int) -> Tensor:
        """Read the prompts replied to, again if they were read before; see `Decoder.begin`."""
        self._prompts |= prompts
        asked = list(dict.fromkeys(rows))
        longest = max(len(self._prompts[prompt]) for prompt in asked)
        # What stands in a padded place is never read; 0 is a token of every vocabulary.
        ids = torch.zeros(len(asked), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(asked):
            tokens = self._prompts[prompt]
            ids[row, longest - len(tokens) :] = torch.tensor(tokens)
            mask[row, longest - len(tokens) :] = 1
        ids, mask = ids.to(self._model.device), mask.to(self._model.device)
        output: Any = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        )
        places = {prompt: place for place, prompt in enumerate(asked)}
        copies = torch.tensor([places[prompt] for prompt in rows], device=ids.device)
        cache: DynamicCache = output.past_key_values
        cache.batch_select_indices(copies)
        self._waves.append(_Wave(cache, mask[copies]))
        return output.logits[copies, -1]

    def step(self, tokens: Tensor) -> Tensor:
        """Logits after one more token of every reply; see `Decoder.step`."""
        logits: list[Tensor] = []
        parts = tokens.split([len(wave.mask) for wave in self._waves])
        for wave, part in zip(self._waves, parts, strict=True):
            positions = wave.mask.sum(-1)
            wave.mask = torch.cat((wave.mask, wave.mask.new_ones(len(part), 1)), dim=-1)
            output: Any = self._model(
                input_ids=part[:, None],
                attention_mask=wave.mask,
                position_ids=positions[:, None],
                past_key_values=wave.cache,
                use_cache=True,
            )
            logits.append(output.logits[:, -1])
        return torch.cat(logits)

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all replies but some; see `Decoder.keep`."""
        begin = 0
        for wave in self._waves:
            end = begin + len(wave.mask)
            own = [row - begin for row in rows if begin <= row < end]
            if len(own) < len(wave.mask):
                kept = torch.tensor(own, dtype=torch.long, device=wave.mask.device)
                wave.cache.batch_select_indices(kept)
                wave.mask = wave.mask[kept]
            begin = end
        self._waves = [wave for wave in self._waves if len(wave.mask)]
        return list(rows)

    def forget(self, prompt: int) -> None:
        """Let go of a prompt; see `Decoder.forget`."""
        del self._prompts[prompt]
