"""A local model as an engine: in this process, in several, or in a cluster."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from jurist.engines.base import Engine
from jurist.engines.cached import CHUNK_SIZE
from jurist.errors import ConfigError
from jurist.extras import refuse_missing, refuse_unfit
from jurist.rehearsal import begin_work

if TYPE_CHECKING:
    from jurist.engines.transformers import TransformersEngine
    from jurist.engines.vllm import VllmEngine

EngineName = Literal["transformers", "vllm"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessesConfig:
    """Where a local model runs. Changes how fast it goes, not what comes out."""

    workers: int = 1
    """Processes that each load the model and judge, with an equal share of the cores (at most
    OMP_NUM_THREADS each) or a GPU each. 1: this process alone."""

    ray: bool = False
    """Workers are actors of the Ray cluster at RAY_ADDRESS, or of one on this machine."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"--workers must be at least 1, got {self.workers}")

    @property
    def several(self) -> bool:
        """The model runs in other processes than this one."""
        return self.workers > 1 or self.ray

    @property
    def chunk_size(self) -> int:
        """Completions to ask for, and commit, at a time: as many for each worker as for one."""
        return CHUNK_SIZE * self.workers


@contextmanager
def open_engine(
    model: str, *, bf16: bool, processes: ProcessesConfig, name: EngineName = "transformers"
) -> Generator[Engine]:
    """Load a local model, in as many processes as wanted.

    Raises:
        ConfigError: If there is no such model, or Ray or vLLM is wanted and not there.
        EngineError: If a process died before it was ready.
    """
    begin_work()
    refuse_unfit("train")
    # Before torch and transformers are imported, which takes seconds.
    if processes.ray:
        refuse_missing("ray")
    if name == "vllm":
        refuse_missing("vllm")
    load = partial(_engine(name).load, model, dtype="bfloat16" if bf16 else "float32")
    if processes.ray:
        from jurist.engines.ray import open_actors

        num_gpus = 1.0 if visible_gpus() else 0.0
        with open_actors(load, processes.workers, num_gpus=num_gpus) as engine:
            yield engine
    elif processes.workers > 1:
        from jurist.engines.workers import open_workers

        with open_workers(load, processes.workers, gpus=visible_gpus()) as engine:
            yield engine
    else:
        yield load()


def _engine(name: EngineName) -> "type[TransformersEngine | VllmEngine]":
    if name == "vllm":
        from jurist.engines.vllm import VllmEngine

        return VllmEngine
    from jurist.engines.transformers import TransformersEngine

    return TransformersEngine


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    num = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:num] if named else [str(number) for number in range(num)]
