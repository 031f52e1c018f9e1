"""What goes over the wire to an OpenAI-compatible server, and how its replies are read.

Pure functions. Nothing here knows of connections, and nothing trusts what a server sent.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, cast

from jurist.errors import EngineError
from jurist.formats.control import neutralised
from jurist.types import Completion, Conversation, FinishReason, Sampling, told

Json: TypeAlias = Mapping[str, object]

TOP_LOGPROBS: Final = 20
"""Tokens whose log-probability is asked for; the most that common servers tell."""

_FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "refused",
    "refusal": "refused",
}
_CONTEXT_WORDS: Final = (
    "context_length",
    "context length",
    "context window",
    "context size",
    "maximum context",
    "max_model_len",
    "maximum model length",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "too many tokens",
    "exceeds the model",
)

_ROUNDING: Final = 1e-6

# Half a surrogate pair cannot be UTF-8, but it can be escaped.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False)


@dataclass(slots=True)
class Dialect:
    """What is known of how a server wants to be asked."""

    limit_name: str = "max_tokens"
    """What it calls the limit on tokens. Newer models of some vendors want another name."""

    def learn(self, said: str, body: bytes) -> bool:
        """Take in what a server said in refusing a request; True if it is worth asking again."""
        if "max_completion_tokens" not in said or b'"max_tokens":' not in body:
            return False
        self.limit_name = "max_completion_tokens"
        return True


class MalformedReply(Exception):
    """A reply with status 200 that holds no completion. The message says what is wrong with it."""


def request_body(
    model: str,
    prompt: Conversation,
    *,
    sampling: Sampling,
    seed: int,
    limit_name: str,
    top_logprobs: int | None = None,
) -> bytes:
    """The JSON of one request for one completion.

    Args:
        model: Name the server knows the model by.
        prompt: What to reply to. Control tokens written out in it are broken up, for most servers
            would read them as the real thing.
        sampling: How to sample.
        seed: This sample's own.
        limit_name: What the server calls the limit on tokens.
        top_logprobs: Ask for the log-probabilities of the tokens, and of so many alternatives to
            each. None asks for none.
    """
    settings: dict[str, object] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        limit_name: sampling.max_tokens,
        "seed": seed,
        "stream": False,
    }
    if top_logprobs is not None:
        settings["logprobs"] = True
        if top_logprobs:
            settings["top_logprobs"] = top_logprobs
    begin = f'{{"model": {_ENCODER.encode(model)}, "messages": {_messages(prompt)}, '
    return (begin + _ENCODER.encode(settings)[1:]).encode("ascii")


# The samples of a prompt are asked for one after the other, and most of the work is to write it.
@lru_cache(maxsize=64)
def _messages(prompt: Conversation) -> str:
    return _ENCODER.encode(
        [
            {"role": message.role, "content": neutralised(message.content)}
            for message in told(prompt)
        ]
    )


def parse_object(content: bytes) -> Json:
    """Read the body of a reply.

    Raises:
        MalformedReply: If it is not a JSON object.
    """
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        start = content[:60].decode("utf-8", "replace")
        raise MalformedReply(f"the reply is not JSON, it begins {start!r}") from error
    return _object(parsed, "the reply")


def completion(reply: Json, *, sampled_plainly: bool) -> Completion:
    """Read the completion out of a reply.

    Reasoning that the server took out of the text is put back before it as `<think>...</think>`. A
    finish_reason that is not known makes the completion an "error", with its text kept.

    Args:
        reply: The parsed body.
        sampled_plainly: The request said temperature 1 and top_p 1, so that log-probabilities mean
            the same whether a server takes them before its sampling settings or after.

    Raises:
        MalformedReply: If there is no completion in it.
    """
    choice = _choice(reply)
    message = _object(choice.get("message"), "choices[0].message")
    told = choice.get("finish_reason")
    finish_reason = _FINISH_REASONS.get(told, "error") if isinstance(told, str) else "error"
    content = _content(message.get("content"))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        content, finish_reason = content or refusal, "refused"
    num_tokens = _count(reply, "completion_tokens")
    return Completion(
        text=_with_reasoning(message, content, cut=finish_reason == "length"),
        finish_reason=finish_reason,
        num_tokens=num_tokens,
        num_prompt_tokens=_count(reply, "prompt_tokens"),
        logp=_summed_logp(choice, num_tokens) if sampled_plainly else None,
    )


def first_token_logps(reply: Json, continuations: Sequence[str]) -> list[float]:
    """Log-probability of each continuation as the first token of a reply.

    A server lists the likeliest tokens only. A continuation that it does not list gets the least
    log-probability it does list, which is the most it can have: the order of the continuations is
    then still right, and the error is at most that small probability.

    Raises:
        EngineError: If the server told none, if no continuation is listed, or if one may be longer
            than a token, so that its first token does not say how likely it is.
        MalformedReply: If there is no completion in the reply.
    """
    content = _object(_choice(reply).get("logprobs") or {}, "choices[0].logprobs").get("content")
    first = _object(content[0], "a token") if isinstance(content, list) and content else {}
    listed: dict[str, float] = {}
    alternatives = first.get("top_logprobs")
    for alternative in alternatives if isinstance(alternatives, list) else []:
        entry = _object(alternative, "an alternative token")
        token, logp = entry.get("token"), entry.get("logprob")
        if not isinstance(token, str):
            continue
        if (number := _logp(logp)) is not None:
            # Two tokens may be written alike.
            listed[token] = _log_sum(listed.get(token, -math.inf), number)
        elif token in continuations:
            raise MalformedReply(f"the log-probability of {token!r} is none: {logp!r:.40}")
    if not listed:
        raise EngineError(
            "the server tells no log-probabilities of alternative tokens (top_logprobs), which "
            "scoring needs; use a format with reasoning, or a server that tells them"
        )
    missing = [text for text in continuations if text not in listed]
    longer = [text for text in missing if any(t and text.startswith(t) for t in listed)]
    if longer or len(missing) == len(continuations) > 0:
        raise EngineError(
            f"cannot score {longer or missing} behind this server: each must be one token, and be "
            f"among the {len(listed)} likeliest ones to begin the reply, which are {list(listed)}; "
            f"use a format with reasoning, or another model"
        )
    least = min(listed.values())
    return [listed.get(text, least) for text in continuations]


def error_message(content: bytes) -> str:
    """What a server says went wrong: the message in the usual places, or the body's beginning."""
    text = content.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _printable(text)
    for name in ("error", "detail", "message"):
        while isinstance(found, dict) and name in found:
            found = cast(dict[str, object], found)[name]
    return _printable(found if isinstance(found, str) else json.dumps(found))


