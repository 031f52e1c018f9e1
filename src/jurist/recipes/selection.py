"""What choosing among n candidates is worth, rule by rule, for the report of `jurist select`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jurist.data import Pool
from jurist.evaluation import selection_points
from jurist.reports import RuleKind, SelectionRow
from jurist.rewards import Compared
from jurist.search import (
    ANSWERS,
    Curve,
    Knockout,
    Rewarded,
    judged_curve,
    majority_curve,
    oracle_curve,
    random_curve,
    scored_curve,
    sizes_of,
)

if TYPE_CHECKING:
    from jurist.recipes.select import SelectConfig


def selection_rows(
    config: "SelectConfig",
    name: str,
    pools: Sequence[Pool],
    compared: Sequence[Sequence[Compared]],
) -> list[SelectionRow]:
    """Every rule on one set of pools: those of the judge, shortcuts, random and the oracle.

    Args:
        config: What was compared, and how it becomes a choice.
        name: Of the set.
        pools: All candidates checked. Length P.
        compared: What the judge said, for each pool. Length P.
    """
    every = sizes_of(pools)
    # Draws of fewer would have met others than those that were compared.
    judged_sizes = every if config.tournament == "all-pairs" else every[-1:]
    groups = [pool.group for pool in pools]
    answer_of = _answer_of(config, pools)
    randomly, oracle = random_curve(pools, every), oracle_curve(pools, every)
    curves: list[tuple[str, str, RuleKind, Curve]] = [
        (
            config.method,
            rule_name,
            RuleKind.JUDGE,
            judged_curve(
                pools,
                compared,
                rule,
                judged_sizes,
                max_draws=config.max_draws,
                seed=config.seed,
            ),
        )
        for rule_name, rule in _rules(config, every[-1], answer_of).items()
    ]
    lengths = [[float(len(one.text)) for one in pool.candidates] for pool in pools]
    curves.append(("longest", "", RuleKind.SHORTCUT, scored_curve(pools, lengths, every)))
    if answer_of is not None:
        majority = majority_curve(
            pools, answer_of, every, max_draws=config.max_draws, seed=config.seed
        )
        curves.append(("majority", "", RuleKind.SHORTCUT, majority))
    curves.append(("random", "", RuleKind.BOUND, randomly))
    curves.append(("oracle", "", RuleKind.BOUND, oracle))
    return [
        SelectionRow(
            method=method,
            rule=rule,
            kind=kind,
            split=name,
            num_pools=len(pools),
            num_groups=len(set(groups)),
            points=tuple(
                selection_points(
                    curve.sizes,
                    curve.correct,
                    randomly=randomly.correct[-len(curve.sizes) :],
                    oracle=oracle.correct[-len(curve.sizes) :],
                    comparisons=curve.comparisons,
                    tokens=curve.tokens,
                    groups=groups,
                    seed=config.seed,
                )
            ),
        )
        for method, rule, kind, curve in curves
    ]


def _rules(
    config: "SelectConfig", most: int, answer_of: Callable[[str], str | None] | None
) -> dict[str, Rewarded | Knockout]:
    """The ways to go by the comparisons that were made, by name."""
    bound = config.limits.num_opponents
    everyone = Rewarded(aggregation=config.aggregation, prior=config.prior)
    league = replace(everyone, num_opponents=bound)
    named: dict[str, tuple[str, Rewarded | Knockout]] = {
        "all-pairs": ("all pairs", everyone),
        "league": (f"league of {bound}", league),
        "swiss": (f"Swiss, {bound} rounds", replace(league, swiss=True)),
        "knockout": ("knockout", Knockout()),
    }
    if config.tournament != "all-pairs":
        return dict([named[config.tournament]])
    # Everyone meets everyone in a league of as many as there are.
    same = {"league", "swiss"} if bound >= most - 1 else set[str]()
    rules = dict(rule for tournament, rule in named.items() if tournament not in same)
    if answer_of is not None:
        rules["all pairs, weighted vote"] = replace(everyone, answer_of=answer_of)
    return rules


def _answer_of(config: "SelectConfig", pools: Sequence[Pool]) -> Callable[[str], str | None] | None:
    """How the most common answer of these pools is told, if it is."""
    if config.answers != "auto":
        return ANSWERS.get(config.answers)
    numbers = ANSWERS["number"]
    # An answer that is nothing but a number, such as -1,200 or $3.50.
    plain = all(
        numbers(pool.answer) is not None and not any(c.isalpha() for c in pool.answer)
        for pool in pools
    )
    return numbers if plain else None
