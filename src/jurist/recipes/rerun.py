"""Run a run again, from the settings kept in its directory."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jurist.errors import ConfigError
from jurist.recipes.bradley_terry import BradleyTerryConfig, run_bradley_terry
from jurist.recipes.cloud import CLoudConfig, run_cloud
from jurist.recipes.compare import CompareConfig, run_compare
from jurist.recipes.con_j import ConJConfig, run_con_j
from jurist.recipes.critic_rm import CriticRMConfig, run_critic_rm
from jurist.recipes.evaluate import EvaluateConfig, run_evaluate
from jurist.recipes.faithfulness import FaithfulnessConfig, run_faithfulness
from jurist.recipes.generative_verifier import (
    GenerativeVerifierConfig,
    run_generative_verifier,
)
from jurist.recipes.genrm import GenRMConfig, run_genrm
from jurist.recipes.judge import JudgeFileConfig, run_judge
from jurist.recipes.jury import JuryConfig, run_jury
from jurist.recipes.label import run_label
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.listwise import ListwiseConfig, run_listwise
from jurist.recipes.pair_rm import PairRMConfig, run_pair_rm
from jurist.recipes.paper import PaperConfig, run_paper
from jurist.recipes.quickstart import QuickstartConfig, run_quickstart
from jurist.recipes.run import from_json, read_run_config
from jurist.recipes.scan import ScanConfig, run_scan
from jurist.recipes.scpo import ScPOConfig, run_scpo
from jurist.recipes.select import SelectConfig, run_select
from jurist.recipes.self_reward import SelfRewardConfig, run_self_reward
from jurist.recipes.self_taught import SelfTaughtConfig, run_self_taught
from jurist.recipes.star_dpo import StarDPOConfig, run_star_dpo
from jurist.recipes.star_rationalizer import StarRationalizerConfig, run_star_rationalizer
from jurist.recipes.star_sft import StarSFTConfig, run_star_sft
from jurist.recipes.suites import SuitesConfig, run_suites
from jurist.recipes.vote import VoteConfig, run_vote

RECIPES: dict[str, tuple[Any, Any]] = {
    "quickstart": (QuickstartConfig, run_quickstart),
    "bradley-terry": (BradleyTerryConfig, run_bradley_terry),
    "pair-rm": (PairRMConfig, run_pair_rm),
    "genrm": (GenRMConfig, run_genrm),
    "star-sft": (StarSFTConfig, run_star_sft),
    "star-dpo": (StarDPOConfig, run_star_dpo),
    "con-j": (ConJConfig, run_con_j),
    "scpo": (ScPOConfig, run_scpo),
    "self-reward": (SelfRewardConfig, run_self_reward),
    "self-taught": (SelfTaughtConfig, run_self_taught),
    "star-rationalizer": (StarRationalizerConfig, run_star_rationalizer),
    "generative-verifier": (GenerativeVerifierConfig, run_generative_verifier),
    "cloud": (CLoudConfig, run_cloud),
    "critic-rm": (CriticRMConfig, run_critic_rm),
    "paper": (PaperConfig, run_paper),
    "judge": (JudgeFileConfig, run_judge),
    "jury": (JuryConfig, run_jury),
    "label": (LabelConfig, run_label),
    "select": (SelectConfig, run_select),
    "vote": (VoteConfig, run_vote),
    "listwise": (ListwiseConfig, run_listwise),
    "evaluate": (EvaluateConfig, run_evaluate),
    "compare": (CompareConfig, run_compare),
    "suites": (SuitesConfig, run_suites),
    "faithfulness": (FaithfulnessConfig, run_faithfulness),
    "scan": (ScanConfig, run_scan),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RerunConfig:
    """Run a run again: to go on with an unfinished one, or to repeat one elsewhere."""

    directory: Path
    """Run directory, with its config.json."""

    output: Path | None = None
    """Where to run. Default: in the same directory, where what is done stays done."""


def run_rerun(config: RerunConfig) -> int | None:
    """Run a run again, from the config.json in its directory."""
    kept = read_run_config(config.directory / "config.json")
    if kept["recipe"] not in RECIPES:
        raise ConfigError(
            f"{config.directory}: a run of {kept['recipe']!r}, which this version does not know; "
            f"it knows {', '.join(RECIPES)}"
        )
    kind, run = RECIPES[kept["recipe"]]
    asked = from_json(kind, kept["config"])
    return run(replace(asked, output=config.output or config.directory))
