"""Matrix products on a processor whose rows do not depend on how many stand beside them.

A library of matrix products picks another routine for another number of rows, and another order of
adding up. Then a reply's logits, and in time its words, depend on what else is decoded. In float32
it is enough to keep away from very few rows. In bfloat16 the routine changes at many numbers, so
products are formed of blocks that always have the same number; weights packed for just that number
make up for what smaller products cost.

All of this was found by trying, with MKL and oneDNN on a processor with AMX: nobody promises it.
`tests/engines/test_invariant_products.py` tries it again wherever it runs.

Dimension key: M = rows, I = inputs, O = outputs.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.pytorch_utils import Conv1D

MIN_ROWS = 16
"""Least rows to put through a model. MKL forms float32 products of fewer by other routines."""

BLOCK_ROWS = 128
"""Rows of a bfloat16 product. Fewer make many rows slower, more make few rows slower."""


class PackedProducts:
    """The linear layers of a model in bfloat16, with weights packed for blocks of `BLOCK_ROWS`.

    The packed weights are held beside the model's own, so its weights take twice the memory.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        """Pack all linear layers; see `packable`."""
        self._forwards = [
            (module, partial(_blockwise, *_packed(module)))
            for module in model.modules()
            if isinstance(module, torch.nn.Linear | Conv1D)
        ]

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Have the layers compute with the packed weights while the block runs."""
        for module, forward in self._forwards:
            module.forward = forward
        try:
            yield
        finally:
            for module, _ in self._forwards:
                del module.forward


def packable(model: torch.nn.Module) -> bool:
    """Whether a model computes in bfloat16 on a processor that oneDNN has routines for."""
    weight = next(model.parameters())
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _packed(module: torch.nn.Linear | Conv1D) -> tuple[Tensor, Tensor | None, int]:
    """Packed weight, bias and number of outputs of a layer."""
    # Conv1D, GPT-2's linear layer, holds its weight as [I, O].
    weight = module.weight if isinstance(module, torch.nn.Linear) else module.weight.T
    outputs = weight.shape[0]
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), BLOCK_ROWS)
    return packed, module.bias, outputs


def _blockwise(weight: Tensor, bias: Tensor | None, outputs: int, inputs: Tensor) -> Tensor:
    """A linear layer, block by block. Shape: [..., I] -> [..., O]."""
    flat = inputs.reshape(-1, inputs.shape[-1])
    rows = len(flat)
    flat = pad(flat, (0, 0, 0, -rows % BLOCK_ROWS))
    blocks = [
        torch.ops.mkldnn._linear_pointwise(block, weight, bias, "none", [], "")
        for block in flat.split(BLOCK_ROWS)
    ]
    output = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    return output[:rows].view(*inputs.shape[:-1], outputs)
