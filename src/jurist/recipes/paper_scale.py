"""What the paper's own size would take: its configuration, memory, time and launch lines.

Nothing here is measured at that size. Work is counted; the part of a machine's rate that programs
of this package reach was measured on processors with a model of 135 million parameters
(docs/performance.md) and is assumed to hold; the rates of the accelerator are its maker's.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A model, as far as its cost goes."""

    name: str
    num_parameters: float
    num_layers: int
    num_kv_heads: int
    head_width: int

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of one token in bfloat16."""
        return 2 * self.num_layers * self.num_kv_heads * self.head_width * 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """A device and its maker's rates."""

    name: str
    operations_per_second: float
    """Of dense matrix products in bfloat16."""

    bytes_per_second: float
    memory_bytes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """How much is sampled, trained on and judged. Tokens are assumptions about the data."""

    num_pairs: int
    rounds: int
    num_samples: int
    """Traces of a pair in each order."""

    rows_per_prompt: float
    epochs: int
    prompt_tokens: int
    trace_tokens: int
    num_test_pairs: int
    votes: int
    """Of a test pair, both orders together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a job takes on some devices."""

    sampled_tokens: float
    trained_tokens: float
    sampling_hours: float
    training_hours: float
    judging_hours: float
    training_bytes_per_device: float
    """Weights, gradients and the optimizer's state, shared out; activations come on top."""


LLAMA_8B: Final = Shape(
    name="Llama-3.1-8B-Instruct",
    num_parameters=8.03e9,
    num_layers=32,
    num_kv_heads=8,
    head_width=128,
)
H100: Final = Accelerator(
    name="H100 SXM",
    operations_per_second=989e12,
    bytes_per_second=3.35e12,
    memory_bytes=80e9,
)
PAPER: Final = Job(
    num_pairs=61_135,
    rounds=3,
    num_samples=8,
    rows_per_prompt=2,
    epochs=3,
    prompt_tokens=1_000,
    trace_tokens=300,
    num_test_pairs=2_000 + 2_985,
    votes=32,
)
TRAINING_SHARE: Final = 0.21
"""Of the matrix rate that training on pairs reached (docs/performance.md)."""

SAMPLING_SHARE: Final = 0.27
"""Of what matrix rate and memory bandwidth together allow that sampling reached at best."""

ROWS_AT_ONCE: Final = 512
"""Replies decoded together by one device: each step then reads the weights once for so many."""


def estimate(job: Job, shape: Shape, device: Accelerator, num_devices: int) -> Cost:
    """Count the work of STaR-DPO and divide it by the rates.

    Args:
        job: How much there is to do.
        shape: Of the model.
        device: What it runs on.
        num_devices: How many of them, each with an equal share.
    """
    prompts = 2 * job.num_pairs
    sampled = prompts * job.num_samples * job.trace_tokens
    # A prompt is read once for all its rows; both replies of a pair are.
    rows = prompts * job.rows_per_prompt
    trained = prompts * job.prompt_tokens + rows * 2 * job.trace_tokens
    trained *= job.epochs
    # The reference reads every row once, forward only: two operations a parameter and token.
    operations = (6 * trained + 2 * trained / job.epochs) * shape.num_parameters
    return Cost(
        sampled_tokens=sampled,
        trained_tokens=trained,
        sampling_hours=_decoding_hours(prompts, job.num_samples, job, shape, device, num_devices),
        training_hours=operations
        / (device.operations_per_second * TRAINING_SHARE * num_devices)
        / 3600,
        judging_hours=_decoding_hours(
            2 * job.num_test_pairs, job.votes / 2, job, shape, device, num_devices
        ),
        # Weights, gradients and Adam's two moments in float32, and a copy of weights in bfloat16.
        training_bytes_per_device=(4 + 4 + 8 + 2) * shape.num_parameters / num_devices,
    )


