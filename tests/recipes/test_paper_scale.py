from dataclasses import replace

import pytest

from jurist.recipes.paper_scale import H100, LLAMA_8B, PAPER, Job, Shape, estimate, plan_text

ONE = Job(
    num_pairs=1,
    rounds=1,
    num_samples=4,
    rows_per_prompt=1,
    epochs=1,
    prompt_tokens=100,
    trace_tokens=10,
    num_test_pairs=1,
    votes=2,
)
TINY = Shape(name="tiny", num_parameters=1e6, num_layers=2, num_kv_heads=2, head_width=8)


def test_work_is_counted_as_by_hand():
    found = estimate(ONE, TINY, H100, 1)
    # Two orders of four traces of ten tokens; a prompt once and two replies a row.
    assert found.sampled_tokens == 2 * 4 * 10
    assert found.trained_tokens == 2 * 100 + 2 * 2 * 10
    # Six operations a parameter and token, and two for the reference, at 21 % of 989e12 a second.
    assert found.training_hours == pytest.approx(8 * 240 * 1e6 / (989e12 * 0.21) / 3600)
    assert found.training_bytes_per_device == 18e6
    # 2 x 2 layers x 2 heads x 8 wide x 2 bytes.
    assert TINY.kv_bytes_per_token == 128


def test_devices_share_the_work_and_the_memory():
    one, eight = (estimate(PAPER, LLAMA_8B, H100, number) for number in (1, 8))
    assert one.training_hours == pytest.approx(8 * eight.training_hours)
    assert one.sampling_hours == pytest.approx(8 * eight.sampling_hours)
    assert one.training_bytes_per_device == pytest.approx(8 * eight.training_bytes_per_device)


def test_more_epochs_train_longer_and_sample_no_more():
    one = estimate(replace(PAPER, epochs=1), LLAMA_8B, H100, 8)
    three = estimate(PAPER, LLAMA_8B, H100, 8)
    # Thrice forward and backward; the reference is read once either way.
    assert three.training_hours == pytest.approx(one.training_hours * (18 + 2) / (6 + 2))
    assert three.sampling_hours == one.sampling_hours


def test_the_plan_says_what_was_not_measured():
    text = plan_text()
    assert "Nothing was run" in text
    assert "61,135" in text
    assert "order of magnitude" in text
    assert "accelerate launch" in text
