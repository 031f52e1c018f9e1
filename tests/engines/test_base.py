"""What every engine draws its samples from."""

from jurist.digest import derive_seed
from jurist.engines.base import sample_seed
from jurist.types import Message, user


def test_the_seed_of_a_sample_is_of_run_prompt_and_index():
    prompts = [user("p"), user("q"), (Message(role="system", content="p"), *user("p"))]
    for prompt in 2 * prompts:
        for seed in range(3):
            for index in range(3):
                assert sample_seed(seed, prompt, index) == derive_seed(
                    "sample", seed, prompt, index
                )


def test_a_seed_stays_what_it_was():
    assert sample_seed(0, user("p"), 0) == 3_971_924_378_316_691_877
