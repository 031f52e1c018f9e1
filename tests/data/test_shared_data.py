"""The real preferences that may lie beside the checkout are read without one bad row."""

from pathlib import Path

import pytest

from jurist.data import read_preferences, split_tenth

SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs ../shared/data, real data that the project does not hold"
)


@pytest.mark.parametrize("folder", ["preferences", "ties"])
def test_every_real_file_is_read_without_a_bad_row(folder: str):
    read = read_preferences(SHARED / folder)
    assert len(read.files) == len(list((SHARED / folder).iterdir()))
    assert len(read.preferences) == read.num_rows  # no row rejected, none given twice
    assert {file.layout for file in read.files} == {"jurist"}
    assert {one.tie for one in read.preferences} == {folder == "ties"}


def test_real_numbers_of_rows_and_of_the_published_test_part():
    read = read_preferences(SHARED / "preferences" / "hh_rlhf.jsonl.gz")
    assert len(read.preferences) == 8488
    made = split_tenth(read.preferences, validation=0.1, seed=0)
    assert 0.08 < len(made.test) / 8488 < 0.12
    assert not {one.group for one in made.test} & {one.group for one in made.train}
