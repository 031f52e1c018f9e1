"""The runs of a replication: every method of the paper from one base on the same pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from jurist.recipes.bradley_terry import BradleyTerryConfig
from jurist.recipes.checkpoints import format_name, last_of, read_card
from jurist.recipes.errands import Errand
from jurist.recipes.evaluate import EvaluateConfig
from jurist.recipes.faithfulness import FaithfulnessConfig
from jurist.recipes.genrm import GenRMConfig
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.pair_rm import PairRMConfig
from jurist.recipes.sets import DataConfig
from jurist.recipes.star import AuthorConfig, StarConfig
from jurist.recipes.star_dpo import StarDPOConfig
from jurist.recipes.star_rationalizer import StarRationalizerConfig
from jurist.recipes.star_sft import StarSFTConfig
from jurist.training.config import PairLossConfig, TrainingConfig

Scale = Literal["tiny", "small"]

ZERO_SHOT: Final = "LLM-as-a-judge"
ZERO_SHOT_DIRECT: Final = "GenRM (base)"

AVERAGED: Final = (ZERO_SHOT, "STaR-DPO")
"""Methods whose verdicts are averaged too, beside counted votes."""

REREAD: Final = (ZERO_SHOT, "STaR-SFT", "STaR-DPO", "STaR-Rationalizer")
"""Methods whose traces are read again without the responses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a scale decides."""

    voting: VotingConfig
    star: StarConfig
    training: Mapping[str, TrainingConfig]
    """By recipe."""

    num_reread: int
    """Pairs of each test set whose traces are read again, about."""

    bf16: bool


def _trainings(**shared: Any) -> dict[str, TrainingConfig]:  # noqa: ANN401 - of TrainingConfig
    """Tuned on validation pairs of the chains world; see `benchmarks.tuning`."""
    rates = {
        "bradley-terry": (3e-4, 4),
        "pair-rm": (3e-4, 4),
        "genrm": (3e-3, 4),
        "star-sft": (1e-3, 2),
        "star-dpo": (3e-4, 2),
        "star-ipo": (3e-4, 2),
        "star-rationalizer": (1e-3, 2),
        "star-rationalizer-ipo": (3e-4, 2),
    }
    return {
        name: TrainingConfig(learning_rate=rate, epochs=epochs, **shared)
        for name, (rate, epochs) in rates.items()
    }


_REAL: Final[dict[str, tuple[float, int]]] = {
    # Not tuned. A method with one number of each pair to learn from takes larger steps, twice: at
    # 3e-5, once, Bradley-Terry's loss on real pairs had stayed at ln 2 (docs/log.md).
    "bradley-terry": (1e-4, 2),
    "pair-rm": (1e-4, 2),
    "genrm": (1e-4, 2),
    "star-sft": (3e-5, 1),
    "star-dpo": (1e-5, 1),
    "star-ipo": (1e-5, 1),
    "star-rationalizer": (3e-5, 1),
    "star-rationalizer-ipo": (1e-5, 1),
}


SETTINGS: Final[Mapping[str, Settings]] = {
    "tiny": Settings(
        voting=VotingConfig(votes=16, max_tokens=64),
        star=StarConfig(num_samples=8),
        training=_trainings(batch_size=32),
        num_reread=24,
        bf16=False,
    ),
    "small": Settings(
        voting=VotingConfig(votes=4, max_tokens=64),
        star=StarConfig(num_samples=4, per_prompt=1),
        training={
            name: TrainingConfig(
                learning_rate=rate,
                epochs=epochs,
                batch_size=16,
                # On processors small ones are the faster ones, and need less memory.
                micro_batch_tokens=1024,
                bf16=True,
            )
            for name, (rate, epochs) in _REAL.items()
        },
        num_reread=12,
        bf16=True,
    ),
}


def settings_of(
    scale: Scale, *, votes: int | None, num_samples: int | None, max_tokens: int | None
) -> Settings:
    """A scale's settings; what is not None stands in for the scale's own."""
    settings = SETTINGS[scale]
    voting, star = settings.voting, settings.star
    return replace(
        settings,
        voting=replace(
            voting,
            votes=voting.votes if votes is None else votes,
            max_tokens=voting.max_tokens if max_tokens is None else max_tokens,
        ),
        star=star if num_samples is None else replace(star, num_samples=num_samples),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A method of the paper, and its run with one seed."""

    name: str
    errand: Errand
    seed: int
    by_round: bool = False
    """Whether the judge of each early round is judged too, as in the paper's Tables 1 and 3."""

    rounds: int = 0
    """Of a STaR method. 0: it has none."""

    @property
    def output(self) -> Path:
        """The run's directory."""
        return self.errand.config.output

    @property
    def averaged(self) -> Path:
        """The directory of the run that averages its verdicts' probabilities."""
        return self.output.with_name(f"{self.output.name}-averaged")

    @property
    def reread(self) -> Path:
        """The directory of the run that reads its traces again."""
        return self.output.with_name(f"{self.output.name}-reread")

    def judged_after(self, number: int) -> Path:
        """The directory of the run that judges an early round."""
        return self.output.with_name(f"{self.output.name}-round-{number}")


