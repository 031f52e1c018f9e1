"""The settings of a judge: which model, asked how, how often. Imports nothing heavy."""

import math
from dataclasses import dataclass, field
from typing import Literal

from jurist.digest import UNLESS_DEFAULT
from jurist.errors import ConfigError
from jurist.formats import AdditiveName, FormatName, PointwiseName
from jurist.judges import Adaptive, BothOrders, Budgeted, Judge, SamplingJudge
from jurist.recipes.open_engine import EngineName, ProcessesConfig
from jurist.recipes.patience_config import PatienceConfig
from jurist.types import Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class VotingConfig:
    """How a judge that reasons is sampled. A judge that does not reads each order once."""

    votes: int = 8
    """Judgements of each pair in each of its two orders; of a judge that reads single responses, of
    each response."""

    temperature: float = 1.0
    """Temperature of the judgements (1.0 in Mahan et al. 2024)."""

    top_p: float = 0.95
    """Top-p of the judgements (0.95 in Mahan et al. 2024)."""

    max_tokens: int = 1024
    """Longest judgement, in tokens. One that is cut is a failure, and is counted."""

    stop_at: float | None = None
    """Stop voting on a pair once all votes would give another verdict with at most this
    probability, such as 0.01; at 0, once no vote can change it. None: never."""

    verdicts: Literal["counted", "averaged"] = "counted"
    """counted: each reading casts the vote that it wrote. averaged: each gives the probability that
    its reasoning leaves the verdicts, and their mean decides; one more pass over each reply."""

    mean_votes: float | None = None
    """Votes of a pair on average, both orders together, spent where the verdict is open.
    None: no budget."""

    def __post_init__(self) -> None:
        # The same bounds as the engine's, said before any model is loaded.
        self.sampling(seed=0)
        if self.stop_at is not None and not 0.0 <= self.stop_at < 1.0:
            raise ConfigError(f"--stop-at is a probability below 1; got {self.stop_at}")
        if self.mean_votes is not None and not 2.0 <= self.mean_votes < math.inf:
            raise ConfigError(
                f"--mean-votes must be at least 2, one vote of each order; got {self.mean_votes}"
            )
        if self.stop_at is not None and self.mean_votes is not None:
            raise ConfigError(
                "--stop-at and --mean-votes are two answers to how many votes a pair gets; "
                "give one of them"
            )

        if self.verdicts == "averaged" and (self.stop_at, self.mean_votes) != (None, None):
            raise ConfigError(
                "--verdicts averaged has no majority that votes could be stopped by; leave "
                "--stop-at and --mean-votes"
            )

    def sampling(self, *, seed: int) -> Sampling:
        """The engine's settings."""
        try:
            return Sampling(
                num_samples=self.votes,
                temperature=self.temperature,
                top_p=self.top_p,
                max_tokens=self.max_tokens,
                seed=seed,
            )
        except ValueError as error:
            raise ConfigError(str(error).replace("num_samples", "votes")) from None

    def of_responses(self, *, seed: int) -> Sampling:
        """The engine's settings for critiques of single responses.

        Raises:
            ConfigError: If votes are to be stopped, shared out or averaged; critiques are not.
        """
        if (self.stop_at, self.mean_votes, self.verdicts) != (None, None, "counted"):
            raise ConfigError(
                "--stop-at, --mean-votes and --verdicts are about votes on pairs; of a judge that "
                "reads single responses all that it wrote is averaged: leave them"
            )
        return self.sampling(seed=seed)

    def both_orders(self, judge: SamplingJudge) -> Judge:
        """The judge asked in both orders, as often as these settings say."""
        if self.stop_at is not None:
            return Adaptive(judge, stop_at=self.stop_at)
        if self.mean_votes is not None:
            return Budgeted(judge, mean_votes=self.mean_votes)
        return BothOrders(judge)


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig:
    """A judge: which model, asked how, how often."""

    model: str
    """Checkpoint folder, run directory, hub id, or the name of a served model (--base-url)."""

    base_url: str = ""
    """Address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1. Empty: the model
    runs in this process. The key is read from the environment variable OPENAI_API_KEY."""

    api: Literal["chat", "systemone"] = "chat"
    """What a server is asked. chat: for replies, and the likelihoods of their first tokens.
    systemone: to decide in one pass between verdicts, writing nothing; for a format whose reply is
    the verdict alone (auto is then direct)."""

    max_concurrency: int = 8
    """Requests to a server in flight at once. Changes how fast it goes, not what comes out."""

    format: Literal["auto", "principles", "prometheus", FormatName, PointwiseName, AdditiveName] = (
        "auto"
    )
    """How the model is asked. auto: as jurist.json in its folder says, else pairwise. strength: how
    much better, from -3 to 3. scores: principles, critiques and a score for each. rubrics: by the
    type of the task. principles: by those of --principles alone. A pointwise format asks about one
    response at a time, and the surer Yes wins; additive for its points, prometheus for its score by
    --rubric, and the higher one wins."""

    principles: str = ""
    """JSON Lines file for --format principles: an object with "text", "opposite" and perhaps
    "negated" on each line."""

    rubric: str = ""
    """JSON file for --format prometheus: "criteria", and "levels" that say what each score from 1
    to 5 means."""

    references: str = ""
    """JSON Lines file for --format prometheus: a "prompt" and the "reference" answer to it on each
    line. Empty: there are none."""

    voting: VotingConfig = VotingConfig()

    bf16: bool = False
    """Run a local model in bfloat16 instead of float32."""

    processes: ProcessesConfig = ProcessesConfig()

    engine: EngineName = "transformers"
    """What runs a local model."""

    gate: int = field(default=0, metadata=UNLESS_DEFAULT)
    """Fewest informative words that a response of a pair must have for the model to be asked; one
    with fewer, or that only repeats the prompt, loses to one with more. Short right answers have
    one or two. 0: no gate."""

    patience: PatienceConfig = field(default=PatienceConfig(), metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise ConfigError(f"--max-concurrency must be at least 1, got {self.max_concurrency}")
        if self.gate < 0:
            raise ConfigError(f"--gate is a number of words, 0 for no gate; got {self.gate}")
        for flag, given, form in (
            ("principles", self.principles, "principles"),
            ("rubric", self.rubric, "prometheus"),
            ("references", self.references, "prometheus"),
        ):
            if given and self.format != form:
                raise ConfigError(
                    f"--{flag} is what --format {form} goes by; with --format {self.format} it "
                    f"would have no effect"
                )
        if self.api == "systemone":
            self._check_decisions()
        if self.base_url and self.processes.several:
            raise ConfigError(
                "--workers and --ray are for a model that runs here; behind --base-url, "
                "--max-concurrency says how much is asked at once"
            )
        if self.base_url and self.engine != "transformers":
            raise ConfigError(
                f"--engine {self.engine} runs the model in this process, and --base-url names a "
                f"server that runs it; give one of them"
            )

    def _check_decisions(self) -> None:
        if not self.base_url:
            raise ConfigError(
                "--api systemone is asked of a server: give its --base-url; a model that runs here "
                "decides in one pass with --format direct"
            )
        if self.format not in ("auto", "direct", "terse-direct"):
            raise ConfigError(
                f"--api systemone has a server decide and write nothing, which --format "
                f"{self.format} does not ask for; leave the format, or give direct"
            )


def check_failure_rate(allowed: float) -> None:
    """Refuse a `max_failure_rate` that is no share: 5 is no way to say 5 %.

    Raises:
        ConfigError: If it is not from 0 to 1.
    """
    if not 0 <= allowed <= 1:
        raise ConfigError(f"--max-failure-rate is a share, from 0 to 1; got {allowed}")
