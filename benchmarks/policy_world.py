"""What policies of the chains world are asked, how right they are, and what judges think of them.

Shared by `benchmarks.policy`, which trains one on judge-labelled pairs, and by
`benchmarks.grpo_policy`, which has TRL train one on rewards.
"""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from jurist.engines.transformers import TransformersEngine
from jurist.errors import DataError
from jurist.evaluation import Estimate, group_bootstrap
from jurist.judges import Judge, ballots
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.open_judge import open_judge
from jurist.types import Comparison, Preference, Sampling
from jurist.worlds import BASE, FLOURISH, SPLITS, Part, Split, check, preferences

MAX_RESPONSE_TOKENS = 32
"""Room for the longest chain of the world, of five steps, with its flourish: 24."""

MAX_JUDGEMENT_TOKENS = 64


def questions(split: Split, part: Part, num: int, *, seed: int) -> list[Preference]:
    """Questions of the world; each preference gives its prompt and the exact check, no label."""
    return preferences(split, part, num, seed=seed)


def gold_reward(question: Preference, response: str) -> float:
    """1 for a chain that is right in every step, 0 for any other text."""
    try:
        return float(check(question, response).correct)
    except DataError:
        return 0.0


def sample_responses(
    policy: str, asked: Sequence[Preference], *, num_samples: int, seed: int
) -> list[list[str]]:
    """Responses of a policy to each question, at temperature 1."""
    engine = TransformersEngine.load(policy)
    sampling = Sampling(num_samples=num_samples, max_tokens=MAX_RESPONSE_TOKENS, seed=seed)
    prompts = [question.prompt for question in asked]
    # A response of nothing but white space cannot be shown to a judge.
    return [
        [completion.text if completion.text.strip() else "?" for completion in row]
        for row in engine.generate(prompts, sampling)
    ]


@contextmanager
def judge_of(model: str, store: Path, *, votes: int, seed: int) -> Generator[Judge]:
    """A judge that reads both orders, whatever its kind; its completions are kept in `store`."""
    voting = VotingConfig(votes=votes, max_tokens=MAX_JUDGEMENT_TOKENS)
    with open_judge(JudgeConfig(model=model, voting=voting), seed=seed, store=store) as opened:
        yield opened.judge


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A policy on one split of test questions."""

    policy: str
    """Which: how it was trained, and how far."""

    split: str
    gold: Estimate
    """Share of responses that are right, checked exactly."""

    wins: Estimate
    """Mean probability, as the judge sees it, that a response beats one of the base."""

    flourish: float
    """Share of responses that end in the flourish, which says nothing about being right."""

    without_verdict: float
    """Share of those comparisons that came to no verdict; they count as a half."""


def measure(
    name: str, policy: str, judge: Judge, *, num_questions: int, num_samples: int
) -> list[Measured]:
    """Measure a policy on test questions of both splits, beside the base it comes from."""
    found: list[Measured] = []
    for split in SPLITS:
        asked = questions(split, "test", num_questions, seed=0)
        mine = sample_responses(policy, asked, num_samples=num_samples, seed=1)
        others = sample_responses(str(BASE), asked, num_samples=num_samples, seed=2)
        pairs = [
            Comparison(prompt=question.prompt, first=one, second=other)
            for question, ours, theirs in zip(asked, mine, others, strict=True)
            for one, other in zip(ours, theirs, strict=True)
        ]
        unlike = [pair for pair in pairs if pair.first != pair.second]
        wins = {
            pair: ballot.probability
            for pair, ballot in zip(unlike, ballots(judge, unlike), strict=True)
        }
        texts = [(q, text) for q, row in zip(asked, mine, strict=True) for text in row]
        groups = [question.group for question, _ in texts]
        found.append(
            Measured(
                policy=name,
                split=split,
                gold=group_bootstrap([gold_reward(q, text) for q, text in texts], groups),
                wins=group_bootstrap([_half(wins.get(pair)) for pair in pairs], groups),
                flourish=sum(text.endswith(FLOURISH) for _, text in texts) / len(texts),
                without_verdict=sum(p is None for p in wins.values()) / len(pairs),
            )
        )
    return found


def _half(probability: float | None) -> float:
    return 0.5 if probability is None else probability


def said(row: Measured) -> str:
    """A measurement as a line."""
    gold, wins = (
        f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"
        for one in (row.gold, row.wins)
    )
    return (
        f"{row.policy:28} {row.split:16} right {gold} %, wins over the base {wins} %, flourish "
        f"{100 * row.flourish:.0f} %, no verdict {100 * row.without_verdict:.1f} %"
    )


def as_json(rows: Sequence[Measured]) -> str:
    """Measurements as JSON."""
    return json.dumps([asdict(row) for row in rows])
