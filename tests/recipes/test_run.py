"""Times of a run, and the type that a judge is read in."""

import json

import pytest

from jurist.recipes.run import seconds_spent, stopwatch
from jurist.storage import write_json


def test_a_stage_that_is_found_done_keeps_the_time_it_took(tmp_path):
    write_json(tmp_path / "timings.json", {"train/round-1": 120.5})
    with stopwatch(tmp_path, "train/round-1"):
        pass
    assert json.loads((tmp_path / "timings.json").read_text("utf-8")) == {"train/round-1": 120.5}


def test_a_time_that_is_noted_within_the_block_is_kept_whatever_comes_after(tmp_path):
    def judged_and_killed():
        with stopwatch(tmp_path, "judge/test") as note_time:
            note_time()
            noted.append((tmp_path / "timings.json").read_bytes())
            raise KeyboardInterrupt

    noted: list[bytes] = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            judged_and_killed()
    assert noted[0] == noted[1] == (tmp_path / "timings.json").read_bytes()


def test_stages_within_a_stage_add_up_and_others_do_not_count(tmp_path):
    write_json(tmp_path / "timings.json", {"train/1": 2.0, "train/2": 3.5, "training": 9.0})
    assert seconds_spent(tmp_path, "train") == 5.5
    assert seconds_spent(tmp_path, "judge") is None
    with stopwatch(tmp_path, "judge"):
        pass
    spent = seconds_spent(tmp_path, "judge")
    assert spent is not None and 0 <= spent < 60
