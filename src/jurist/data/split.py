"""Parts of a set of preferences that are the same every time, and keep groups together."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from jurist.digest import derive_seed
from jurist.errors import ConfigError, DataError
from jurist.types import Preference

Item = TypeVar("Item")

_SEEDS = 2**63  # derive_seed draws below this
_ROUNDING = 1e-9  # a share no larger than this is what rounding left of nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """Three parts with no group in common. Each keeps the order the rows came in."""

    train: list[Preference]
    validation: list[Preference]
    """What settings are chosen by. No reported number uses it."""

    test: list[Preference]


def split(
    preferences: Sequence[Preference], *, validation: float, test: float, seed: int
) -> Splits:
    """Split by a hash of each row's group.

    A group's part depends on its name and on the seed, and not on other rows: adding rows moves
    none that were there, so what was once a test row never becomes a training row. The shares are
    therefore approximate, the more so the fewer the groups.

    Args:
        preferences: What to split.
        validation: Share of the groups to choose settings by. In [0, 1].
        test: Share of the groups to report on. In [0, 1]. The test part does not change with
            `validation`.
        seed: Seed of the hash.

    Raises:
        ConfigError: If the shares are not shares.
        DataError: If a part that was asked for comes out empty, or a row has no group.
    """
    if not (0.0 <= test <= 1.0 and 0.0 <= validation <= 1.0 and test + validation <= 1.0):
        raise ConfigError(
            f"validation and test must be shares in [0, 1] with a sum of at most 1, "
            f"got {validation} and {test}"
        )

    def part(group: str) -> str:
        place = derive_seed("split", seed, group) / _SEEDS
        if place < test:
            return "test"
        return "validation" if place < test + validation else "train"

    parts = {group: part(group) for group in _groups(preferences)}
    shares = {"train": 1.0 - test - validation, "validation": validation, "test": test}
    return _splits(preferences, parts, shares)


def split_tenth(preferences: Sequence[Preference], *, validation: float, seed: int) -> Splits:
    """Split with a test part that any program can find again: one group in ten, by plain SHA-256.

    A group is in the test part if the first 8 hexadecimal digits of the SHA-256 of its UTF-8 name,
    read as a number, are divisible by 10.

    Args:
        preferences: What to split.
        validation: Share of the other groups to choose settings by. In [0, 1].
        seed: Seed of the validation part; the test part has none.

    Raises:
        ConfigError: If `validation` is not a share.
        DataError: If a part that was asked for comes out empty, or a row has no group.
    """
    if not 0.0 <= validation <= 1.0:
        raise ConfigError(f"validation must be a share in [0, 1], got {validation}")

    def part(group: str) -> str:
        if int(hashlib.sha256(group.encode("utf-8")).hexdigest()[:8], 16) % 10 == 0:
            return "test"
        place = derive_seed("split", seed, group) / _SEEDS
        return "validation" if place < validation else "train"

    parts = {group: part(group) for group in _groups(preferences)}
    shares = {"train": 1.0 - validation, "validation": validation, "test": 0.1}
    return _splits(preferences, parts, shares)


def parts(preferences: Sequence[Preference], num: int, *, seed: int) -> list[list[Preference]]:
    """Cut into equal parts, such as the fresh thirds that rounds of STaR train on in turn.

    Sizes differ by one at most. To keep them so, groups are laid in a row in an order drawn from
    the seed and the row is cut into equal lengths: at most `num` - 1 groups are cut, whatever
    their number. The order of the input changes only the order of the rows within a part.

    Args:
        preferences: What to cut. Every row goes to exactly one part.
        num: How many parts.
        seed: Seed of the order of groups.

    Returns:
        `num` parts, each in the order its rows came in.

    Raises:
        ConfigError: If `num` is not positive.
        DataError: If there are fewer rows than parts, or a row has no group.
    """
    if num < 1:
        raise ConfigError(f"num must be at least 1, got {num}")
    if len(preferences) < num:
        raise DataError(
            f"expected at least {num} preferences for {num} parts, found {len(preferences)}"
        )
    places = {group: derive_seed("parts", seed, group) for group in _groups(preferences)}
    laid = sorted(
        range(len(preferences)),
        key=lambda i: (places[preferences[i].group], preferences[i].id),
    )
    cuts = [len(laid) * i // num for i in range(num + 1)]
    return [[preferences[i] for i in sorted(laid[start:end])] for start, end in pairwise(cuts)]


def _groups(preferences: Sequence[Preference]) -> set[str]:
    for preference in preferences:
        if not preference.group:
            raise DataError(
                f"preference {preference.id!r}: expected a group to keep together, found none; "
                f"read_preferences gives every row one"
            )
    return {preference.group for preference in preferences}


def _splits(
    preferences: Sequence[Preference], parts: dict[str, str], shares: dict[str, float]
) -> Splits:
    rows: dict[str, list[Preference]] = {"train": [], "validation": [], "test": []}
    for preference in preferences:
        rows[parts[preference.group]].append(preference)
    for name, share in shares.items():
        if share > _ROUNDING and not rows[name]:
            raise DataError(
                f"expected preferences in the {name} part, found none: {len(preferences)} "
                f"preferences are {len(parts)} groups, too few for the shares asked for; give "
                f"files of their own for train and test, or other shares"
            )
    return Splits(train=rows["train"], validation=rows["validation"], test=rows["test"])


def limited(
    items: Sequence[Item], group: Callable[[Item], str], limit: int | None, seed: int
) -> list[Item]:
    """Whole groups, drawn by hash, until there are at least `limit` items; in the order given.

    Args:
        items: What to take some of.
        group: Name of an item's group.
        limit: About how many to keep. None: all.
        seed: Seed of the hash.
    """
    if limit is None or len(items) <= limit:
        return list(items)
    sizes: dict[str, int] = {}
    for item in items:
        sizes[group(item)] = sizes.get(group(item), 0) + 1
    kept: set[str] = set()
    num = 0
    for name in sorted(sizes, key=lambda name: (derive_seed("limit", seed, name), name)):
        if num >= limit:
            break
        kept.add(name)
        num += sizes[name]
    return [item for item in items if group(item) in kept]