def finite(value: object) -> float | None:
    """A number of a reply, if it is one and finite.

    Example:
        >>> finite(2), finite(True), finite(float("nan")), finite(10**400)
        (2.0, None, None, None)
    """
    number = _number(value)
    return number if number is not None and math.isfinite(number) else None


def about_context(message: str) -> bool:
    """Whether a refusal is about a prompt that does not fit the model's context."""
    lowered = message.lower()
    return any(words in lowered for words in _CONTEXT_WORDS)


def _choice(reply: Json) -> Json:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        said = error_message(json.dumps(dict(reply)).encode())
        raise MalformedReply(f"the reply has no choices; it says {said!r}")
    found = cast(list[object], choices)
    if len(found) > 1:
        # Which of them is the answer, nobody said.
        raise MalformedReply(f"the reply has {len(found)} choices, one was asked for")
    return _object(found[0], "choices[0]")


def _object(value: object, name: str) -> Json:
    if not isinstance(value, dict):
        raise MalformedReply(f"{name} is {type(value).__name__}, expected a JSON object")
    return cast(Json, value)


def _content(content: object) -> str:
    """The text of a message: none, a string, or a list of parts of which the text counts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise MalformedReply(f"message.content is {type(content).__name__}, expected a string")
    parts = [_object(part, "a part of message.content") for part in cast(list[object], content)]
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _with_reasoning(message: Json, content: str, *, cut: bool) -> str:
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    if not isinstance(reasoning, str):
        return content
    if cut and not content:
        return f"<think>\n{reasoning}"
    return f"<think>\n{reasoning}\n</think>\n\n{content}"


def _count(reply: Json, name: str) -> int:
    usage = reply.get("usage")
    count = cast(Json, usage).get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and 0 <= count < 2**31 else 0


def _summed_logp(choice: Json, num_tokens: int) -> float | None:
    """The tokens' log-probabilities summed, if the server lists every token it counted."""
    logprobs = choice.get("logprobs")
    content = cast(Json, logprobs).get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list) or not content or len(content) != num_tokens:
        return None
    logps = [_object(token, "a token").get("logprob") for token in cast(list[object], content)]
    numbers = [number for logp in logps if (number := _logp(logp)) is not None]
    told_all = len(numbers) == len(logps) and all(map(math.isfinite, numbers))
    return math.fsum(numbers) if told_all else None


def _logp(value: object) -> float | None:
    """A log-probability that a server told, if it can be one."""
    number = _number(value)
    return min(number, 0.0) if number is not None and number <= _ROUNDING else None


def _number(value: object) -> float | None:
    """A number of a reply, if it is one, and one that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _log_sum(one: float, other: float) -> float:
    high = max(one, other)
    return high if high == -math.inf else high + math.log1p(math.exp(min(one, other) - high))


def _printable(text: str) -> str:
    """The beginning of a server's text, without what could play tricks on a terminal."""
    shown = "".join(c if c.isprintable() else " " for c in text[:2000])
    shown = " ".join(shown.split())
    return shown if len(shown) <= 400 else shown[:400] + "..."
