"""What votes and tournaments are worth in the scripted world (`jurist.worlds.scripted`).

    python -m benchmarks.votes

No model runs; some 20 seconds of one core. Prints the tables of `docs/results.md`: means over
the seeds, with the least and the greatest of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import tyro

from jurist.judges import dawid_skene
from jurist.rewards import Cohort, aggregated
from jurist.search import (
    approvals,
    borda_votes,
    compute_frontier,
    growth_exponents,
    knockout,
    knockout_failure_bound,
    knockout_success,
    league_rounds,
    majority_votes,
    mean_scores,
    pessimistic_scores,
    play,
    summed_scores,
    swiss_rounds,
    taken,
    weighted_votes,
)
from jurist.search.votes import Floats, Ints
from jurist.types import Comparison, Judgement, Verdict, user
from jurist.worlds.scripted import (
    RIGHT,
    Rater,
    ScriptedJudge,
    Solver,
    Verifier,
    confusion_of,
    juror_votes,
)

ALPHA = 0.5
HARDER = Solver(ability=(2.0, 3.3))


@dataclass(frozen=True, kw_only=True, slots=True)
class VotesConfig:
    """How much to simulate."""

    seeds: tuple[int, ...] = (11, 12, 13)
    num_questions: int = 2_000
    num_cohorts: int = 300
    """Cohorts of each tournament."""


@dataclass(frozen=True, slots=True)
class Qualities:
    """Prefers a response as its quality, in nats, says (Bradley and Terry); texts are numbers."""

    dice: np.random.Generator

    def __call__(self, comparisons: list[Comparison]) -> list[list[Judgement]]:
        """One reading each."""
        return [[self._read(float(one.first) - float(one.second))] for one in comparisons]

    def _read(self, ahead: float) -> Judgement:
        won = self.dice.random() < 1.0 / (1.0 + math.exp(-ahead))
        return Judgement(text="", outcome=Verdict.FIRST if won else Verdict.SECOND)


def main() -> None:
    """Print every table."""
    config = tyro.cli(VotesConfig)
    for title, measure in TABLES.items():
        found = [measure(config, seed) for seed in config.seeds]
        print(f"\n### {title}\n\n| | mean | least and greatest |\n|---|---|---|")
        for name in found[0]:
            values = [one[name] for one in found]
            print(f"| {name} | {np.mean(values):.3f} | {min(values):.3f}, {max(values):.3f} |")


def accuracy(support: Floats, answers: Ints) -> float:
    """How often a right answer is taken, ties shared."""
    return float((taken(support) * (answers == RIGHT)).sum(axis=-1).mean())


def verified(config: VotesConfig, seed: int) -> dict[str, float]:
    """Four votes on 16 answers, each read four times."""
    dice = np.random.default_rng(seed)
    answers = Solver().sample(config.num_questions, 16, dice).answers
    readings = Verifier().readings(answers, 4, dice)
    mean = readings.mean(axis=-1)
    return {
        "one answer": float((answers[:, 0] == RIGHT).mean()),
        "majority": accuracy(majority_votes(answers), answers),
        "mean score": accuracy(mean_scores(answers, mean), answers),
        "weighted vote": accuracy(weighted_votes(answers, mean), answers),
        "pessimistic": accuracy(pessimistic_scores(answers, readings, alpha=ALPHA), answers),
        "any right": float((answers == RIGHT).any(axis=1).mean()),
    }


def by_certainty(config: VotesConfig, seed: int) -> dict[str, float]:
    """Borda votes by the solver's own certainty."""
    found: dict[str, float] = {}
    for num in (8, 32):
        drawn = HARDER.sample(config.num_questions, num, np.random.default_rng(seed))
        found[f"N = {num}, majority"] = accuracy(majority_votes(drawn.answers), drawn.answers)
        for power in (0.3, 1.2, 5.0, 50.0):
            found[f"N = {num}, Borda, p = {power:g}"] = accuracy(
                borda_votes(drawn.answers, drawn.certainty, power=power), drawn.answers
            )
    return found


def by_runs(config: VotesConfig, seed: int) -> dict[str, float]:
    """Sums of scores with and without a meta judge, and approvals of aspect verifiers."""
    dice = np.random.default_rng(seed)
    four = np.tile(np.arange(4), (config.num_questions, 1))
    scores, rating = Rater().runs(four, 32, dice)
    found = {
        f"{k} runs summed": accuracy(summed_scores(scores[:, :k]), four) for k in (1, 4, 16, 32)
    }
    found["best 8 of 16 runs by a meta judge"] = accuracy(
        summed_scores(scores[:, :16], rating[:, :16], keep=8), four
    )
    answers = Solver().sample(config.num_questions, 16, dice).answers
    aspect = Verifier(sensitivity=0.8, specificity=0.7)
    verdicts = np.concatenate([aspect.readings(answers, 1, dice) for _ in range(8)], axis=-1)
    for m in (1, 2, 4, 8):
        found[f"approvals of {m}"] = accuracy(approvals(verdicts[..., :m]), answers)
    return found


