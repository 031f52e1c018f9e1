"""An engine that asks another one for nothing twice, not even after a crash."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from jurist.digest import digest
from jurist.engines.base import (
    Delivery,
    Engine,
    LogprobEngine,
    StreamingEngine,
    groups_of,
    num_at_first,
    num_more,
)
from jurist.engines.store import AnswerStore
from jurist.progress import progress
from jurist.types import Completion, Conversation, Sampling, StoppingRule

CHUNK_SIZE: Final = 500
"""Completions asked for, and then committed, at a time."""

_KEY_VERSION: Final = 1
"""Of what keys are made of. Another would have everything that is stored asked for once more."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One prompt of a call, and its completions so far, by sample index."""

    prompt: Conversation
    name: str
    """Digest of everything a completion's key is made of but the index."""

    found: dict[int, Completion]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Consecutive samples of one prompt that the store lacks."""

    asked: _Asked
    first_index: int
    count: int


_Group = tuple[_Asked, ...]
"""Prompts that a stopping rule is told of together; each by itself without a rule."""


class Cached:
    """Answers from an SQLite file, and asks the engine only for what is not there.

    A completion is kept under the SHA-256 of a version of such keys, the engine's fingerprint, the
    prompt, what matters of the sampling (temperature, top_p, max_tokens, seed) and its own index.
    So 8 samples asked for after 4 cost 4, and equal prompts in one call are asked once. Work goes
    in chunks, each committed when done: a run that is killed loses at most one chunk, and goes on
    where it stood when it is run again, with the same batches as if it had not been killed. Of a
    `StreamingEngine` each completion is committed when it comes, and only those in flight are lost.

    A reply with finish_reason "error" is not kept, for the next run may fare better. A "refused"
    one is kept like any answer: were it asked for again until the model gives in, every resumed
    run would lower the rate of refusals it measures.

    A stopping rule goes to the inner engine, and a chunk is then so many groups as want its size of
    completions at first. Of a group of which some samples are stored, what is wanted is looked up,
    and the rest is asked for in rounds: the answer is the same, whatever the store held before.

    `score` is there, and cached, if the inner engine is a `LogprobEngine`. Use it as a context
    manager, or call `close`; the file is held until then.

    Args:
        engine: The engine to ask.
        path: The SQLite file. It is created if it is not there.
        chunk_size: Completions asked for at a time, of an engine that does not stream; positive.

    Raises:
        ConfigError: Another process holds the file.
        StoreError: The file cannot be used, or (later) cannot be written any more.
        ValueError: If `chunk_size` is not positive.
    """

    def __new__(cls, engine: Engine, path: Path, *, chunk_size: int = CHUNK_SIZE) -> "Cached":
        """Make one with `score` if the inner engine has it, as `pathlib.Path` picks its kind."""
        if cls is Cached and isinstance(engine, LogprobEngine):
            return object.__new__(_CachedLogprobs)
        return object.__new__(cls)

    def __init__(self, engine: Engine, path: Path, *, chunk_size: int = CHUNK_SIZE) -> None:
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
        self._engine = engine
        self._chunk_size = chunk_size
        self.fingerprint = engine.fingerprint
        """The inner engine's."""

        self.hits = 0
        """Completions and scores found in the store."""

        self.misses = 0
        """Completions and scores the inner engine was asked for."""

        self._store = AnswerStore(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """As `Engine.generate`, asking for nothing that is stored.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The model could not be reached.
            StoreError: The completions cannot be stored; those of earlier chunks are.
            ValueError: The prompts are no whole groups, or the rule wants a negative number.
        """
        groups = groups_of(len(prompts), rule)
        asked = {prompt: self._look_up(prompt, sampling) for prompt in dict.fromkeys(prompts)}
        self.hits += sum(len(one.found) for one in asked.values())
        members = [tuple(prompts[item] for item in group) for group in groups]
        left = {names: tuple(asked[prompt] for prompt in names) for names in members}
        num_due: dict[tuple[Conversation, ...], int] = {}
        while left:
            num_due |= {names: _due(group, sampling, rule) for names, group in left.items()}
            left = {
                names: group
                for names, group in left.items()
                if any(_missing(one, sampling, num_due[names]) for one in group)
            }
            self._fill(left, num_due, sampling, rule)
        return [
            _first(asked[prompts[item]], sampling, num_due[names])
            for names, group in zip(members, groups, strict=True)
            for item in group
        ]

    def _look_up(self, prompt: Conversation, sampling: Sampling) -> _Asked:
        name = digest(
            "completion",
            _KEY_VERSION,
            self.fingerprint,
            prompt,
            # An int and a float that are equal have different JSON.
            float(sampling.temperature),
            float(sampling.top_p),
            sampling.max_tokens,
            sampling.seed,
        )
        stored = ((index, self._store.completion(_key(name, index))) for index in _span(sampling))
        return _Asked(prompt, name, {index: row for index, row in stored if row is not None})

    def _fill(
        self,
        groups: Mapping[tuple[Conversation, ...], _Group],
        num_due: Mapping[tuple[Conversation, ...], int],
        sampling: Sampling,
        rule: StoppingRule | None,
    ) -> None:
        """Ask for samples of all groups; of those that share a prompt, of the first."""
        fresh: list[_Group] = []
        gaps: list[_Gap] = []
        taken: set[Conversation] = set()
        for names, group in groups.items():
            if taken.isdisjoint(names):
                taken.update(names)
                if (
                    rule is not None
                    and len(set(names)) == len(names)
                    and not any(one.found for one in group)
                ):
                    fresh.append(group)
                else:
                    for one in {one.name: one for one in group}.values():
                        gaps += _gaps(one, _missing(one, sampling, num_due[names]))
        self._fill_gaps(gaps, sampling)
        if fresh:
            assert rule is not None
            self._fill_groups(fresh, sampling, rule)

    def _fill_gaps(self, gaps: Sequence[_Gap], sampling: Sampling) -> None:
        """Ask for the samples in all gaps, alike ones together, and keep them chunk by chunk."""
        alike: dict[tuple[int, int], list[_Asked]] = {}
        for gap in gaps:
            alike.setdefault((gap.first_index, gap.count), []).append(gap.asked)
        for (first_index, count), asked in alike.items():
            wanted = replace(sampling, first_index=first_index, num_samples=count)
            self._ask_in_chunks([(one,) for one in asked], count, wanted, None)

    def _fill_groups(
        self, groups: Sequence[_Group], sampling: Sampling, rule: StoppingRule
    ) -> None:
        """Have the inner engine ask the rule about groups of which nothing is stored."""
        at_first = num_at_first(rule, sampling.num_samples)
        self._ask_in_chunks(groups, at_first, sampling, rule)
        for group in groups:
            due = _due(group, sampling, rule)
            if any(_missing(one, sampling, due) for one in group):
                raise ValueError(
                    f"{self.fingerprint}: the engine gave {[len(one.found) for one in group]} "
                    f"completions where the stopping rule wanted {due} of each prompt"
                )

    def _ask_in_chunks(
        self, groups: Sequence[_Group], weight: int, wanted: Sampling, rule: StoppingRule | None
    ) -> None:
        """Ask for samples of groups whose prompts weigh so many completions each."""
        engine = self._engine
        if isinstance(engine, StreamingEngine):
            self._receive(engine, [one for group in groups for one in group], wanted, rule)
            return
        chunks = _chunks(groups, lambda group: weight * len(group), self._chunk_size)
        with progress("sampling", sum(map(len, groups)), "prompts") as advance:
            for chunk in chunks:
                asked = [one for group in chunk for one in group]
                self._ask(asked, wanted, rule)
                advance(len(asked))

    def _ask(self, asked: Sequence[_Asked], wanted: Sampling, rule: StoppingRule | None) -> None:
        lists = self._engine.generate([one.prompt for one in asked], wanted, rule)
        least = wanted.num_samples if rule is None else 0
        if len(lists) != len(asked) or not all(
            least <= len(replies) <= wanted.num_samples for replies in lists
        ):
            raise ValueError(
                f"{self.fingerprint}: the engine was asked for {wanted.num_samples} completions of "
                f"each of {len(asked)} prompts and gave {[len(replies) for replies in lists]}; an "
                f"engine gives one list per prompt, in it one completion per sample"
            )
        keep: list[tuple[bytes, Completion]] = []
        for one, replies in zip(asked, lists, strict=True):
            for index, reply in enumerate(replies, wanted.first_index):
                one.found[index] = reply
                if reply.finish_reason != "error":
                    keep.append((_key(one.name, index), reply))
        self._store.keep_completions(keep)
        self.misses += sum(map(len, lists))

    def _receive(
        self,
        engine: StreamingEngine,
        asked: Sequence[_Asked],
        wanted: Sampling,
        rule: StoppingRule | None,
    ) -> None:
        """Keep what a streaming engine delivers, delivery by delivery."""

        def deliver(deliveries: Sequence[Delivery]) -> None:
            self._store.keep_completions(
                (_key(asked[item].name, index), completion)
                for item, index, completion in deliveries
                if completion.finish_reason != "error"
            )
            for item, index, completion in deliveries:
                asked[item].found[index] = completion
            self.misses += len(deliveries)

        engine.stream([one.prompt for one in asked], wanted, rule, deliver)
        if rule is None and any(_missing(one, wanted, wanted.num_samples) for one in asked):
            raise ValueError(
                f"{self.fingerprint}: the engine was asked for {wanted.num_samples} "
                f"completions of each of {len(asked)} prompts and did not deliver them all"
            )


class _CachedLogprobs(Cached):
    """`Cached` of an engine that tells log-probabilities."""

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """As `LogprobEngine.score`, asking for nothing that is stored. NaN is not stored.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The model could not be reached, or does not tell log-probabilities.
            StoreError: The scores cannot be stored; those of earlier chunks are.
        """
        wanted: dict[Conversation, dict[str, bytes]] = {}
        for prompt, texts in zip(prompts, continuations, strict=True):
            wanted.setdefault(prompt, {}).update(
                (text, self._score_key(prompt, text)) for text in texts
            )
        logps: dict[bytes, float] = {}
        missing: list[tuple[Conversation, dict[str, bytes]]] = []
        for prompt, keys in wanted.items():
            stored = {key: self._store.score(key) for key in keys.values()}
            logps.update((key, logp) for key, logp in stored.items() if logp is not None)
            if gaps := {text: key for text, key in keys.items() if key not in logps}:
                missing.append((prompt, gaps))
        self.hits += len(logps)
        self._fill_scores(missing, logps)
        if lacking := sum(key not in logps for _, gaps in missing for key in gaps.values()):
            raise ValueError(
                f"{self.fingerprint}: the engine was asked for the scores of "
                f"{sum(len(gaps) for _, gaps in missing)} continuations and did not deliver "
                f"{lacking} of them"
            )
        return [
            [logps[wanted[prompt][text]] for text in texts]
            for prompt, texts in zip(prompts, continuations, strict=True)
        ]

    def _score_key(self, prompt: Conversation, text: str) -> bytes:
        return bytes.fromhex(digest("score", _KEY_VERSION, self.fingerprint, prompt, text))

    def _fill_scores(
        self, missing: list[tuple[Conversation, dict[str, bytes]]], logps: dict[bytes, float]
    ) -> None:
        engine = self._engine
        assert isinstance(engine, LogprobEngine)
        if not missing:
            return
        if isinstance(engine, StreamingEngine):
            self._receive_scores(engine, missing, logps)
            return
        total = sum(len(gaps) for _, gaps in missing)
        with progress("scoring", total, "continuations") as advance:
            for chunk in _chunks(missing, lambda item: len(item[1]), self._chunk_size):
                told = engine.score([prompt for prompt, _ in chunk], [[*gaps] for _, gaps in chunk])
                fresh = {
                    key: logp
                    for (_, gaps), row in zip(chunk, told, strict=True)
                    for key, logp in zip(gaps.values(), row, strict=True)
                }
                self._store.keep_scores(
                    (key, logp) for key, logp in fresh.items() if not math.isnan(logp)
                )
                logps.update(fresh)
                self.misses += len(fresh)
                advance(len(fresh))

    def _receive_scores(
        self,
        engine: StreamingEngine,
        missing: list[tuple[Conversation, dict[str, bytes]]],
        logps: dict[bytes, float],
    ) -> None:
        """Keep what a streaming engine delivers, delivery by delivery."""

        def deliver(scored: Sequence[tuple[int, list[float]]]) -> None:
            fresh = {
                key: logp
                for item, row in scored
                for key, logp in zip(missing[item][1].values(), row, strict=True)
            }
            self._store.keep_scores(
                (key, logp) for key, logp in fresh.items() if not math.isnan(logp)
            )
            logps.update(fresh)
            self.misses += len(fresh)

        prompts = [prompt for prompt, _ in missing]
        engine.stream_scores(prompts, [[*gaps] for _, gaps in missing], deliver)


def _key(name: str, index: int) -> bytes:
    return bytes.fromhex(digest(name, index))


def _span(sampling: Sampling) -> range:
    return range(sampling.first_index, sampling.first_index + sampling.num_samples)


def _first(asked: _Asked, sampling: Sampling, count: int) -> list[Completion]:
    """The first samples that were asked for. They must be there."""
    return [asked.found[index] for index in _span(sampling)[:count]]


def _missing(asked: _Asked, sampling: Sampling, count: int) -> list[int]:
    """Indices of the first samples that were asked for, of those that are not there."""
    return [index for index in _span(sampling)[:count] if index not in asked.found]


def _due(group: _Group, sampling: Sampling, rule: StoppingRule | None) -> int:
    """How many samples of each prompt are wanted, by all that is there."""
    due = 0
    while not any(_missing(one, sampling, due) for one in group):
        samples = [_first(one, sampling, due) for one in group]
        more = num_more(rule, samples, sampling.num_samples)
        if not more:
            break
        due += more
    return due


def _gaps(asked: _Asked, missing: Sequence[int]) -> Iterator[_Gap]:
    """Samples that are missing, cut into runs of consecutive ones."""
    while missing:
        first = missing[0]
        count = next(
            (place for place, index in enumerate(missing) if index != first + place), len(missing)
        )
        yield _Gap(asked, first, count)
        missing = missing[count:]


def _chunks(items: Iterable[_T], weight: Callable[[_T], int], limit: int) -> Iterator[list[_T]]:
    """Split into runs that weigh at most `limit` each, or hold one item that alone weighs more."""
    chunk: list[_T] = []
    total = 0
    for item in items:
        if chunk and total + weight(item) > limit:
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += weight(item)
    if chunk:
        yield chunk
