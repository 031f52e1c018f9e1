"""The settings of training. Imports nothing heavy: the command line reads its flags off this."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from jurist.digest import UNLESS_DEFAULT
from jurist.errors import ConfigError
from jurist.tracking import TrackerName

GuardMode: TypeAlias = Literal["stop", "warn"]
"""Whether what looks broken ends a run, or is only said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How a model is trained, whatever the method.

    Optimiser and schedule are those of Mahan et al. 2024, Table 2: AdamW, linear warm-up, cosine.
    What the paper does not report (batch size, lengths, clipping) is this package's choice.
    """

    learning_rate: float = 1e-5
    """Peak learning rate. The paper has 1e-6 for 8 B parameters; small models want more."""

    epochs: int = 1
    """Times each row is trained on."""

    batch_size: int = 32
    """Rows per optimizer step, at most, over all processes. A pair is one row."""

    micro_batch_tokens: int = 8192
    """Most tokens that one process puts through the model at once, each prompt counted once; a
    longer row goes alone. Bounds memory; changes results by rounding only."""

    max_length: int = 2048
    """Longest sequence, prompt and reply, in tokens. A longer row is refused, never cut. The
    model's own context bounds it too."""

    warmup_ratio: float = 0.1
    """Share of the steps in which the learning rate rises to its peak."""

    weight_decay: float = 0.1
    """Decay of matrices; vectors (norms, biases) have none."""

    betas: tuple[float, float] = (0.9, 0.95)
    """Decay rates of AdamW's two moments."""

    max_grad_norm: float = 1.0
    """Global norm that gradients are clipped to."""

    lora_rank: int = 0
    """Rank of LoRA adapters on all linear layers, merged into the model at the end. 0: train all
    weights."""

    lora_alpha: float = 32.0
    """Scale of LoRA adapters, before division by the rank. No effect without --lora-rank."""

    bf16: bool = False
    """Compute in bfloat16; weights and optimizer stay float32."""

    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about a
    third more time, same result."""

    checkpoint_every: int = 200
    """Optimizer steps between checkpoints that a killed training goes on from."""

    track: tuple[TrackerName, ...] = ()
    """Experiment trackers that get the numbers as well, those of the evaluation too. They are to be
    installed, and are set up as they themselves say (docs/tracking.md)."""

    guard: GuardMode = field(default="stop", metadata=UNLESS_DEFAULT)
    """What to do when training breaks though its numbers are finite (docs/reliability.md): a loss
    that explodes or stands still, replies that collapse. stop: at that step, with exit code 1.
    warn: say it, and go on."""

    def __post_init__(self) -> None:
        for name, fine, wanted in (
            ("learning_rate", 0 < self.learning_rate < math.inf, "positive and finite"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("micro_batch_tokens", self.micro_batch_tokens >= 1, "at least 1"),
            ("max_length", self.max_length >= 2, "at least 2, a prompt token and a reply token"),
            ("warmup_ratio", 0 <= self.warmup_ratio < 1, "in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "finite and not negative"),
            ("betas", all(0 <= beta < 1 for beta in self.betas), "two numbers in [0, 1)"),
            ("max_grad_norm", self.max_grad_norm > 0, "positive"),
            ("lora_rank", self.lora_rank >= 0, "at least 0"),
            ("lora_alpha", 0 < self.lora_alpha < math.inf, "positive and finite"),
            ("checkpoint_every", self.checkpoint_every >= 1, "at least 1"),
            ("guard", self.guard in ("stop", "warn"), "stop or warn"),
        ):
            if not fine:
                flag = name.replace("_", "-")
                raise ConfigError(f"--{flag} must be {wanted}, got {getattr(self, name)}")

    def decisive(self) -> dict[str, Any]:
        """The settings that the result depends on: not how often it is saved, who is told, or what
        would have stopped it."""
        settings = asdict(self)
        del settings["checkpoint_every"], settings["track"], settings["guard"]
        return settings


@dataclass(frozen=True, kw_only=True, slots=True)
class CritiqueLossConfig:
    """What training a critic minimises: `a * Bradley-Terry + b * likelihood of the critiques`.

    Bradley-Terry is of the rewards that a head reads after the critique of either response; the
    other term is the negative log-likelihood of the two critiques, each averaged over its tokens.
    """

    lm_weight: float = 1.0
    """b. The other weight, a, is 1 if b stays what it is (CLoud, Ankner et al. 2024)."""

    lm_share: float | None = None
    """None: b stays. A share of the training: up to there a is 0 and b is `lm_weight`; from there
    b falls in a straight line to 0 at the end, while a rises to 1 (Critic-RM, Yu et al. 2024).
    Sure: that the weight goes from the critiques to the reward. Not sure: along which line."""

    def __post_init__(self) -> None:
        if not 0 <= self.lm_weight < math.inf:
            raise ConfigError(f"lm_weight must be finite and not negative, got {self.lm_weight}")
        if self.lm_share is not None and not 0 <= self.lm_share < 1:
            raise ConfigError(f"lm_share must be in [0, 1), got {self.lm_share}")

    def weights(self, progress: float) -> tuple[float, float]:
        """a and b, when this share of the optimizer steps is done.

        Example:
            >>> CritiqueLossConfig(lm_weight=1.0, lm_share=0.5).weights(0.75)
            (0.5, 0.5)
        """
        if self.lm_share is None:
            return 1.0, self.lm_weight
        shifted = max(0.0, progress - self.lm_share) / (1.0 - self.lm_share)
        return shifted, self.lm_weight * (1.0 - shifted)


DEFAULT_BETAS = {"dpo": 1.0, "ipo": 0.4}
"""Of Mahan et al. 2024, Table 2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairLossConfig:
    """What training on pairs of replies minimises.

    `--loss dpo` alone is STaR-DPO (Mahan et al. 2024, eq. 9); `--loss ipo` is STaR-IPO (Table 2
    there); `--sft-weight 1` beside DPO is iterative reasoning preference optimization (Pang et al.
    2024), which keeps the preferred reply from getting less likely together with the other.
    """

    loss: Literal["dpo", "ipo"] = "dpo"
    """dpo widens the margin between the replies for ever, ipo to a number."""

    beta: float | None = None
    """How firmly the reference holds the judge. Positive, no unit. None: the paper's, 1.0 with dpo
    and 0.4 with ipo."""

    logps: Literal["summed", "averaged"] = "summed"
    """A reply's log-probability is the sum over its tokens, or their mean: by sums a long reply's
    tokens count as much as a short one's, by means they count less, and beta has another scale."""

    sft_weight: float = 0.0
    """Weight of the preferred reply's own negative log-likelihood, averaged over its tokens."""

    def __post_init__(self) -> None:
        if self.beta is not None and not 0 < self.beta < math.inf:
            raise ConfigError(f"beta must be positive and finite, got {self.beta}")
        if not 0 <= self.sft_weight < math.inf:
            raise ConfigError(f"sft_weight must be finite and not negative, got {self.sft_weight}")

    @property
    def strength(self) -> float:
        """Beta, as given or as the loss has it by default."""
        return DEFAULT_BETAS[self.loss] if self.beta is None else self.beta
