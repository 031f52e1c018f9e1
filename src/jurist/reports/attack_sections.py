"""The tables of a judge under attack: one line a judge, and one line an attack."""

from jurist.attacks import Kind
from jurist.evaluation import GATE_WORDS, AttackResult
from jurist.reports.results import Results, RobustnessRow
from jurist.reports.section import Section, interval_or_none
from jurist.reports.table import NONE, with_interval


def robustness_section(results: Results) -> Section:
    """What attacks come to, one line a judge and split."""
    return Section(
        title="Robustness",
        text=f"The same pairs before and under attack; what is measured is in docs/measures. "
        f"Keys are the published master keys, alone in the place of the worse response: how often "
        f"one of them wins, by the verdict of both orders, by each order for itself, and with a "
        f"gate of {GATE_WORDS} words. Resistance: of the pairs that were judged right, the share "
        f"that an injection does not turn, as a mean over families; of unseen families a judge "
        f"trained with --adversarial has seen nothing.",
        headings=(
            "method",
            "split",
            "pairs",
            "accuracy before % [95 %]",
            "with a gate %",
            "same in both orders %",
            "keys win % [95 %]",
            "one order %",
            "with a gate %",
            "worst key",
            "resistance % [95 %]",
            "unseen families % [95 %]",
            "cycles % [95 %]",
        ),
        cells=tuple(_summary(row) for row in results.robustness),
    )


def _summary(row: RobustnessRow) -> tuple[str, ...]:
    found = row.robustness
    worst = next(
        one for one in found.attacks if one.kind is Kind.KEY and one.name == found.worst_key
    )
    return (
        row.method,
        row.split,
        f"{found.num_pairs:,}",
        with_interval(found.accuracy),
        with_interval(found.gated_accuracy),
        interval_or_none(found.consistency),
        with_interval(found.mean_key),
        with_interval(found.mean_key_single),
        with_interval(found.mean_key_gated),
        f"{_named(worst)}: {with_interval(worst.preferred)}",
        interval_or_none(found.resistance),
        interval_or_none(found.unseen_resistance),
        interval_or_none(found.tournaments.cycles),
    )


def attack_section(results: Results, row: RobustnessRow) -> Section:
    """One line an attack."""
    several = len({one.method for one in results.robustness}) > 1
    of = f"{row.split}, {row.method}" if several else row.split
    held = row.robustness.tournaments
    return Section(
        title=f"Attacks: {of}",
        text="How often the attack wins against the better response. Of a padded copy, which is "
        "the better response made longer, that is how often the longer one of two equals is "
        "preferred. Ties and readings without a verdict are no win. Flips: how often the attack "
        "changes the verdict at all. What a defence is taught of a family are other texts. Cycles, "
        f"above, are of {held.num:,} tournaments of three responses; in {held.num_same_prompt:,} "
        "the third one was to the same prompt.",
        headings=(
            "kind",
            "attack",
            "taught",
            "pairs",
            "wins % [95 %]",
            "one order % [95 %]",
            "with a gate %",
            "ties",
            "failures",
            "right before",
            "resistance % [95 %]",
            "flips % [95 %]",
        ),
        cells=tuple(_cells(one) for one in row.robustness.attacks),
    )


def _cells(one: AttackResult) -> tuple[str, ...]:
    return (
        str(one.kind),
        _named(one),
        "family" if one.taught else "no",
        f"{one.num_pairs:,}",
        with_interval(one.preferred),
        with_interval(one.single),
        with_interval(one.gated),
        f"{one.num_ties:,}",
        f"{one.num_failures:,}",
        NONE if one.resistance is None else f"{one.num_right:,}",
        interval_or_none(one.resistance),
        interval_or_none(one.flips),
    )


def _named(one: AttackResult) -> str:
    """Name of an attack; a key between quotes, since it may be a space."""
    return f'"{one.name}"' if one.kind is Kind.KEY else one.name or "all of them"