def plan(
    settings: Settings,
    output: Path,
    data: DataConfig,
    *,
    model: str,
    authors: Mapping[str, str],
    seed: int,
) -> list[Method]:
    """Every method with one seed, in the order of the report.

    Args:
        settings: Of the scale.
        output: Directory of the replication.
        data: What to train and test on.
        model: Base that every method starts from.
        authors: Checkpoints of the "explainer" and of the "foreign" author, as far as there are
            any. Without the first the judge explains verdicts itself; without the second the rows
            of foreign authors are left out.
        seed: Of sampling and training.
    """
    folder = output / f"seed-{seed}"
    card = read_card(model)
    voting, star, rounds = settings.voting, settings.star, settings.star.rounds
    direct = format_name("auto", card, reasoning=False)
    reasoning = format_name("auto", card, reasoning=True)

    def zero_shot(name: str, output: str, judge: JudgeConfig) -> Method:
        asked = EvaluateConfig(
            judge=judge,
            test=data.test,
            train=data.train,
            layout=data.layout,
            output=folder / output,
            method=name,
            seed=seed,
        )
        return Method(name=name, errand=_errand("evaluate", asked, seed), seed=seed)

    shared: dict[str, Any] = {"model": model, "data": data, "seed": seed}
    star_shared = {**shared, "voting": voting, "star": star}

    def trained(name: str, recipe: str, kind: Any, output: str, **more: Any) -> Method:  # noqa: ANN401
        asked = kind(
            output=folder / output,
            training=settings.training[output if output in settings.training else recipe],
            **more,
        )
        has_rounds = "star" in more
        return Method(
            name=name,
            errand=_errand(recipe, asked, seed),
            seed=seed,
            rounds=rounds if has_rounds else 0,
            by_round=has_rounds and "IPO" not in name,
        )

    explainer = authors.get("explainer", "")
    explained = {
        **star_shared,
        "star": replace(star, author=AuthorConfig(author=explainer, author_rounds="all")),
    }
    methods = [
        zero_shot(
            ZERO_SHOT_DIRECT,
            "genrm-base",
            JudgeConfig(model=model, format=direct, bf16=settings.bf16),
        ),
        zero_shot(
            ZERO_SHOT,
            "zero-shot",
            JudgeConfig(model=model, format=reasoning, voting=voting, bf16=settings.bf16),
        ),
        trained("Bradley-Terry", "bradley-terry", BradleyTerryConfig, "bradley-terry", **shared),
        trained("PairRM", "pair-rm", PairRMConfig, "pair-rm", **shared),
        trained("GenRM", "genrm", GenRMConfig, "genrm", **shared),
        trained("STaR-SFT", "star-sft", StarSFTConfig, "star-sft", **star_shared),
        trained("STaR-DPO", "star-dpo", StarDPOConfig, "star-dpo", **star_shared),
        trained(
            "STaR-IPO",
            "star-dpo",
            StarDPOConfig,
            "star-ipo",
            loss=PairLossConfig(loss="ipo"),
            **star_shared,
        ),
        trained(
            "STaR-Rationalizer",
            "star-rationalizer",
            StarRationalizerConfig,
            "star-rationalizer",
            **explained,
        ),
        trained(
            "STaR-Rationalizer (IPO)",
            "star-rationalizer",
            StarRationalizerConfig,
            "star-rationalizer-ipo",
            objective="pairs",
            loss=PairLossConfig(loss="ipo"),
            **explained,
        ),
    ]
    if foreign := authors.get("foreign"):
        for name, named, which in FOREIGN:
            author = AuthorConfig(author=foreign, author_rounds=which)
            methods.append(
                trained(
                    name,
                    "star-sft",
                    StarSFTConfig,
                    named,
                    **{**star_shared, "star": replace(star, author=author)},
                )
            )
    return methods


FOREIGN: Final[tuple[tuple[str, str, Literal["first", "all"]], ...]] = (
    ("STaR-SFT, foreign first round", "star-sft-foreign-first", "first"),
    ("STaR-SFT, foreign rounds", "star-sft-foreign-all", "all"),
)
"""Rows of Table 1 with another author: name, folder, and the rounds that it writes in."""


def _errand(recipe: str, asked: Any, seed: int) -> Errand:  # noqa: ANN401 - any recipe's config
    return Errand(name=f"seed-{seed}-{asked.output.name}", recipe=recipe, config=asked)


def averaged_errand(method: Method, settings: Settings, data: DataConfig) -> Errand:
    """Judging with the averaged probability of verdicts instead of counted votes."""
    config = method.errand.config
    judge = (
        config.judge
        if isinstance(config, EvaluateConfig)
        else JudgeConfig(model=str(last_of(method.output, method.rounds)), bf16=settings.bf16)
    )
    asked = EvaluateConfig(
        judge=replace(judge, voting=replace(settings.voting, verdicts="averaged")),
        test=data.test,
        output=method.averaged,
        method=method.name,
        seed=method.seed,
    )
    return _errand("evaluate", asked, method.seed)


def reread_errand(method: Method, settings: Settings) -> Errand:
    """Reading the traces again without the responses; the same pairs for every seed."""
    asked = FaithfulnessConfig(
        run=method.output, output=method.reread, limit=settings.num_reread, bf16=settings.bf16
    )
    return _errand("faithfulness", asked, method.seed)


def round_errand(method: Method, number: int, settings: Settings, data: DataConfig) -> Errand:
    """Judging with the checkpoint of an early round."""
    judge = JudgeConfig(
        model=str(last_of(method.output, number)), voting=settings.voting, bf16=settings.bf16
    )
    asked = EvaluateConfig(
        judge=judge,
        test=data.test,
        output=method.judged_after(number),
        method=method.name,
        seed=method.seed,
    )
    return _errand("evaluate", asked, method.seed)
