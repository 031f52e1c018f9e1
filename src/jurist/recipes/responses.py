"""Responses to prompts, sampled from a policy and kept as pools of candidates.

RUN/
  pools.jsonl       prompts with two or more different responses, as `jurist select` reads them
  unpaired.jsonl    prompts without, and what became of their responses
  responses.json    the counts and the cost
"""

import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jurist.data import Candidate, Pool
from jurist.data.objects import read_object
from jurist.data.pools import pool_row
from jurist.data.prompts import Prompt
from jurist.digest import canonical, digest
from jurist.engines.base import Engine
from jurist.errors import ConfigError, DataError, StoreError
from jurist.progress import progress
from jurist.recipes.estimate import token_counter
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_engine import ProcessesConfig
from jurist.recipes.open_judge import open_writer
from jurist.recipes.run import stopwatch
from jurist.storage import replacing, write_json
from jurist.types import Completion, Sampling

logger = logging.getLogger(__name__)

PART_PROMPTS = 250
"""Prompts replied to at a time."""

_NUM_MEASURED = 200

FATES = ("cut", "empty", "failed", "repeated")
"""What becomes of responses that are no candidates: they ran into the limit, say nothing, were
refused or lost (or hold half of a surrogate pair, as no file can), or have the text of another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyConfig:
    """A model that responds to prompts."""

    policy: str = ""
    """Checkpoint, hub id, or the name of a served model (--policy-url), that responds to
    --prompts. It runs as the judge does: --bf16, --workers, --max-concurrency."""

    policy_url: str = ""
    """Address of an OpenAI-compatible server that has the policy, such as
    http://127.0.0.1:8000/v1. The key is read from the environment variable OPENAI_API_KEY."""

    num_responses: int = 4
    """Responses sampled to each prompt. Different ones that came to an end are candidates."""

    response_temperature: float = 1.0
    """Temperature of the responses."""

    response_top_p: float = 1.0
    """Top-p of the responses."""

    max_response_tokens: int = 512
    """Longest response, in tokens. One that is cut is no candidate, and is counted."""

    def __post_init__(self) -> None:
        if self.num_responses < 2:
            raise ConfigError(
                f"--num-responses must be at least 2, to have two to compare; got "
                f"{self.num_responses}"
            )
        if self.policy_url and not self.policy:
            raise ConfigError("--policy-url needs --policy, the name of a model served there")
        if self.response_temperature == 0:
            raise ConfigError(
                "--response-temperature must be positive: at 0 all responses to a prompt are one"
            )
        self.sampling(seed=0)

    def sampling(self, *, seed: int) -> Sampling:
        """The engine's settings."""
        try:
            return Sampling(
                num_samples=self.num_responses,
                temperature=self.response_temperature,
                top_p=self.response_top_p,
                max_tokens=self.max_response_tokens,
                seed=seed,
            )
        except ValueError as error:
            name, _, rest = str(error).partition(" ")
            flags = {
                "temperature": "--response-temperature",
                "top_p": "--response-top-p",
                "max_tokens": "--max-response-tokens",
            }
            raise ConfigError(f"{flags.get(name, name)} {rest}") from None

    def as_judge(self, judge: JudgeConfig) -> JudgeConfig:
        """The policy as a model to be opened like the judge's."""
        return JudgeConfig(
            model=self.policy,
            base_url=self.policy_url,
            max_concurrency=judge.max_concurrency,
            bf16=judge.bf16,
            patience=judge.patience,
            processes=ProcessesConfig() if self.policy_url else judge.processes,
            engine="transformers" if self.policy_url else judge.engine,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSurvey:
    """What there is to respond to, found by reading all of it once."""

    num_prompts: int
    digest: str
    sample: list[Prompt]
    """The first of them, for an estimate."""


def surveyed_prompts(prompts: Iterable[Prompt]) -> PromptSurvey:
    """Read all prompts once.

    Raises:
        DataError: If one is bad.
    """
    number = 0
    name = hashlib.sha256()
    sample: list[Prompt] = []
    for prompt in prompts:
        number += 1
        name.update(bytes.fromhex(digest(prompt)))
        if number <= _NUM_MEASURED:
            sample.append(prompt)
    return PromptSurvey(num_prompts=number, digest=name.hexdigest(), sample=sample)


def sample_responses(
    config: PolicyConfig,
    judge: JudgeConfig,
    prompts: Iterable[Prompt],
    *,
    survey: PromptSurvey,
    run: Path,
    seed: int,
) -> None:
    """Sample responses to prompts, and keep those with different ones as pools.

    Args:
        config: Who responds, and how.
        judge: Whose settings say how a model runs here.
        prompts: What to respond to.
        survey: What reading them once has shown.
        run: Directory of the run. What is there is not sampled again.
        seed: Of sampling.

    Raises:
        ConfigError: If there is no such policy.
        DataError: If a prompt does not fit the policy.
    """
    total = survey.num_prompts
    logger.info(
        "estimate: %s responses to each of %s prompts, at most %s tokens to write and about %s to "
        "read",
        config.num_responses,
        f"{total:,}",
        f"{total * config.num_responses * config.max_response_tokens:,}",
        f"{_tokens_to_read(config, survey):,}",
    )
    counts = Counter[str]()
    with (
        stopwatch(run, "responses"),
        open_writer(config.as_judge(judge), store=run / "completions.sqlite") as engine,
        replacing(run / "unpaired.jsonl") as unpaired,
        replacing(run / "pools.jsonl") as pools,
        progress("responding", total, "prompts") as done,
    ):
        left = iter(prompts)
        while part := list(islice(left, PART_PROMPTS)):
            for prompt, replies in zip(
                part, _replies(config, engine, part, seed=seed), strict=True
            ):
                pool, fates = _pool(prompt, replies, model=config.policy)
                counts.update(fates)
                counts["read"] += sum(one.num_prompt_tokens for one in replies)
                counts["written"] += sum(one.num_tokens for one in replies)
                if len(pool.candidates) > 1:
                    counts["pools"] += 1
                    pools.write(f"{json.dumps(pool_row(pool), ensure_ascii=False)}\n".encode())
                else:
                    row = {"id": prompt.id, "candidates": len(pool.candidates)}
                    row |= {name: fates[name] for name in FATES}
                    unpaired.write(f"{canonical(row)}\n".encode())
            done(len(part))
    found = {
        "prompts": total,
        "digest": survey.digest,
        "responses": total * config.num_responses,
        **{name: counts[name] for name in (*FATES, "candidates", "pools", "read", "written")},
    }
    write_json(run / "responses.json", found)
    logger.info(
        "responses: %s candidates of %s responses (%s); %s of %s prompts have two or more",
        f"{counts['candidates']:,}",
        f"{found['responses']:,}",
        ", ".join(f"{counts[name]:,} {name}" for name in FATES),
        f"{counts['pools']:,}",
        f"{total:,}",
    )


def responses_counted(run: Path) -> dict[str, Any] | None:
    """What `sample_responses` counted when it was done; None if it was not.

    Raises:
        StoreError: If the file is damaged.
    """
    path = run / "responses.json"
    try:
        return read_object(path)
    except FileNotFoundError:
        return None
    except DataError as error:
        raise StoreError(f"{path}: damaged ({error}); delete it and run again") from error


def refuse_other_prompts(run: Path, config: PolicyConfig, survey: PromptSurvey) -> None:
    """Refuse to go on with responses to other prompts, or where none has two different ones.

    Raises:
        ConfigError: If the prompts are others now.
        DataError: If there is nothing to compare, with what became of the responses.
    """
    found = responses_counted(run) or {}
    if found.get("digest") != survey.digest:
        raise ConfigError(
            f"{run / 'pools.jsonl'}: responses to other prompts than --prompts holds now; give "
            f"another --output, or the prompts as they were"
        )
    if not found["pools"]:
        fates = ", ".join(f"{found[name]:,} {name}" for name in FATES)
        raise DataError(
            f"{config.policy}: no prompt has two different responses that came to an end; of "
            f"{found['responses']:,} responses {fates}; allow longer ones with "
            f"--max-response-tokens, more with --num-responses, or raise --response-temperature"
        )


def _tokens_to_read(config: PolicyConfig, survey: PromptSurvey) -> int:
    """Tokens that the policy will read, by the mean of the sample: a prompt for every response."""
    count = token_counter(config.policy, served=bool(config.policy_url))
    mean = sum(count(one.prompt) for one in survey.sample) / max(len(survey.sample), 1)
    return math.ceil(mean * survey.num_prompts * config.num_responses)


def _replies(
    config: PolicyConfig, engine: Engine, part: Sequence[Prompt], *, seed: int
) -> list[list[Completion]]:
    return engine.generate([one.prompt for one in part], config.sampling(seed=seed))


def _pool(
    prompt: Prompt, replies: Sequence[Completion], *, model: str
) -> tuple[Pool, Counter[str]]:
    """The different responses that came to an end and say something, and the fates of all."""
    texts: list[str] = []
    fates = Counter[str]()
    for reply in replies:
        fate = _fate(reply)
        if fate is None and reply.text in texts:
            fate = "repeated"
        if fate is None:
            texts.append(reply.text)
        fates[fate or "candidates"] += 1
    pool = Pool(
        id=prompt.id,
        prompt=prompt.prompt,
        candidates=tuple(Candidate(text=text, model=model) for text in texts),
        answer=prompt.answer,
        source=prompt.source,
        category=prompt.category,
        group=prompt.group,
    )
    return pool, fates


def _fate(reply: Completion) -> str | None:
    if reply.finish_reason == "length":
        return "cut"
    if reply.finish_reason != "stop":
        return "failed"
    if not reply.text.strip():
        return "empty"
    try:
        reply.text.encode("utf-8")
    except UnicodeEncodeError:
        return "failed"
    return None
