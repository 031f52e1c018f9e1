import pytest

from jurist.errors import StoreError
from jurist.training.metrics import MetricsLog, read_metrics


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, after_step=0) as log:
        log.write(1, {"train/loss": 0.5})
        log.write(2, {"train/loss": 0.25})
        log.sync()
    assert read_metrics(path) == [
        {"step": 1, "train/loss": 0.5},
        {"step": 2, "train/loss": 0.25},
    ]


def test_lines_after_the_step_that_is_gone_on_from_are_cut(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, after_step=0) as log:
        for step in range(1, 6):
            log.write(step, {"train/loss": 1 / step})
    whole = path.read_bytes()
    with MetricsLog(path, after_step=3) as log:
        for step in (4, 5):
            log.write(step, {"train/loss": 1 / step})
    assert path.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_torn_by_a_kill_is_dropped(tmp_path, cut):
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, after_step=0) as log:
        for step in (1, 2):
            log.write(step, {"train/loss": 0.5})
    path.write_bytes(path.read_bytes()[:-cut])
    assert [line["step"] for line in read_metrics(path)] == [1]
    with MetricsLog(path, after_step=2) as log:
        log.write(3, {"train/loss": 0.5})
    assert [line["step"] for line in read_metrics(path)] == [1, 3]


def test_a_value_that_is_not_finite_is_refused(tmp_path):
    with (
        MetricsLog(tmp_path / "metrics.jsonl", after_step=0) as log,
        pytest.raises(ValueError, match="JSON"),
    ):
        log.write(1, {"train/loss": float("nan")})


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        MetricsLog(tmp_path / "file" / "metrics.jsonl", after_step=0)
