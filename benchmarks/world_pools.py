"""Pools of the chains world for `jurist select`: responses of the base that ships, checked exactly.

python -m benchmarks.world_pools --output runs/world-pools
jurist select --model JUDGE --pools runs/world-pools/*.jsonl --output runs/selected
"""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.policy_world import gold_reward, questions, sample_responses
from jurist.storage import write_text
from jurist.worlds import BASE, SPLITS, read_question, work


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldPoolsConfig:
    """Which pools to write."""

    output: Path = Path("runs/world-pools")
    """Folder for a file of each split."""

    num_pools: int = 60
    """Test questions of each split."""

    num_candidates: int = 12
    """Responses to each."""

    seed: int = 5


def main() -> None:
    """Write them."""
    config = tyro.cli(WorldPoolsConfig)
    for split in SPLITS:
        asked = questions(split, "test", config.num_pools, seed=config.seed)
        sampled = sample_responses(
            str(BASE), asked, num_samples=config.num_candidates, seed=config.seed
        )
        rows = [
            {
                "id": question.id,
                "source": "chains",
                "prompt": question.prompt[-1].content,
                "answer": str(work(read_question(question.group)).final),
                "candidates": [
                    {"text": text, "correct": bool(gold_reward(question, text))} for text in texts
                ],
            }
            for question, texts in zip(asked, sampled, strict=True)
        ]
        path = config.output / f"{split}.jsonl"
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
        print(path)


if __name__ == "__main__":
    main()
