"""Decoding many replies against one copy of their prompts' keys and values.

Prompts are read side by side in one sequence, without padding. Replies that begin at the same step
form a wave, which holds their keys and values; all replies of all waves take a step in one forward
pass. A reply's attention is merged from that over its prompt, one product for all replies to the
prompt, and that over its own tokens. The model is transformers' own: only its attention function is
exchanged while the decoder runs it, and no cache of transformers' is used.

Dimension key: R = replies, H = heads, K = heads of keys and values, G = H / K, L = tokens of a
prompt, S = tokens of a reply so far, D = width of a head, V = vocabulary.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

from jurist.engines.invariant_products import MIN_ROWS, PackedProducts
from jurist.engines.keys_and_values import Prefix, Wave
from jurist.engines.partial_attention import attention, merged
from jurist.models.attending import attending, can_exchange_attention

NAME = "jurist_shared_prefix"

SUPPORTED = frozenset(
    {
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt2",
        "llama",
        "mistral",
        "olmo2",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
    }
)
"""Architectures whose logits the tests compare with a plain forward pass."""

READ_TOKENS = 4_096
"""Tokens of prompts read in one forward pass, or one prompt: more take memory and save no time."""

QUERY_MULTIPLE = 4
"""Queries that attend to one prompt together are filled up to a multiple of this. Attention works
on them in blocks, and adds up in another order in a block of one or two."""

QUERY_BLOCK = 32
"""Beside packed products they attend in blocks of this many: in bfloat16 the routine changes with
their number."""


def supported(model: PreTrainedModel) -> bool:
    """Whether a model's attention is one that this decoder computes.

    Grouped heads, sliding windows and capped scores are. Other models are decoded the plain way.
    """
    return can_exchange_attention(model) and model.config.model_type in SUPPORTED


@dataclass(frozen=True, slots=True)
class Layer:
    """What one attention layer says of itself."""

    index: int
    scale: float
    window: int | None
    """How many tokens back a token sees, itself included; all if None."""

    softcap: float | None


class Pass(Protocol):
    """What attends in one forward pass."""

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention in one layer. Shapes: [B, H, T, D], 2 x [B, K, T, D] -> [B, T, H, D]."""
        ...


class _Segment(NamedTuple):
    """Replies of one wave to one prompt, side by side once replies are in order of prompts."""

    prompt: int
    wave: Wave
    begin: int
    end: int


