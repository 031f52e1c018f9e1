"""An engine behind any OpenAI-compatible server: vLLM, SGLang, llama.cpp, transformers, vendors."""

import asyncio
import logging
import math
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from jurist.engines.base import (
    Deliver,
    DeliverScores,
    Delivery,
    gathered,
    gathered_scores,
    groups_of,
    num_more,
    sample_seed,
)
from jurist.engines.chat_api import (
    TOP_LOGPROBS,
    Dialect,
    Json,
    completion,
    first_token_logps,
    request_body,
)
from jurist.engines.chat_session import ChatSession
from jurist.engines.connection import Address
from jurist.engines.patience import Clock, Patience
from jurist.errors import ConfigError
from jurist.progress import progress
from jurist.types import Completion, Conversation, Sampling, StoppingRule

_NO_ANSWER = Completion(text="", finish_reason="error")

_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)


class OpenAIEngine:
    """Samples, and scores single tokens, through `POST {base_url}/chat/completions`.

    Every sample is a request of its own with a seed of its own, so it comes out the same whatever
    else is asked, as far as the server keeps to the seed. A sample that cannot be had after all
    retries has finish_reason "error", and the log says how many there were and why.

    `transformers serve` draws concurrent requests from one generator, so give it
    `max_concurrency=1`; and whatever the temperature, it samples only if the model's
    `generation_config.json` says `"do_sample": true`. A server that seems not to sample is warned
    of in the log.

    Most servers paste messages into a chat template and read control tokens in them as the real
    thing, so those are broken up before they are sent (`jurist.formats.neutralised`).

    The fingerprint is the model's name and `revision`, never the host: a server that moves keeps
    its cache. So two servers that mean different weights by one name need different revisions.

    A completion has a `logp` only if asked for (`logprobs`), at temperature 1 and top_p 1, where
    servers agree on what the numbers mean, and if the server lists every token it counted.

    Args:
        base_url: What stands before `/chat/completions`, such as http://127.0.0.1:8000/v1.
        model: The model's name on that server.
        revision: What else tells the weights apart, such as a commit. Goes into the fingerprint.
        api_key_env: Environment variable that holds the key. If it is not set, none is sent.
        max_concurrency: Requests in flight at once; positive.
        patience: Deadlines and retries.
        logprobs: Ask for log-probabilities with every completion. Some servers refuse.
        clock: Time and chance, for waiting.

    Raises:
        ConfigError: If `base_url` is not a plain http or https address, if there is no model name,
            or if what is in `api_key_env` cannot be a key.
        ValueError: If `max_concurrency` is not positive.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        revision: str = "",
        api_key_env: str = "OPENAI_API_KEY",
        max_concurrency: int = 8,
        patience: Patience | None = None,
        logprobs: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency must be at least 1, got {max_concurrency}")
        if not model:
            raise ConfigError(f"{base_url}: no model was named; {base_url}/models lists them")
        _check_key(api_key_env)
        self.model = model
        self.url = _checked(base_url) + "/chat/completions"
        self.fingerprint = f"openai-api:{model}" + (f"@{revision}" if revision else "")
        """The model's name and revision."""

        self._key_name = api_key_env
        self._max_concurrency = max_concurrency
        self._patience = patience or Patience()
        self._logprobs = logprobs
        self._clock = clock or Clock()
        self._dialect = Dialect()
        self._names_seen = {model}

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """Sample replies to each prompt; see `stream`."""
        return gathered(self, prompts, sampling, rule)

    def stream(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None,
        deliver: Deliver,
    ) -> None:
        """Sample replies to each prompt, and deliver each when it is there.

        With a rule, a group's samples are asked for as they are wanted, so that none is paid for in
        vain; those wanted at once go side by side, and so do groups.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The server cannot be reached, refuses the caller, or fails all the time.
            ValueError: The prompts are no whole groups, or the rule wants a negative number.
        """
        groups = groups_of(len(prompts), rule)
        indices = range(sampling.first_index, sampling.first_index + sampling.num_samples)
        variety = _Variety()
        out: _Outbox[Delivery] = _Outbox(deliver)

        async def sample(session: ChatSession, item: int, index: int) -> Completion:
            prompt = prompts[item]
            answer = await session.ask(
                lambda: request_body(
                    self.model,
                    prompt,
                    sampling=sampling,
                    seed=sample_seed(sampling.seed, prompt, index) % 2**31,
                    limit_name=self._dialect.limit_name,
                    top_logprobs=0 if self._logprobs else None,
                ),
                lambda reply: self._completion(reply, sampling),
                lambda: _subject(item, prompt),
            )
            completion = answer or _NO_ANSWER
            variety.note(item, completion)
            await out.put(Delivery(item, index, completion))
            return completion

        async def run() -> None:
            with progress(f"asking {self.model}", len(prompts) * len(indices), "samples") as done:
                # Groups at work, each with several requests, are as many as requests may be.
                turn = asyncio.Semaphore(self._max_concurrency)

                async def one(session: ChatSession, item: int, index: int) -> Completion:
                    async with turn:
                        return await sample(session, item, index)

                async def as_wanted(session: ChatSession, group: range) -> None:
                    have: list[list[Completion]] = [[] for _ in group]
                    while more := num_more(rule, have, len(indices)):
                        due = indices[len(have[0]) :][:more]
                        asked = [(item, index) for index in due for item in group]
                        replies = await _together(one(session, *each) for each in asked)
                        for (item, _), reply in zip(asked, replies, strict=True):
                            have[item - group.start].append(reply)
                    done(len(group) * len(indices))

                async def alone(session: ChatSession, item: int, index: int) -> None:
                    await sample(session, item, index)
                    done(1)

                async with self._session() as session:
                    if rule is None:
                        await session.side_by_side(
                            (lambda item=item, index=index: alone(session, item, index))
                            for item in range(len(prompts))
                            for index in indices
                        )
                    else:
                        await session.side_by_side(
                            (lambda group=group: as_wanted(session, group)) for group in groups
                        )

        _run(run())
        if sampling.temperature > 0.0 and variety.looks_greedy:
            logger.warning(
                "%s: at temperature %g every prompt got the same reply each time; the server seems "
                "not to sample (transformers serve needs do_sample in generation_config.json)",
                self.url,
                sampling.temperature,
            )

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Log-probability of each continuation; see `stream_scores`."""
        return gathered_scores(self, prompts, continuations)

    def stream_scores(
        self,
        prompts: Sequence[Conversation],
        continuations: Sequence[Sequence[str]],
        deliver: DeliverScores,
    ) -> None:
        """Log-probability of each continuation as the first token of the reply to its prompt.

        One request per prompt asks for one token and the 20 likeliest ones in its place. So a
        continuation must be a single token, as verdicts of one letter are. One that is not listed
        gets the least log-probability listed, which is the most it can have. All of a prompt's are
        NaN if the server did not answer.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The server cannot be reached, refuses the caller, fails all the time, tells
                no log-probabilities, or lists none of the continuations.
        """
        wanted = list(zip(prompts, continuations, strict=True))
        out: _Outbox[tuple[int, list[float]]] = _Outbox(deliver)

        async def run() -> None:
            with progress(f"asking {self.model}", len(wanted), "prompts") as done:

                async def job(session: ChatSession, item: int) -> None:
                    prompt, texts = wanted[item]
                    answer = await session.ask(
                        lambda: request_body(
                            self.model,
                            prompt,
                            sampling=Sampling(max_tokens=1),
                            seed=0,
                            limit_name=self._dialect.limit_name,
                            top_logprobs=TOP_LOGPROBS,
                        ),
                        lambda reply: first_token_logps(reply, texts),
                        lambda: _subject(item, prompt),
                    )
                    await out.put((item, [math.nan] * len(texts) if answer is None else answer))
                    done(1)

                async with self._session() as session:
                    await session.side_by_side(
                        (lambda item=item: job(session, item)) for item in range(len(wanted))
                    )

        _run(run())

    def _session(self) -> ChatSession:
        return ChatSession(
            self.url,
            key_name=self._key_name,
            dialect=self._dialect,
            patience=self._patience,
            clock=self._clock,
            max_concurrency=self._max_concurrency,
        )

    def _completion(self, reply: Json, sampling: Sampling) -> Completion:
        name = reply.get("model")
        if isinstance(name, str) and name not in self._names_seen:
            self._names_seen.add(name)
            logger.warning("%s: asked for %r, answered by %r", self.url, self.model, name)
        return completion(
            reply, sampled_plainly=sampling.temperature == 1.0 and sampling.top_p == 1.0
        )


def _checked(base_url: str) -> str:
    """The address without a slash at its end, if it is one that may be asked."""
    address = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and bool(Address.parse(address))
    except ValueError:
        parts, fine = urlsplit(""), False
    if parts.username or parts.password or parts.query or parts.fragment:
        # The address itself is not shown: there may be a secret in it.
        raise ConfigError(
            "base_url may hold no user, password, query or fragment; a key belongs in an "
            "environment variable"
        )
    if not fine or address.endswith("/chat/completions"):
        raise ConfigError(
            f"base_url must be what stands before /chat/completions, such as "
            f"http://127.0.0.1:8000/v1, got {base_url!r}"
        )
    return address


def _check_key(name: str) -> None:
    key = os.environ.get(name, "")
    if not all("!" <= character <= "~" for character in key):
        raise ConfigError(
            f"the environment variable {name} holds white space, line ends or letters beyond "
            f"ASCII, which no key has; set it to the key alone"
        )


class _Variety:
    """Whether a server seems to sample: replies to one prompt should not be all the same."""

    def __init__(self) -> None:
        self._first: dict[int, Completion] = {}
        self._several: set[int] = set()
        self._varied = False

    def note(self, item: int, reply: Completion) -> None:
        """Take one more reply to a prompt into account."""
        first = self._first.setdefault(item, reply)
        if first is not reply:
            self._several.add(item)
            # Replies of a token or two may well be the same by chance.
            long_enough = min(first.num_tokens, reply.num_tokens) > 2
            self._varied |= not long_enough or first.text != reply.text

    @property
    def looks_greedy(self) -> bool:
        """Whether the replies to each of several prompts are all the same."""
        return len(self._several) > 1 and not self._varied


class _Outbox(Generic[_Item]):
    """Delivers what came in at about the same time together, for a delivery has a price."""

    def __init__(self, deliver: Callable[[Sequence[_Item]], None]) -> None:
        self._deliver = deliver
        self._waiting: list[_Item] = []

    async def put(self, item: _Item) -> None:
        """Return when the item has been delivered."""
        self._waiting.append(item)
        # Whoever else was answered in this turn of the loop puts its item in before the next.
        await asyncio.sleep(0)
        if self._waiting:
            together, self._waiting = self._waiting, []
            self._deliver(together)


async def _together(work: Iterable[Coroutine[None, None, _Item]]) -> list[_Item]:
    """What all of it returned. The first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _subject(item: int, prompt: Conversation) -> str:
    size = sum(len(message.content) for message in prompt)
    return f"prompt {item} of the call ({size} characters, beginning {prompt[0].content[:60]!r})"


def _run(work: Coroutine[None, None, None]) -> None:
    """Wait for asynchronous work, from within a running event loop (a notebook) too."""

    def run() -> None:
        # Whatever loop the program has chosen for itself: not each of them knows all that is used.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(work)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        run()
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()
