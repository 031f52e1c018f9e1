"""What engines behind a server share: address, key, and answers as they come."""

import asyncio
import math
import os
import re
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from jurist.engines.base import DeliverScores
from jurist.engines.chat_api import Dialect, Json
from jurist.engines.chat_session import ChatSession
from jurist.engines.connection import Address
from jurist.engines.patience import Clock, Patience
from jurist.engines.restraint import Restraint
from jurist.errors import ConfigError
from jurist.progress import progress
from jurist.types import Conversation

_Item = TypeVar("_Item")


class Server:
    """A model on a server, and how it is asked.

    Args:
        base_url: What stands before `path`, such as http://127.0.0.1:8000/v1.
        path: Where requests go there, such as /chat/completions.
        model: The model's name on that server.
        api_key_env: Environment variable that holds the key. If it is not set, none is sent.
        max_concurrency: Requests in flight at once; positive.
        patience: Deadlines and retries.
        clock: Time and chance, for waiting.
        restraint: What is known of how the server copes, where others ask it too; then `patience`
            and `clock` are its own. None: nothing is.

    Raises:
        ConfigError: If `base_url` is not a plain http or https address, if there is no model name,
            or if what is in `api_key_env` cannot be a key.
        ValueError: If `max_concurrency` is not positive.
    """

    def __init__(
        self,
        base_url: str,
        path: str,
        model: str,
        *,
        api_key_env: str,
        max_concurrency: int,
        patience: Patience | None = None,
        clock: Clock | None = None,
        restraint: Restraint | None = None,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency must be at least 1, got {max_concurrency}")
        if not model:
            raise ConfigError(f"{base_url}: no model was named; {base_url}/models lists them")
        _check_key(api_key_env)
        self.model = model
        """The model's name."""

        self.url = _checked(base_url, path) + path
        """Where every request goes."""

        self.max_concurrency = max_concurrency
        """Requests in flight at once."""

        self.dialect = Dialect()
        """What is known of how the server wants to be asked."""

        self._key_name = api_key_env
        self._restraint = restraint or Restraint(patience or Patience(), clock or Clock())

    def session(self) -> ChatSession:
        """The connections of one call of an engine."""
        return ChatSession(
            self.url,
            key_name=self._key_name,
            dialect=self.dialect,
            restraint=self._restraint,
            max_concurrency=self.max_concurrency,
        )

    def stream_scores(
        self,
        prompts: Sequence[Conversation],
        continuations: Sequence[Sequence[str]],
        body: Callable[[Conversation, Sequence[str]], bytes],
        read: Callable[[Json, Sequence[str]], list[float]],
        deliver: DeliverScores,
    ) -> None:
        """Ask one request per prompt for the log-probabilities of its continuations.

        All of a prompt's are NaN if the server did not answer.

        Args:
            prompts: Length N.
            continuations: Of each prompt. Length N.
            body: Makes the request about a prompt and its continuations.
            read: Reads the log-probabilities off the reply, in the continuations' order.
            deliver: Takes them as they come.

        Raises:
            DataError: A prompt does not fit the model's context.
            EngineError: The server cannot be reached, refuses the caller, or fails all the time; or
                `read` says so.
        """
        wanted = list(zip(prompts, continuations, strict=True))
        out: Outbox[tuple[int, list[float]]] = Outbox(deliver)

        async def run() -> None:
            with progress(f"asking {self.model}", len(wanted), "prompts") as done:

                async def job(session: ChatSession, item: int) -> None:
                    prompt, texts = wanted[item]
                    answer = await session.ask(
                        lambda: body(prompt, texts),
                        lambda reply: read(reply, texts),
                        lambda: subject(item, prompt),
                    )
                    await out.put((item, [math.nan] * len(texts) if answer is None else answer))
                    done(1)

                async with self.session() as session:
                    await session.side_by_side(
                        (lambda item=item: job(session, item)) for item in range(len(wanted))
                    )

        run_to_end(run())


class Outbox(Generic[_Item]):
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


def subject(item: int, prompt: Conversation) -> str:
    """What a request is about, for an error."""
    size = sum(len(message.content) for message in prompt)
    return f"prompt {item} of the call ({size} characters, beginning {prompt[0].content[:60]!r})"


def run_to_end(work: Coroutine[None, None, None]) -> None:
    """Wait for asynchronous work to end, from within a running event loop (a notebook) too."""

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


def refuse_secret_in(address: str, *, name: str = "base_url") -> None:
    """Refuse an address with parts in which secrets are put.

    Args:
        address: What is to be kept or shown.
        name: Of the setting that holds it.

    Raises:
        ConfigError: If it has a user, a password, a query or a fragment.
    """
    if re.search(r"[?#]|//[^/]*@", address):
        # The address itself is not shown: there may be a secret in it.
        raise ConfigError(
            f"{name} may hold no user, password, query or fragment; a key belongs in an "
            "environment variable"
        )


def _checked(base_url: str, path: str) -> str:
    """The address without a slash at its end, if it is one that may be asked."""
    refuse_secret_in(base_url)
    address = base_url.strip().rstrip("/")
    try:
        fine = urlsplit(address).scheme in ("http", "https") and bool(Address.parse(address))
    except ValueError:
        fine = False
    if not fine or address.endswith(path):
        raise ConfigError(
            f"base_url must be what stands before {path}, such as http://127.0.0.1:8000/v1, got "
            f"{base_url!r}"
        )
    return address


def _check_key(name: str) -> None:
    key = os.environ.get(name, "")
    if not all("!" <= character <= "~" for character in key):
        raise ConfigError(
            f"the environment variable {name} holds white space, line ends or letters beyond "
            f"ASCII, which no key has; set it to the key alone"
        )