class SharedPrefixDecoder:
    """Reads prompts, and steps replies to them; see `jurist.engines.decoding.Decoder`."""

    def __init__(self, model: PreTrainedModel, products: PackedProducts | None = None) -> None:
        """Start with nothing read.

        Args:
            model: One that is `supported`.
            products: Its packed products, if it has them.
        """
        self._model = model
        self._products = products
        self._prefixes: dict[int, Prefix] = {}
        self._last_logits: dict[int, Tensor] = {}
        self._waves: list[Wave] = []
        self._positions = torch.zeros(0, dtype=torch.long, device=model.device)
        self._segments: list[_Segment] = []
        self._order: Tensor | None = None
        self._inverse: Tensor | None = None

    def begin(self, prompts: Mapping[int, Sequence[int]], rows: Sequence[int], room: int) -> Tensor:
        """Read prompts and begin replies; see `Decoder.begin`."""
        for part in _parts(prompts):
            self._read(part)
        # The last token is drawn and never stepped over.
        self._waves.append(Wave(list(rows), room - 1))
        lengths = [self._prefixes[prompt].length for prompt in rows]
        positions = torch.tensor(lengths, device=self._positions.device)
        self._positions = torch.cat((self._positions, positions))
        self._arrange()
        return torch.stack([self._last_logits[prompt] for prompt in rows])

    def step(self, tokens: Tensor) -> Tensor:
        """Logits after one more token of every reply; see `Decoder.step`."""
        num_rows = len(tokens)
        ids, positions = _filled(tokens, MIN_ROWS), _filled(self._positions, MIN_ROWS)
        output = self._forward(ids[:, None], positions[:, None], self, logits_to_keep=1)
        for wave in self._waves:
            wave.length += 1
        self._positions = self._positions + 1
        return output[:num_rows, -1]

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all replies but some; see `Decoder.keep`."""
        order: list[int] = []
        begin = 0
        for wave in self._waves:
            end = begin + len(wave.prompts)
            own = [row - begin for row in rows if begin <= row < end]
            order += [begin + row for row in wave.keep(own)]
            begin = end
        self._waves = [wave for wave in self._waves if wave.prompts]
        self._positions = self._positions[order]
        self._arrange()
        return order

    def forget(self, prompt: int) -> None:
        """Let go of a prompt; see `Decoder.forget`."""
        del self._prefixes[prompt], self._last_logits[prompt]

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of one new token of every reply over its prompt and over itself."""
        filled, num_heads, _, width = query.shape
        num_rows, num_kv = len(self._positions), key.shape[1]
        grouped = query[:num_rows].view(num_rows, num_kv, num_heads // num_kv, width)
        output = merged(
            *self._over_prompts(layer, grouped),
            *self._over_own(layer, grouped, key[:num_rows], value[:num_rows]),
        )
        return _filled(output.view(num_rows, 1, num_heads, width), filled)

    def _over_prompts(self, layer: Layer, query: Tensor) -> tuple[Tensor, Tensor]:
        """Attention of replies over their prompts. [R, K, G, D] -> [R, K, G, D], [R, K, G]."""
        num_rows, num_kv, group, width = query.shape
        by_prompt = query.transpose(0, 1)
        if self._order is not None:
            by_prompt = by_prompt[:, self._order]
        flat = by_prompt.reshape(1, num_kv, num_rows * group, width)
        outputs: list[Tensor] = []
        totals: list[Tensor] = []
        for prompt, first, begin, end in self._stretches(layer.window):
            prefix = self._prefixes[prompt]
            part = flat[:, :, begin * group : end * group]
            if first < prefix.length:
                output, total = _over_prompt(
                    layer,
                    part,
                    prefix.keys[layer.index][:, :, first:],
                    prefix.values[layer.index][:, :, first:],
                    in_blocks=self._products is not None,
                )
            else:  # The window has left the prompt behind.
                output = torch.zeros_like(part)
                total = torch.full_like(part[..., 0], -torch.inf, dtype=torch.float32)
            outputs.append(output)
            totals.append(total)
        output = torch.cat(outputs, dim=2).view(num_kv, num_rows, group, width).transpose(0, 1)
        total = torch.cat(totals, dim=2).view(num_kv, num_rows, group).transpose(0, 1)
        if self._inverse is not None:
            output, total = output[self._inverse], total[self._inverse]
        return output, total

    def _over_own(
        self, layer: Layer, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attention of replies over their own tokens. [R, K, G, D] -> [R, K, G, D], [R, K, G]."""
        parts: list[tuple[Tensor, Tensor]] = []
        begin = 0
        for wave in self._waves:
            end = begin + len(wave.prompts)
            wave.append(layer.index, key[begin:end], value[begin:end])
            last = wave.length + 1
            first = 0 if layer.window is None else max(0, last - layer.window)
            parts.append(
                attention(
                    query[begin:end],
                    wave.keys[layer.index][:, :, first:last],
                    wave.values[layer.index][:, :, first:last],
                    scale=layer.scale,
                    softcap=layer.softcap,
                )
            )
            begin = end
        if len(parts) == 1:
            return parts[0]
        outputs, totals = zip(*parts, strict=True)
        return torch.cat(outputs), torch.cat(totals)

    def _stretches(self, window: int | None) -> Generator[tuple[int, int, int, int]]:
        """Replies in order of prompts that see the same of theirs: prompt, from where, rows."""
        held: tuple[int, int, int, int] | None = None
        for prompt, wave, begin, end in self._segments:
            position = self._prefixes[prompt].length + wave.length
            first = 0 if window is None else max(0, position + 1 - window)
            if held is not None and held[:2] == (prompt, first):
                held = (*held[:3], end)
                continue
            if held is not None:
                yield held
            held = (prompt, first, begin, end)
        if held is not None:
            yield held

    def _arrange(self) -> None:
        """Find the order of replies that brings those to one prompt together."""
        waves = [wave for wave in self._waves for _ in wave.prompts]
        prompts = [prompt for wave in self._waves for prompt in wave.prompts]
        order = sorted(range(len(prompts)), key=prompts.__getitem__)
        self._segments = []
        for place, row in enumerate(order):
            prompt, wave = prompts[row], waves[row]
            last = self._segments[-1] if self._segments else None
            if last is not None and last.prompt == prompt and last.wave is wave:
                self._segments[-1] = last._replace(end=place + 1)
            else:
                self._segments.append(_Segment(prompt, wave, place, place + 1))
        if order == list(range(len(order))):
            self._order = self._inverse = None
        else:
            self._order = torch.tensor(order, device=self._positions.device)
            self._inverse = self._order.argsort()

    def _read(self, prompts: Mapping[int, Sequence[int]]) -> None:
        """Read prompts side by side in one sequence."""
        device = self._positions.device
        ids = torch.tensor([id for tokens in prompts.values() for id in tokens], device=device)
        lengths = [len(tokens) for tokens in prompts.values()]
        positions = torch.cat([torch.arange(length, device=device) for length in lengths])
        prefixes = {prompt: Prefix(len(tokens)) for prompt, tokens in prompts.items()}
        ends = _filled(torch.tensor(lengths, device=device).cumsum(0) - 1, MIN_ROWS)
        ids, positions = _filled(ids, MIN_ROWS), _filled(positions, MIN_ROWS)
        reading = _Reading(list(prefixes.values()))
        logits = self._forward(ids[None], positions[None], reading, logits_to_keep=ends)[0]
        logits = logits[: len(prompts)]
        self._prefixes |= prefixes
        self._last_logits |= dict(zip(prompts, logits, strict=True))

    def _forward(
        self, ids: Tensor, positions: Tensor, to_attend: Pass, *, logits_to_keep: int | Tensor
    ) -> Tensor:
        products = self._products.in_use() if self._products else nullcontext()
        with attending(self._model, NAME), products:
            output: Any = self._model(
                input_ids=ids,
                position_ids=positions,
                use_cache=False,
                logits_to_keep=logits_to_keep,
                shared_prefix=to_attend,
            )
        return output.logits


class _Reading:
    """Prompts side by side in one sequence, each seeing itself alone; their keys are kept."""

    def __init__(self, prefixes: list[Prefix]) -> None:
        self._prefixes = prefixes

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        group = query.shape[1] // key.shape[1]
        outputs: list[Tensor] = []
        begin = 0
        for prefix in self._prefixes:
            end = begin + prefix.length
            keys, values = key[:, :, begin:end], value[:, :, begin:end]
            # A copy, or what is kept would hold on to all that was read with it.
            prefix.keys.append(keys.clone(memory_format=torch.contiguous_format))
            prefix.values.append(values.clone(memory_format=torch.contiguous_format))
            keys = keys.repeat_interleave(group, dim=1)
            values = values.repeat_interleave(group, dim=1)
            outputs.append(_over_itself(layer, query[:, :, begin:end], keys, values))
            begin = end
        return _filled(torch.cat(outputs, dim=2).transpose(1, 2), query.shape[2], dim=1)


def _over_prompt(
    layer: Layer, query: Tensor, keys: Tensor, values: Tensor, *, in_blocks: bool
) -> tuple[Tensor, Tensor]:
    """Attention over one prompt, the same for a query whatever others there are.

    Shapes: [1, K, M, D], 2 x [1, K, L, D] -> [1, K, M, D], [1, K, M].
    """
    num_heads, num_queries, width = query.shape[1:]
    query = pad(query, (0, 0, 0, -num_queries % (QUERY_BLOCK if in_blocks else QUERY_MULTIPLE)))
    if in_blocks:
        query = query.view(num_heads, -1, QUERY_BLOCK, width).transpose(0, 1)
        keys, values = (held.expand(len(query), -1, -1, -1) for held in (keys, values))
    output, total = attention(query, keys, values, scale=layer.scale, softcap=layer.softcap)
    if in_blocks:
        output = output.transpose(0, 1).reshape(1, num_heads, -1, width)
        total = total.transpose(0, 1).reshape(1, num_heads, -1)
    return output[:, :, :num_queries], total[:, :, :num_queries]


def _over_itself(layer: Layer, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Causal attention of one sequence. Shapes: 3 x [1, H, L, D] -> [1, H, L, D]."""
    length = query.shape[2]
    if layer.softcap is None and (layer.window is None or length <= layer.window):
        return scaled_dot_product_attention(query, keys, values, is_causal=True, scale=layer.scale)
    places = torch.arange(length, device=query.device)
    back = places[:, None] - places
    unseen = back < 0
    if layer.window is not None:
        unseen |= back >= layer.window
    bias = torch.zeros(length, length, dtype=query.dtype, device=query.device)
    bias = bias.masked_fill(unseen, -torch.inf)
    return attention(query, keys, values, scale=layer.scale, softcap=layer.softcap, bias=bias)[0]


def _filled(tensor: Tensor, size: int, *, dim: int = 0) -> Tensor:
    """A tensor with zeros added at the end of one dimension where it is shorter than `size`."""
    lacking = size - tensor.shape[dim]
    if lacking <= 0:
        return tensor
    shape = list(tensor.shape)
    shape[dim] = lacking
    return torch.cat((tensor, tensor.new_zeros(shape)), dim=dim)


def _parts(prompts: Mapping[int, Sequence[int]]) -> Generator[dict[int, Sequence[int]]]:
    part: dict[int, Sequence[int]] = {}
    tokens = 0
    for prompt, ids in prompts.items():
        if part and tokens + len(ids) > READ_TOKENS:
            yield part
            part, tokens = {}, 0
        part[prompt] = ids
        tokens += len(ids)
    if part:
        yield part


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    shared_prefix: Pass,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """The function that transformers calls in each attention layer."""
    index: Any = module.layer_idx
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer = Layer(index, scale, sliding_window, softcap)
    return shared_prefix.attend(layer, query, key, value), None


AttentionInterface.register(NAME, _attention)
