"""Every stage of the work under kill -9: run again, it ends in the bytes that it would have."""

from collections.abc import Callable
from typing import Any

import pytest

from jurist.worlds import BASE

READ = ("--max-tokens", 48, "--votes", 2, "--seed", 3)
MANY = ("--max-tokens", 48, "--votes", 24, "--seed", 3)
"""576 replies for 12 pairs: two chunks of 500 at most, each committed when it is there."""

TRAIN = ("--batch-size", 4, "--learning-rate", 3e-4, "--checkpoint-every", 2)
ROUND = ("--rounds", 1, "--per-prompt", 1)


@pytest.fixture
def killed(killing, zygote, tmp_path, size, figure) -> Callable[..., None]:
    """Kills a command in each of its phases, and says what became of what it had kept."""

    def check(*arguments: Any, phases: list[tuple[str, ...]], full: int = 8) -> Any:
        """Kill it.

        Args:
            arguments: Of `jurist`, but for model and output.
            phases: What each is a part of, what appears when it begins, and when it ends.
            full: Kills in each phase, at full size.
        """
        kills = killing.Killing(zygote, [*arguments, "--model", BASE], tmp_path)
        for each in phases:
            kills.kill(killing.Phase(*each), size(1, full))
        figure("kills", kills.num_kills)
        figure("lost_judgements", kills.num_lost)
        figure("differing_bytes", kills.num_differing)
        for seconds in kills.recovery_seconds:
            figure("recovery_once_loaded_seconds", seconds)
        assert not kills.faults, "\n".join(kills.faults)
        assert not kills.num_lost
        return kills

    return check


@pytest.fixture
def data(pairs) -> tuple[object, ...]:
    return ("--train", pairs / "train.jsonl", "--test", pairs / "test.jsonl")


@pytest.mark.slow
@pytest.mark.fault(1, "sampling", "building rows", "DPO")
@pytest.mark.timeout(600)
def test_star_dpo_killed_while_it_samples_builds_rows_and_trains(killed, data):
    killed(
        *("star-dpo", *data, *READ, *ROUND, "--num-samples", 24, *TRAIN),
        phases=[
            ("sampling", "completions.sqlite.lock", "round-1/traces.json"),
            ("building rows", "round-1/traces.json", "round-1/rows.json"),
            ("DPO", "round-1/rows.json", "timings.json"),
        ],
        full=6,
    )


@pytest.mark.slow
@pytest.mark.fault(1, "SFT")
@pytest.mark.timeout(600)
def test_star_sft_killed_while_it_trains_the_second_round(killed, data):
    killed(
        *("star-sft", *data, *READ, *ROUND, "--rounds", 2, "--num-samples", 8, *TRAIN),
        phases=[("SFT", "round-2/rows.json", "judgements")],
    )


@pytest.mark.fault(1, "reward head")
@pytest.mark.timeout(600)
def test_bradley_terry_killed_while_it_trains(killed, data):
    killed(
        *("bradley-terry", *data, *TRAIN, "--epochs", 2, "--seed", 3),
        phases=[("reward head", "config.json", "timings.json")],
    )


@pytest.mark.fault(1, "judging")
@pytest.mark.timeout(600)
def test_judge_killed_while_it_judges(killed, pairs):
    killed(
        *("judge", "--pairs", pairs / "train.jsonl", *MANY),
        phases=[("judging", "completions.sqlite.lock", "verdicts.jsonl")],
    )


@pytest.mark.slow
@pytest.mark.fault(1, "evaluation", "report")
@pytest.mark.timeout(600)
def test_evaluate_killed_while_it_judges_and_reports(killed, pairs):
    kills = killed(
        *("evaluate", "--test", pairs / "train.jsonl", *MANY),
        phases=[
            ("evaluation", "completions.sqlite.lock", "judgements/train.jsonl.gz"),
            # All times are known by then, so that what shows them is the same to the byte.
            ("report", "judgements/train.jsonl.gz"),
        ],
    )
    assert kills.num_same_times, "reports were compared"


@pytest.mark.slow
@pytest.mark.fault(1, "labels")
@pytest.mark.timeout(600)
def test_label_killed_while_it_judges_and_writes(killed, pairs):
    layouts = ("--layouts", "jurist", "trl", "datasets")
    killed(
        *("label", "--pairs", pairs / "train.jsonl", *MANY, "--min-confidence", 0.5, *layouts),
        phases=[
            ("judging", "completions.sqlite.lock", "judgements/pairs.jsonl.gz"),
            ("labels", "judgements/pairs.jsonl.gz"),
        ],
    )


@pytest.mark.slow
@pytest.mark.fault(1, "sampling", "labels")
@pytest.mark.timeout(600)
def test_label_killed_while_a_policy_responds_to_prompts(killed, prompts):
    policy = ("--policy", BASE, "--max-response-tokens", 64, "--num-responses", 24)
    killed(
        *("label", "--prompts", prompts, *policy, *READ),
        phases=[("sampling", "completions.sqlite.lock", "responses.json")],
    )
