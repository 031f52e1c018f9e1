import gzip
import hashlib
import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from jurist.errors import DataError
from jurist.evaluation import BagOfWords, longer_wins, shortcuts
from jurist.evaluation.words import L2
from jurist.types import Preference, user

REAL = Path(__file__).parents[3] / "shared" / "data" / "preferences"


def preference(number: int, chosen: str, rejected: str, **fields: object) -> Preference:
    given = {"prompt": user("?"), "chosen": chosen, "rejected": rejected, "group": str(number)}
    return Preference(id=str(number), **{**given, **fields})  # type: ignore[arg-type]


def test_longer_wins_counts_characters_and_halves_even_lengths():
    assert longer_wins(preference(0, "longer", "short")) == 1.0
    assert longer_wins(preference(0, "a b", "abcd")) == 0.0
    assert longer_wins(preference(0, "äöü", "abc")) == 0.5


def test_bag_of_words_learns_the_word_that_gives_the_label_away():
    train = [preference(i, f"Surely {i}", f"Perhaps {i}") for i in range(20)]
    bag = BagOfWords.fit(train)
    assert bag.weights["surely"] > 0.5 > -0.5 > bag.weights["perhaps"]
    assert bag.credit(preference(99, "SURELY so", "perhaps so")) == 1.0
    assert bag.credit(preference(99, "perhaps so", "surely so")) == 0.0
    assert bag.credit(preference(99, "unseen", "words")) == 0.5


def test_bag_of_words_never_reads_the_prompt():
    train = [preference(i, f"Surely {i}", f"Perhaps {i}") for i in range(20)]
    other = [preference(i, f"Surely {i}", f"Perhaps {i}", prompt=user("x" * i)) for i in range(20)]
    assert BagOfWords.fit(train).weights == BagOfWords.fit(other).weights


def test_bag_of_words_is_the_minimum_that_scipy_finds():
    dice = random.Random(4)
    words = ["alpha", "beta", "gamma", "delta", "epsilon"]
    train = [
        preference(
            i,
            " ".join(dice.choices(words, weights=[3, 2, 2, 1, 1], k=dice.randint(1, 9))),
            " ".join(dice.choices(words, k=dice.randint(1, 9))),
        )
        for i in range(60)
    ]
    features = np.array(
        [
            [np.log1p(p.chosen.split().count(w)) - np.log1p(p.rejected.split().count(w))
             for w in words]
            for p in train
        ]
    )  # fmt: skip

    def loss(weights: np.ndarray) -> float:
        return np.logaddexp(0, -features @ weights).sum() + L2 / 2 * (weights**2).sum()

    best = optimize.minimize(loss, np.zeros(5), tol=1e-12).x
    ours = BagOfWords.fit(train).weights
    assert [ours[word] for word in words] == pytest.approx(best, abs=1e-4)


def test_responses_of_the_same_words_teach_nothing():
    assert BagOfWords.fit([preference(0, "a b", "b a")]).weights == {"a": 0.0, "b": 0.0}


def test_bag_of_words_is_the_same_every_time_and_whatever_the_order_of_the_words():
    train = [preference(i, f"yes {i % 7} so", f"no {i % 5} so") for i in range(50)]
    turned = [preference(i, f"so {i % 7} yes", f"{i % 5} so no") for i in range(50)]
    assert BagOfWords.fit(train).weights == BagOfWords.fit(turned).weights


def test_shortcuts_are_fitted_on_train_and_scored_on_test():
    train = [preference(i, "surely", "perhaps indeed") for i in range(10)]
    test = [preference(i, "perhaps not now", "surely") for i in range(10)]
    longer, bag = shortcuts(train, test, num_resamples=50)
    assert (longer.name, longer.accuracy.value, longer.num_pairs) == ("longer wins", 1.0, 10)
    assert (bag.name, bag.accuracy.value) == ("bag of words", 0.0)


def test_ties_are_left_out_of_both_sides():
    train = [preference(0, "surely", "perhaps"), preference(1, "perhaps", "surely", tie=True)]
    test = [preference(2, "surely", "no"), preference(3, "no", "surely", tie=True)]
    longer, bag = shortcuts(train, test, num_resamples=50)
    assert (longer.num_pairs, longer.accuracy.value, bag.accuracy.value) == (1, 1.0, 1.0)


def test_without_training_data_longer_wins_stands_alone():
    (longer,) = shortcuts([], [preference(0, "abc", "ab")], num_resamples=50)
    assert longer.name == "longer wins"


def test_shortcuts_of_nothing_are_refused():
    with pytest.raises(DataError, match="accuracy of nothing"):
        shortcuts([], [preference(0, "a", "b", tie=True)])
    with pytest.raises(DataError, match="no labelled pair"):
        BagOfWords.fit([])


def test_ten_thousand_pairs_are_fitted_in_seconds():
    dice = random.Random(0)
    words = [f"w{int(dice.paretovariate(0.6)) % 30_000}" for _ in range(200_000)]
    train = [
        preference(i, " ".join(dice.choices(words, k=40)), " ".join(dice.choices(words, k=40)))
        for i in range(10_000)
    ]
    started = time.perf_counter()
    bag = BagOfWords.fit(train)
    assert time.perf_counter() - started < 30.0
    assert len(bag.weights) <= 20_000


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared real data are not here")
@pytest.mark.parametrize(
    ("name", "longer", "bag"),
    [("hh_rlhf", 0.52, 0.54), ("evouna", 0.58, 0.63), ("llmbar", 0.27, 0.75)],
)
def test_shortcuts_on_real_preferences_agree_with_the_published_table(
    name: str, longer: float, bag: float
):
    train, test = [], []
    with gzip.open(REAL / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            group = str(row["meta"]["group"])
            held_out = int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) % 10 == 0
            one = Preference(
                id=row["id"],
                prompt=user("never read"),
                chosen=row["chosen"],
                rejected=row["rejected"],
                group=group,
            )
            (test if held_out else train).append(one)
    everything = [longer_wins(one) for one in train + test]
    assert sum(everything) / len(everything) == pytest.approx(longer, abs=0.006)
    # The table's bag of words is another recipe on all folds: the same to within the interval.
    found = shortcuts(train, test)[1].accuracy
    assert found.low - 0.02 <= bag <= found.high + 0.02