def _decoding_hours(
    prompts: float,
    samples: float,
    job: Job,
    shape: Shape,
    device: Accelerator,
    num_devices: int,
) -> float:
    """Time to read prompts once and write so many replies to each."""
    read = 2 * shape.num_parameters * prompts * job.prompt_tokens / device.operations_per_second
    steps = prompts * samples * job.trace_tokens / ROWS_AT_ONCE
    # A step reads the weights, each prompt's keys once for all its replies, and each reply's own.
    held = ROWS_AT_ONCE * (job.prompt_tokens / samples + job.trace_tokens / 2)
    step_bytes = 2 * shape.num_parameters + held * shape.kv_bytes_per_token
    step_operations = 2 * shape.num_parameters * ROWS_AT_ONCE
    step = max(step_bytes / device.bytes_per_second, step_operations / device.operations_per_second)
    return (read + steps * step) / SAMPLING_SHARE / num_devices / 3600


def plan_text(num_devices: int = 8) -> str:
    """The plan for the paper's own size, as text for a terminal."""
    job, shape, device = PAPER, LLAMA_8B, H100
    found = estimate(job, shape, device, num_devices)
    total = found.sampling_hours + found.training_hours + found.judging_hours
    return f"""\
Nothing was run: this is what the paper's own size would take.

WHAT IT IS (Mahan et al. 2024, Table 2 and App. A.3; batch size and lengths are not reported)
  model           {shape.name}, {shape.num_parameters / 1e9:.2f} billion parameters
  pairs           {job.num_pairs:,} (UltraFeedback), in {job.rounds} equal parts, one a round
  rounds          sample {job.num_samples} traces an order, train {job.epochs} epochs, go on
  optimizer       AdamW, betas 0.9 and 0.95, weight decay 0.1, cosine, warm-up 0.1
  learning rate   1e-6; STaR-Rationalizer with SFT 2e-5
  DPO beta        1.0 on summed log-probabilities; IPO beta 0.4
  judged on       {job.num_test_pairs:,} pairs, {job.votes} votes each, temperature 1, top-p 0.95

WHAT STaR-DPO WOULD TAKE on {num_devices} {device.name}, estimated
  sampling        {found.sampled_tokens / 1e6:,.0f} million tokens, {found.sampling_hours:,.0f} h
  training        {found.trained_tokens / 1e6:,.0f} million tokens, {found.training_hours:,.0f} h
  judging         {found.judging_hours:,.1f} h
  together        {total:,.0f} h, {total * num_devices:,.0f} device-hours
  memory          {found.training_bytes_per_device / 1e9:,.0f} GB a device in training (weights, \
gradients, optimizer, sharded), and
                  activations; {2 * shape.num_parameters / 1e9:,.0f} GB of weights and \
{ROWS_AT_ONCE * job.trace_tokens * shape.kv_bytes_per_token / 1e9:,.0f} GB of replies' keys and
                  values in sampling, of {device.memory_bytes / 1e9:,.0f} GB

  Assumed: {job.prompt_tokens:,} tokens a prompt, {job.trace_tokens} a trace; training at \
{TRAINING_SHARE:.0%} of the matrix rate and
  sampling at {SAMPLING_SHARE:.0%} of matrix rate and bandwidth, as measured here on processors \
with another
  model; the maker's rates, {device.operations_per_second / 1e12:,.0f} TFLOP/s and \
{device.bytes_per_second / 1e12:.2f} TB/s. Training of this package has not been run
  on an accelerator yet, so take the hours for an order of magnitude.

HOW TO RUN IT
  accelerate launch --use_fsdp --fsdp_version 2 --num_processes {num_devices} \\
    --mixed_precision no \\
    -m jurist star-dpo --model meta-llama/{shape.name} --train ultrafeedback.parquet \\
    --rounds {job.rounds} --num-samples {job.num_samples} --epochs {job.epochs} \\
    --learning-rate 1e-6 --beta 1.0 --bf16 --gradient-checkpointing --output runs/star-dpo
  jurist evaluate --model runs/star-dpo --engine vllm --votes {job.votes // 2} --workers \
{num_devices} \\
    --test rewardbench.parquet --output runs/rewardbench
"""
