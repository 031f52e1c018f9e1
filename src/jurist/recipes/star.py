"""What the STaR recipes share: the settings of a round, and the sampling it begins with."""

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jurist.engines import Cached
from jurist.errors import ConfigError
from jurist.formats import FormatName, make_format
from jurist.rationales import Trace, sample_traces
from jurist.recipes.open_engine import ProcessesConfig, open_engine
from jurist.storage import write_json
from jurist.types import Preference, Sampling

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class StarConfig:
    """How the rounds of a STaR recipe sample, and where each begins."""

    rounds: int = 3
    """Rounds; each works on a fresh equal part of the training preferences (Mahan et al. 2024,
    App. A.3)."""

    num_samples: int = 8
    """Traces sampled per preference and order."""

    per_prompt: int = 2
    """Most training rows made of one preference in one order."""

    sampling_temperature: float = 1.0
    """Temperature of the traces that are trained on."""

    init_from: Literal["previous", "base"] = "previous"
    """Weights that each round's training starts from: the previous round's, or the base's."""

    processes: ProcessesConfig = ProcessesConfig()

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("num_samples", 2), ("per_prompt", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.sampling_temperature < math.inf:
            raise ConfigError(
                f"sampling_temperature must be positive and finite; at 0 all traces of a "
                f"prompt are one trace; got {self.sampling_temperature}"
            )


def sample_round(
    policy: str,
    preferences: list[Preference],
    config: StarConfig,
    *,
    form: FormatName,
    seed: int,
    folder: Path,
    store: Path,
    max_tokens: int,
    bf16: bool,
) -> list[Trace]:
    """Sample the traces of one round with the latest judge, and note how they came out.

    Args:
        policy: Checkpoint that samples.
        preferences: This round's fresh part.
        config: How many traces, and how.
        form: Format the judge is asked in.
        seed: The run's seed.
        folder: The round's; `traces.json` in it gets the counts of right, wrong and failed.
        store: SQLite file of completions; what it holds is not sampled again.
        max_tokens: Longest trace. One that is cut never becomes a training row.
        bf16: Sample in bfloat16.

    Returns:
        One trace per sample, in both orders of every preference that is no tie.
    """
    sampling = Sampling(
        num_samples=config.num_samples,
        temperature=config.sampling_temperature,
        max_tokens=max_tokens,
        seed=seed,
    )
    with (
        open_engine(policy, bf16=bf16, processes=config.processes) as engine,
        Cached(engine, store, chunk_size=config.processes.chunk_size) as cached,
    ):
        sampled = sample_traces(cached, make_format(form, seed=seed), preferences, sampling)
    counts = sampled.counts()
    write_json(folder / "traces.json", counts)
    logger.info("%s: %s", folder.name, json.dumps(counts))
    return sampled.traces