def knocked_out(config: VotesConfig, seed: int) -> dict[str, float]:
    """Knockouts of N responses, a fifth of them right, by 9 votes of .65; exact beside it."""
    found: dict[str, float] = {}
    for num, votes, vote in (
        (1, 9, 0.65),
        (4, 9, 0.65),
        (16, 9, 0.65),
        (64, 9, 0.65),
        (16, 17, 0.8),
    ):
        judge = ScriptedJudge(
            quality=lambda text: float(text.startswith("right")),
            confusion=confusion_of(vote),
            num_samples=votes,
            seed=seed,
        )
        dice = np.random.default_rng(seed)
        cohorts = [
            Cohort(
                prompt=user(f"q{i}"),
                responses=tuple(
                    f"{'right' if draw < 0.2 else 'wrong'} {j}"
                    for j, draw in enumerate(dice.random(num))
                ),
            )
            for i in range(config.num_cohorts)
        ]
        right = [
            cohort.responses[choice.place].startswith("right")
            for cohort, choice in zip(cohorts, knockout(judge, cohorts, seed=seed), strict=True)
        ]
        asked = {"num_responses": num, "num_votes": votes}
        name = f"N = {num}, K = {votes}, vote {vote}"
        found[name] = float(np.mean(right))
        found[f"{name}: exact"] = knockout_success(0.2, vote, **asked)
        found[f"{name}: at least"] = 1.0 - knockout_failure_bound(0.2, vote, **asked)
    return found


def tournaments(config: VotesConfig, seed: int) -> dict[str, float]:
    """How often 16 responses a nat apart are told apart, by comparisons."""
    responses = tuple(str(i) for i in range(16))
    cohorts = [Cohort(prompt=user(f"q{i}"), responses=responses) for i in range(config.num_cohorts)]
    judge = Qualities(np.random.default_rng(seed))
    choices = knockout(judge, cohorts)
    found = {"knockout, 15 comparisons": float(np.mean([one.place == 15 for one in choices]))}
    held = {
        "league of 4, 32": lambda order: league_rounds(order, num_opponents=4),
        "Swiss, 4 rounds, 32": lambda order: swiss_rounds(order, num_rounds=4),
        "league of 8, 64": lambda order: league_rounds(order, num_opponents=8),
        "Swiss, 8 rounds, 64": lambda order: swiss_rounds(order, num_rounds=8),
        "all pairs, 120": league_rounds,
    }
    for name, tournament in held.items():
        made = play(judge, cohorts, tournament)
        found[name] = float(
            np.mean([(15 in one.best) / len(one.best) for one in aggregated(cohorts, made)])
        )
    return found


def jury(config: VotesConfig, seed: int) -> dict[str, float]:
    """Verdicts of one juror of .95, two of .7 and two of .6."""
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, 2, config.num_questions)
    shares = np.array([0.95, 0.7, 0.7, 0.6, 0.6])[:, None, None]
    confusion = np.where(np.eye(2, dtype=np.bool_), shares, 1.0 - shares)
    counts = np.eye(2)[juror_votes(truth, confusion, dice)]
    found = dawid_skene(counts)
    return {
        "majority": float((counts.sum(axis=1).argmax(axis=1) == truth).mean()),
        "reliabilities estimated": float((found.posterior(counts).argmax(axis=1) == truth).mean()),
        "of the best juror, estimated": float(found.accuracy[0]),
    }


def budgets(config: VotesConfig, seed: int) -> dict[str, float]:
    """The best of each budget, verifications as long as solutions, and how both numbers grow."""
    solutions, verifications = [1, 2, 4, 8, 16, 32, 64, 128], [0, 1, 2, 4, 8, 16]
    dice = np.random.default_rng(seed)
    answers = Solver().sample(config.num_questions, solutions[-1], dice).answers
    weak = replace(Verifier(), sensitivity=0.7, specificity=0.7)
    readings = weak.readings(answers, verifications[-1], dice)

    def worth(num: int, each: int) -> float:
        some = answers[:, :num]
        if not each:
            return accuracy(majority_votes(some), some)
        return accuracy(weighted_votes(some, readings[:, :num, :each].mean(axis=-1)), some)

    table = [[worth(num, each) for each in verifications] for num in solutions]
    limits = [2.0**k for k in range(11)]
    frontier = compute_frontier(table, solutions, verifications, ratio=1.0, budgets=limits)
    growth = growth_exponents(frontier)
    found = {
        f"C = {limit:g}, S": float(num)
        for limit, num in zip(limits, frontier.solutions.tolist(), strict=True)
    }
    for limit, each, value in zip(
        limits, frontier.verifications.tolist(), frontier.accuracy.tolist(), strict=True
    ):
        found[f"C = {limit:g}, V"] = float(each)
        found[f"C = {limit:g}, accuracy"] = value
    return {**found, "exponent of S": growth.solutions, "exponent of V": growth.verifications}


TABLES: dict[str, Callable[[VotesConfig, int], dict[str, float]]] = {
    "Votes on 16 answers": verified,
    "Certainty": by_certainty,
    "Runs and aspects": by_runs,
    "Knockout": knocked_out,
    "Tournaments": tournaments,
    "Juries": jury,
    "Budgets": budgets,
}


if __name__ == "__main__":
    main()
