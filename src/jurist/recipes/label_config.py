"""The settings of `jurist label`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jurist.data.labelled import LabelLayout
from jurist.errors import ConfigError
from jurist.recipes.estimate import PriceConfig
from jurist.recipes.judge_config import JudgeConfig, check_failure_rate
from jurist.recipes.judged_parts import BudgetConfig
from jurist.recipes.labels import Reason
from jurist.recipes.pools import PoolsConfig
from jurist.recipes.responses import PolicyConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelConfig:
    """Everything a set of labels depends on."""

    judge: JudgeConfig
    output: Path
    """Run directory. `labelled.jsonl` in it, or what --layouts says, gets the preferences,
    `unlabelled.jsonl` what has no label and why, `labels.json` the counts and the cost. The same
    command run again goes on where it was."""

    pairs: str = ""
    """File, folder or data set of pairs, in any layout of preferences. Labels in it are neither
    shown to the judge nor used."""

    pools: str = ""
    """File of pools of candidates, as for `jurist select`. Give this or --pairs or --prompts."""

    prompts: str = ""
    """File of prompts, to be responded to by --policy: a column `prompt`, text or a list of
    messages. The responses are kept in the run as `pools.jsonl`."""

    policy: PolicyConfig = PolicyConfig()

    layouts: tuple[
        Literal[
            "jurist", "trl", "openrlhf", "llama-factory", "ultrafeedback-binarized", "datasets"
        ],
        ...,
    ] = ("jurist",)
    """What to write, one or several. datasets: a folder that `datasets.load_dataset` opens. Only
    jurist has ties."""

    per_pool: Literal["best-worst", "all"] = "best-worst"
    """Of a pool: one preference, the candidate of the greatest reward over that of the least; or
    one of every pair that was compared."""

    tournament: Literal["all-pairs", "league"] = "all-pairs"
    """Of a pool: compare all pairs, or each candidate with --num-opponents others."""

    limits: PoolsConfig = PoolsConfig()

    min_confidence: float = 0.6
    """Probability of the preferred response from which on it is chosen; below, the judge is unsure.
    0.5: never, but when votes are even."""

    consistent: bool = True
    """Do not choose either where the two orders, each by its own votes, come to different
    verdicts."""

    unsure: Literal["tie", "abstain"] = "tie"
    """What becomes of pairs that the judge is unsure of, or that flip: a tie, or no label."""

    ties: Literal["keep", "drop"] = "keep"
    """Keep ties as rows with `tie` set, in the layout jurist, or set them aside in
    `unlabelled.jsonl`: training methods take no ties."""

    budget: BudgetConfig = BudgetConfig()

    prices: PriceConfig = PriceConfig()

    split: str = ""
    """Split of a Hugging Face data set of pairs, if it has several."""

    layout: str = "auto"
    """Columns of the file of pairs, as for training."""

    skip_bad: bool = False
    """Set bad rows of the file of pairs or of prompts aside in the run's directory, instead of
    refusing it."""

    max_failure_rate: float = 1.0
    """Exit with 1, everything kept, if a greater share has no verdict."""

    seed: int = 0

    def __post_init__(self) -> None:
        if sum(map(bool, (self.pairs, self.pools, self.prompts))) != 1:
            raise ConfigError(
                "give either --pairs or --pools or --prompts, to say what is to be labelled"
            )
        if bool(self.prompts) != bool(self.policy.policy):
            raise ConfigError("--prompts are responded to by --policy MODEL; give both or neither")
        if not self.layouts:
            raise ConfigError("--layouts names no layout; leave it, or name one")
        if unknown := [name for name in self.layouts if name not in set(LabelLayout)]:
            known = ", ".join(LabelLayout)
            raise ConfigError(f"expected --layouts to be of {known}, found {unknown[0]!r}")
        if len(set(self.layouts)) < len(self.layouts):
            raise ConfigError(f"--layouts names one twice: {' '.join(self.layouts)}")
        if not 0.5 <= self.min_confidence < 1:
            raise ConfigError(
                f"--min-confidence is a probability from 0.5 to below 1, got {self.min_confidence}"
            )
        if self.budget.limited and self.judge.voting.mean_votes is not None:
            raise ConfigError(
                "--mean-votes is a budget of all pairs together already; leave --max-judgements "
                "and --max-judge-tokens"
            )
        check_failure_rate(self.max_failure_rate)

    @property
    def to_write(self) -> tuple[LabelLayout, ...]:
        """The layouts."""
        return tuple(LabelLayout(name) for name in self.layouts)

    @property
    def wanted(self) -> set[Reason]:
        """Labels that become rows. The others are set aside."""
        wanted: set[Reason] = {"preferred"}
        if self.ties == "keep" and LabelLayout.JURIST in self.to_write:
            wanted |= {"tied"} if self.unsure == "abstain" else {"tied", "unsure", "flipped"}
        return wanted
