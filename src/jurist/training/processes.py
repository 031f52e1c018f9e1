"""The processes of one training: how they were launched, and where they hold the model.

Launched plainly, every process holds the whole model and the gradients are summed (DDP). Launched
with FSDP2, every process holds a slice of each weight, of its gradient and of its moments, and the
layers are put together one at a time while they compute (Zhao et al. 2023; torch's `fully_shard`).
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn import Module, Parameter

from jurist.errors import ConfigError
from jurist.progress import progress
from jurist.training.forward import BatchReader

PATIENCE = timedelta(hours=2)
"""How long processes wait for one another within a training. The others wait while the main one
writes and checks a checkpoint; a process that dies is noticed by the launcher, at once."""

_REFUSED = (
    ("ACCELERATE_USE_DEEPSPEED", ("true",), "use FSDP2, or no sharding"),
    ("ACCELERATE_USE_MEGATRON_LM", ("true",), "use FSDP2, or no sharding"),
    ("ACCELERATE_USE_PARALLELISM_CONFIG", ("true",), "only data is shared out here"),
    ("ACCELERATE_MIXED_PRECISION", ("bf16", "fp16", "fp8"), "set it to no, and give jurist --bf16"),
)
"""What a launcher may ask for and does not get, with what to do instead."""

_REFUSED_OF_FSDP = (
    ("FSDP_OFFLOAD_PARAMS", ("true",), "set it to false; --lora-rank needs less memory"),
    ("FSDP_ACTIVATION_CHECKPOINTING", ("true",), "give jurist --gradient-checkpointing"),
    ("FSDP_AUTO_WRAP_POLICY", ("size_based_wrap",), "layers are sharded as the model names them"),
)


def make_accelerator() -> Accelerator:
    """The processes and devices this process was launched with.

    Raises:
        ConfigError: If the launcher asks for something that trainings here do not do.
    """
    _refuse(os.environ, _REFUSED)
    steps = os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1")
    if steps != "1":
        raise ConfigError(
            f"the launcher asks for {steps} gradient accumulation steps; leave it at 1: "
            f"--batch-size is the rows of a step, --micro-batch-tokens what is computed at once"
        )
    if _asked_for_fsdp():
        version = os.environ.get("FSDP_VERSION", "1")
        if version != "2":
            raise ConfigError(f"FSDP version {version} is not supported: set fsdp_version to 2")
        _refuse(os.environ, _REFUSED_OF_FSDP)
        if os.environ.get("FSDP_IGNORED_MODULES"):
            raise ConfigError("FSDP_IGNORED_MODULES is not supported: all weights are sharded")
        # With this, transformers would leave the weights out that a process reads; here every
        # process reads them and keeps its slice.
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    launched = int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1
    accelerator = Accelerator(
        # Asked of torch by the loop: an Accelerator's own is fixed per process.
        mixed_precision="no",
        # Not told so, processes launched on CPUs would each take themselves for the only one.
        cpu=launched > 1 and not torch.cuda.is_available(),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    if accelerator.num_processes != launched:
        raise ConfigError(
            f"{launched} processes were launched, and accelerate finds "
            f"{accelerator.num_processes}; launch with `accelerate launch` or `torchrun`"
        )
    return accelerator


def _asked_for_fsdp() -> bool:
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def _refuse(
    environment: Mapping[str, str], refused: tuple[tuple[str, tuple[str, ...], str], ...]
) -> None:
    for name, values, advice in refused:
        value = environment.get(name, "").lower()
        if value in values:
            raise ConfigError(f"the launcher sets {name}={value}, not supported here: {advice}")


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether the processes hold slices of the weights, and so must call the model in step."""
    # Not asked of the accelerator, which leaves sharding out on CPUs.
    return accelerator.num_processes > 1 and _asked_for_fsdp()


def spread(reader: BatchReader, accelerator: Accelerator) -> Module:
    """Bring a model to all processes.

    Args:
        reader: It and its model are changed in place: to a process's device, and if sharded, to
            slices of the weights, layer by layer as the model's `_no_split_modules` names them.
        accelerator: Processes and devices.

    Returns:
        What to call for a forward pass whose gradients meet.

    Raises:
        ConfigError: If the launcher names layers to shard by that are not the model's.
    """
    if not is_sharded(accelerator):
        return cast(Module, accelerator.prepare_model(reader))
    blocks: set[str] = set(getattr(reader.base, "_no_split_modules", None) or ())
    asked = set(filter(None, os.environ.get("FSDP_TRANSFORMER_CLS_TO_WRAP", "").split(",")))
    if asked - blocks:
        raise ConfigError(
            f"the launcher shards by {', '.join(sorted(asked - blocks))}, but the layers of "
            f"{type(reader.base).__name__} are {', '.join(sorted(blocks)) or 'not named'}; "
            f"leave fsdp_transformer_layer_cls_to_wrap out"
        )
    device = accelerator.device
    mesh = init_device_mesh(device.type, (accelerator.num_processes,))
    again = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() != "false"
    for module in list(reader.modules()):
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh, reshard_after_forward=again)
    fully_shard(reader, mesh=mesh)
    # Buffers are whole in every process.
    return reader.to(device)


def progress_on_main(
    accelerator: Accelerator, description: str, total: int, unit: str
) -> AbstractContextManager[Callable[[int], None]]:
    """`progress`, shown by the main process only."""
    if accelerator.is_main_process:
        return progress(description, total, unit)
    return nullcontext(lambda _: None)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on the CPU. If it is sharded, every process must ask for it."""
    full = tensor.detach()
    if isinstance(full, DTensor):
        full = full.full_tensor()
    return full.cpu().contiguous()


def whole_on_main(tensors: Mapping[str, Tensor], accelerator: Accelerator) -> dict[str, Tensor]:
    """Whole tensors on the CPU of the main process; nothing in the others.

    Every process must ask for them. One tensor after another, so that the others hold no more than
    one whole.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if accelerator.is_main_process:
            found[name] = whole(tensor)
        elif is_sharded(accelerator):
            whole(tensor)
    return found


def local(tensor: Tensor) -> Tensor:
    """The slice of a tensor that this process holds; all of it if it is not sharded."""
    data = tensor.detach()
    return data.to_local() if isinstance(data, DTensor) else data


def laid_out_as(parameter: Parameter, value: Tensor) -> Tensor:
    """A whole tensor as a parameter of its shape lies: on its device, and sliced if that is.

    Every process gives the same value; nothing is sent.
    """
    data = parameter.detach()
    if not isinstance(data, DTensor):
        return value.to(data.device, copy=True)
    mesh, placements = data.device_mesh, data.placements
    spread_out = distribute_tensor(value, mesh, placements, src_data_rank=None)
    # A slice may be a view into the file that was read.
    return torch.clone(spread_out)
