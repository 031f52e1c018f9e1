"""What judging will cost at most, before it starts, and what it did cost.

The judge itself is asked about some of the comparisons, in the place of its model a recorder that
notes every prompt and answers nothing: so the tokens are those of the prompts that will be sent.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from jurist.errors import ConfigError
from jurist.judges import Judge
from jurist.recipes.checkpoints import checkpoint_folder
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import judge_over
from jurist.types import Comparison, Completion, Conversation, Sampling, StoppingRule, user

CHARACTERS_A_TOKEN = 4
"""What a token is taken for where nobody can ask the model's tokenizer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceConfig:
    """What a judge's tokens cost, in whatever currency."""

    price_read: float | None = None
    """Price of a million tokens read. None: it is not told what labels cost."""

    price_written: float | None = None
    """Price of a million tokens written."""

    def __post_init__(self) -> None:
        for name, price in (("read", self.price_read), ("written", self.price_written)):
            if price is not None and not 0 <= price < math.inf:
                raise ConfigError(f"--price-{name} must be finite and not negative, got {price}")
        if (self.price_read is None) != (self.price_written is None):
            raise ConfigError("give both --price-read and --price-written, or neither")

    def price(self, *, num_read: float, num_written: float) -> float | None:
        """The price of so many tokens; None if there are no prices."""
        if self.price_read is None or self.price_written is None:
            return None
        return (num_read * self.price_read + num_written * self.price_written) / 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What judging a set will cost at most."""

    num_comparisons: int
    num_judgements: int
    """Readings, had none been stopped early."""

    num_read: int
    """Tokens read for them: a prompt counts once for every reading of it."""

    num_written: int
    """Tokens written, were each reply as long as it may be."""

    price: float | None
    counted_by: Literal["tokenizer", "characters"]
    """characters: four of them are taken for a token, as the tokenizer is not here."""

    num_measured: int
    """Comparisons whose prompts were counted; the others are taken to be alike."""

    def line(self) -> str:
        """The estimate in one line, for a log."""
        how = "the judge's tokenizer" if self.counted_by == "tokenizer" else "4 characters a token"
        price = "" if self.price is None else f", a price of {self.price:,.2f}"
        return (
            f"estimate: {self.num_comparisons:,} comparisons, at most {self.num_judgements:,} "
            f"judgements, {self.num_read:,} tokens to read and {self.num_written:,} to write{price}"
            f" (by {how}, measured on {self.num_measured:,} comparisons)"
        )

    def at_most(self, *, num_judgements: int | None, num_tokens: int | None) -> "Estimate":
        """The estimate within a budget of judgements, or of tokens read and written."""
        tokens = self.num_read + self.num_written
        shares = [
            limit / whole
            for limit, whole in ((num_judgements, self.num_judgements), (num_tokens, tokens))
            if limit is not None and whole
        ]
        share = min([1.0, *shares])
        return replace(
            self,
            num_judgements=math.floor(self.num_judgements * share),
            num_read=math.floor(self.num_read * share),
            num_written=math.floor(self.num_written * share),
            price=None if self.price is None else self.price * share,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What judging did cost, by what the engine tells of every reading."""

    num_comparisons: int = 0
    num_judgements: int = 0
    num_failures: int = 0
    """Readings without a verdict."""

    num_read: int = 0
    """Tokens read: a prompt counts once for every reading of it. 0 of a judge that only scores."""

    num_written: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        mine, others = asdict(self), asdict(other)
        return Spent(**{name: mine[name] + others[name] for name in mine})

    @property
    def num_tokens(self) -> int:
        """Tokens read and written."""
        return self.num_read + self.num_written


def estimated(
    config: JudgeConfig,
    sample: Sequence[Comparison],
    *,
    num_comparisons: int,
    prices: PriceConfig,
    seed: int,
) -> Estimate:
    """Say what it will cost at most to judge comparisons in both orders.

    Args:
        config: The judge. Its tokenizer is loaded if it is a local model, and nothing else of it.
        sample: Some of the comparisons, at least one unless there are none.
        num_comparisons: How many there are.
        prices: What tokens cost.
        seed: Of the fences around what is judged.

    Raises:
        ConfigError: If there is no such model, or it cannot be asked as the config says.
    """
    recorder = _Recorder(token_counter(config.model, served=bool(config.base_url)))
    dry = judge_over(recorder, config, seed=seed)
    if dry is None:
        # A head reads the texts themselves, in both orders, and writes nothing.
        per_pair = 2.0
        for one in sample:
            for text in (one.first, one.second):
                recorder.read(one.prompt, times=2)
                recorder.read(user(text), times=2)
    else:
        mean = config.voting.mean_votes if dry.whole_sets else None
        per_pair = float(dry.num_possible if mean is None else min(mean, dry.num_possible))
        _ask(dry.judge, sample)
        if recorder.num_written and (config.voting.verdicts == "averaged" or dry.rereads):
            recorder.num_read += recorder.num_read + recorder.num_written
    scale = num_comparisons / len(sample) if sample else 0.0
    num_read = math.ceil(recorder.num_read * scale)
    num_written = math.ceil(recorder.num_written * scale)
    return Estimate(
        num_comparisons=num_comparisons,
        num_judgements=math.floor(num_comparisons * per_pair),
        num_read=num_read,
        num_written=num_written,
        price=prices.price(num_read=num_read, num_written=num_written),
        counted_by="characters" if config.base_url else "tokenizer",
        num_measured=len(sample),
    )


def _ask(judge: Judge, sample: Sequence[Comparison]) -> None:
    """Have a judge ask its recorder about a sample; that nothing comes of it is no news."""
    if not sample:
        return
    judges = logging.getLogger("jurist.judges")
    level = judges.level
    judges.setLevel(logging.WARNING)
    try:
        judge(sample)
    finally:
        judges.setLevel(level)


def token_counter(model: str, *, served: bool) -> Callable[[Conversation], int]:
    """What counts the tokens of a prompt: a local model's tokenizer, else its characters.

    Raises:
        ConfigError: If there is no such model.
    """
    if served:
        return lambda prompt: math.ceil(
            sum(len(turn.content) for turn in prompt) / CHARACTERS_A_TOKEN
        )
    from jurist.models.chat import encode_prompt
    from jurist.models.load import load_tokenizer

    tokenizer = load_tokenizer(checkpoint_folder(model))
    return lambda prompt: len(encode_prompt(tokenizer, prompt))


class _Recorder:
    """An engine that notes what it is asked, and answers nothing."""

    fingerprint = "recorder"

    def __init__(self, count: Callable[[Conversation], int]) -> None:
        self._count = count
        self.num_read = 0
        self.num_written = 0

    def read(self, prompt: Conversation, *, times: int) -> None:
        self.num_read += times * self._count(prompt)

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        for prompt in prompts:
            self.read(prompt, times=sampling.num_samples)
        self.num_written += len(prompts) * sampling.num_samples * sampling.max_tokens
        return [[_NOTHING] * sampling.num_samples for _ in prompts]

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        for prompt, texts in zip(prompts, continuations, strict=True):
            self.read(prompt, times=1 if texts else 0)
        return [[math.nan] * len(texts) for texts in continuations]


_NOTHING = Completion(text="", finish_reason="length")
