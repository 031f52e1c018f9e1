"""Many ways of speaking HTTP badly, byte by byte, and what an item becomes that meets one.

Wherever it can, a bad reply holds the text of a whole good one, with a verdict in it: whoever reads
more into it than is there comes to a verdict.
"""

import asyncio
import gzip
import json
import re
import resource
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from jurist.engines.cached import Cached
from jurist.engines.openai import OpenAIEngine
from jurist.engines.patience import Patience
from jurist.engines.transport import MAX_REPLY_BYTES
from jurist.errors import DataError, EngineError, JuristError
from jurist.formats.direct import Direct
from jurist.formats.pairwise import Pairwise
from jurist.judges import Ballot, BothOrders, DirectJudge, ballots
from jurist.judges.pairwise import PairwiseJudge
from jurist.types import Comparison, Failure, Judgement, Sampling, Verdict, user

Write = Callable[[asyncio.StreamWriter], Awaitable[None]]

VERDICT = "The first one adds up.\n[[A]]"
"""What the bad replies would say, and no good one does."""

REFUSED = pytest.mark.fault(12, "400 413 422")
STOPS = pytest.mark.fault(12, "401 403 404")
BUSY = pytest.mark.fault(11, "429")
WHEN = pytest.mark.fault(11, "Retry-After")
BROKEN = pytest.mark.fault(11, "5xx")
AGAIN = pytest.mark.fault(11, "408 and 409")
RESET = pytest.mark.fault(13, "reset")
CLOSED = pytest.mark.fault(13, "closed early")
SLOW = pytest.mark.fault(13, "slow reply")
ENDLESS = pytest.mark.fault(13, "endless body")
HUGE = pytest.mark.fault(13, "huge body")
LENGTH = pytest.mark.fault(13, "wrong length")
GZIP = pytest.mark.fault(13, "gzip bomb")
NOT_HTTP = pytest.mark.fault(13, "not HTTP")
NO_REPLY = pytest.mark.fault(14, "not a reply")
NO_CONTENT = pytest.mark.fault(14, "no content")
CHOICES = pytest.mark.fault(14, "not one choice")
CUT = pytest.mark.fault(14, "cut off or refused")


@dataclass(frozen=True)
class Bad:
    """One bad reply."""

    mark: pytest.MarkDecorator
    reply: "bytes | Write"
    becomes: Failure | type[Exception] = Failure.ERROR
    """What an item is that is answered so every time; an error if the run stops."""

    again: bool = True
    """Whether it is asked again."""

    text: str = ""
    """What is kept of the reply."""

    slow: bool = False
    """Nothing but a deadline ends it."""

    wordless: bool = False
    """Nothing of a reply comes. A connection that was used before may have been closed as the
    request went out, so that over such a one it does not count."""

    @property
    def requests(self) -> int:
        """How often it is met by an item that may be asked again once."""
        stops = not isinstance(self.becomes, Failure)
        return 1 if stops or not self.again else 2 + self.wordless


def write(*parts: bytes, pause: float = 0.0, reset: bool = False, stay: float = 0.0) -> Write:
    """Write parts with a pause after each; then close the connection, in peace or by a reset."""

    async def writing(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        await asyncio.sleep(stay)
        if reset:
            # What is on its way gets there first.
            await asyncio.sleep(0.05)
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        writer.close()

    return writing


def endless(head: bytes, part: bytes, *, pause: float = 0.0) -> Write:
    """A reply that goes on for as long as anyone reads it."""

    async def writing(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return writing


def reply(content: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """A reply that is whole, with other lines in its head."""
    named = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(content)}"]
    return "\r\n".join([*named, "", ""]).encode("latin-1") + content


def said(value: object) -> bytes:
    return reply(json.dumps(value).encode())


def chat(content: object = VERDICT, finish: object = "stop", **message: object) -> dict:
    """A completion as servers write it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    return {"model": "m", "choices": [{**choice, "finish_reason": finish}]}


OK = b"HTTP/1.1 200 OK\r\n"
BODY = json.dumps(chat()).encode()
GOOD = reply(BODY)
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
STAY = 60.0
LAST = b"0\r\n\r\n"
SURE = "<think>\nSurely:\n[[A]]"


def length(value: str, content: bytes = BODY) -> bytes:
    return OK + f"Content-Length: {value}\r\n\r\n".encode() + content


def headed(line: bytes) -> bytes:
    """A good reply with one header more."""
    return GOOD.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)


def zipped(how: str, content: bytes) -> bytes:
    return reply(content, f"Content-Encoding: {how}")


def status(line: str, *lines: str, message: str = VERDICT) -> bytes:
    return reply(json.dumps({"error": {"message": message}}).encode(), *lines, status=line)


NETWORK = {
    "closed before a word": Bad(CLOSED, write(), wordless=True),
    "closed within the status line": Bad(CLOSED, write(b"HTTP/1.1 20")),
    "closed within the headers": Bad(CLOSED, write(OK + b"Content-Le")),
    "closed within the body": Bad(CLOSED, write(length("99999"))),
    "closed within a chunk": Bad(CLOSED, write(CHUNKED + b"fff\r\n" + BODY)),
    "closed before the last chunk": Bad(CLOSED, write(CHUNKED + CHUNK)),
    "closed within the last chunk": Bad(CLOSED, write(CHUNKED + CHUNK + b"0\r\n")),
    "reset before a word": Bad(RESET, write(reset=True), wordless=True),
    "reset within the body": Bad(RESET, write(length("99999"), reset=True)),
    "reset after a body of no known length": Bad(RESET, write(OK + b"\r\n" + BODY, reset=True)),
    "reset before the last chunk": Bad(RESET, write(CHUNKED + CHUNK, reset=True)),
    "not a word": Bad(SLOW, write(stay=STAY), slow=True),
    "silence within the headers": Bad(SLOW, write(GOOD[:30], stay=STAY), slow=True),
    "silence after the headers": Bad(SLOW, write(length("999", b""), stay=STAY), slow=True),
    "silence within the body": Bad(SLOW, write(length("99999"), stay=STAY), slow=True),
    "silence before the last chunk": Bad(SLOW, write(CHUNKED + CHUNK, stay=STAY), slow=True),
    "a byte at a time": Bad(
        SLOW, endless(length("99999"), b" ", pause=0.1), slow=True
    ),
    "a byte of headers at a time": Bad(
        SLOW, endless(OK + b"X: ", b"x", pause=0.1), slow=True
    ),
    "endless small chunks": Bad(
        ENDLESS, endless(CHUNKED, b"1\r\n \r\n", pause=0.1), slow=True
    ),
    "endless chunks": Bad(
        ENDLESS, endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"), again=False
    ),
    "endless interim replies": Bad(ENDLESS, endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "endless headers": Bad(ENDLESS, endless(OK, b"X-More: and more\r\n")),
    "one endless header": Bad(ENDLESS, endless(OK + b"X: ", b"x" * 4096)),
    "endless trailers": Bad(ENDLESS, endless(CHUNKED + CHUNK + b"0\r\n", b"X-More: and more\r\n")),
    "an endless size of a chunk": Bad(ENDLESS, endless(CHUNKED, b"0" * 4096)),
    "a gigabyte, announced": Bad(HUGE, endless(length(str(2**30)), b" " * 2**16), again=False),
    "a gigabyte of no known length": Bad(HUGE, endless(OK + b"\r\n", b" " * 2**16), again=False),
    "a megabyte of headers": Bad(HUGE, headed(b"X: " + b"x" * 2**20)),
    "a hundred thousand headers": Bad(HUGE, headed(b"\r\n".join([b"X: x"] * 100_000))),
    "a length that is too long": Bad(
        LENGTH, write(length(str(len(BODY) + 1)), stay=STAY), slow=True
    ),
    "a length that is too short": Bad(LENGTH, length(str(len(BODY) - 1))),
    "a length of nothing": Bad(LENGTH, length("0")),
    "a length below nothing": Bad(LENGTH, length("-5")),
    "a length that is no number": Bad(LENGTH, length("many")),
    "a length of 5000 digits": Bad(LENGTH, length("9" * 5000)),
    "two lengths": Bad(LENGTH, length(f"{len(BODY)}\r\nContent-Length: 2")),
    "a chunk that is longer than it says": Bad(LENGTH, CHUNKED + b"5\r\n" + BODY + LAST),
    "a chunk below nothing": Bad(LENGTH, CHUNKED + b"-5\r\n" + BODY + b"\r\n" + LAST),
    "a chunk of no size": Bad(LENGTH, CHUNKED + b"zz\r\n" + BODY + b"\r\n" + LAST),
    "gzip": Bad(GZIP, zipped("gzip", gzip.compress(BODY)), again=False),
    "deflate": Bad(GZIP, zipped("deflate", zlib.compress(BODY)), again=False),
    "a gzip bomb": Bad(GZIP, zipped("gzip", gzip.compress(b" " * 2**26)), again=False),
    "plain text that is called gzip": Bad(GZIP, zipped("gzip", BODY), again=False),
    "a transfer in gzip": Bad(GZIP, CHUNKED.replace(b"chunk", b"gzip, chunk") + CHUNK + LAST),
    "another protocol": Bad(NOT_HTTP, write(b"SSH-2.0-OpenSSH_9.2\r\n")),
    "HTTP/0.9": Bad(NOT_HTTP, write(BODY)),
    "HTTP/2": Bad(NOT_HTTP, write(b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff")),
    "TLS": Bad(NOT_HTTP, write(b"\x15\x03\x01\0\x02\x02\x46")),
    "a status that is no number": Bad(NOT_HTTP, GOOD.replace(b"200", b"two")),
    "a status of four digits": Bad(NOT_HTTP, GOOD.replace(b"200", b"2000")),
    "another version": Bad(NOT_HTTP, GOOD.replace(b"HTTP/1.1", b"HTTP/x.1")),
    "a change of protocol": Bad(NOT_HTTP, b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n" + GOOD),
    "a header without a colon": Bad(NOT_HTTP, headed(b"no colon")),
    "a header without a name": Bad(NOT_HTTP, headed(b": nameless")),
    "a space before the colon": Bad(NOT_HTTP, headed(b"Name : value")),
    "a NUL in a header": Bad(NOT_HTTP, headed(b"X: a\0b")),
    "a bare carriage return": Bad(NOT_HTTP, headed(b"X: a\rb")),
}  # fmt: skip
"""The connection breaks, or what comes is not HTTP."""

REPLIES = {
    "empty": Bad(NO_REPLY, reply(b"")),
    "a page": Bad(NO_REPLY, reply(f"<html>{VERDICT}</html>".encode(), "Content-Type: text/html")),
    "plain text": Bad(NO_REPLY, reply(VERDICT.encode())),
    "a stream of events": Bad(NO_REPLY, reply(b"data: " + BODY + b"\n\ndata: [DONE]\n\n")),
    "JSON that is cut": Bad(NO_REPLY, reply(BODY[:-1])),
    "JSON and more": Bad(NO_REPLY, reply(BODY + BODY)),
    "a list": Bad(NO_REPLY, reply(b"[" + BODY + b"]")),
    "a text": Bad(NO_REPLY, said(VERDICT)),
    "null": Bad(NO_REPLY, said(None)),
    "deep JSON": Bad(NO_REPLY, reply(b"[" * 100_000)),
    "a number of 5000 digits": Bad(NO_REPLY, reply(BODY[:-1] + b', "n": ' + b"9" * 5000 + b"}")),
    "not UTF-8": Bad(NO_REPLY, reply(BODY.replace(b"adds", b"\xff\xfe"))),
    "an error in a 200": Bad(NO_REPLY, said({"error": {"message": VERDICT}})),
    "a reply behind a bad one": Bad(NO_REPLY, reply(b"{}") + GOOD),
    "no content at all": Bad(NO_REPLY, reply(BODY, status="204 No Content"), again=False),
    "part of the content": Bad(NO_REPLY, reply(BODY, status="206 Partial Content"), again=False),
    "no choices": Bad(CHOICES, said({"model": "m", "text": VERDICT})),
    "an empty list of choices": Bad(CHOICES, said({"choices": []})),
    "choices of another kind": Bad(CHOICES, said({"choices": VERDICT})),
    "a choice that is null": Bad(CHOICES, said({"choices": [None]})),
    "one choice twice": Bad(CHOICES, said({"choices": 2 * chat()["choices"]})),
    "a choice that was not asked for": Bad(
        CHOICES, said({"choices": chat()["choices"] + chat("[[B]]")["choices"]})
    ),
    "no message": Bad(
        NO_CONTENT, said({"choices": [{"text": VERDICT, "finish_reason": "stop"}]})
    ),
    "a message of another kind": Bad(
        NO_CONTENT, said({"choices": [{"message": VERDICT, "finish_reason": "stop"}]})
    ),
    "content of another kind": Bad(NO_CONTENT, said(chat({"text": VERDICT}))),
    "parts of another kind": Bad(NO_CONTENT, said(chat([VERDICT]))),
    "content null": Bad(NO_CONTENT, said(chat(None)), Failure.UNPARSEABLE, again=False),
    "no text among the parts": Bad(
        NO_CONTENT,
        said(chat([{"type": "image", "text": VERDICT}])),
        Failure.UNPARSEABLE,
        again=False,
    ),
    "a call of a tool": Bad(
        NO_CONTENT, said(chat(None, "tool_calls", tool_calls=[VERDICT])), again=False
    ),
    "reasoning alone": Bad(
        NO_CONTENT,
        said(chat(None, reasoning_content="Surely:\n[[A]]")),
        Failure.UNPARSEABLE,
        again=False,
        text=SURE + "\n</think>\n\n",
    ),
    "reasoning that is cut": Bad(
        CUT,
        said(chat(None, "length", reasoning="Surely:\n[[A]]")),
        Failure.TRUNCATED,
        again=False,
        text=SURE,
    ),
    "cut off": Bad(
        CUT, said(chat(VERDICT, "length")), Failure.TRUNCATED, again=False, text=VERDICT
    ),
    "filtered": Bad(
        CUT, said(chat(VERDICT, "content_filter")), Failure.REFUSED, again=False, text=VERDICT
    ),
    "a refusal": Bad(
        CUT, said(chat(None, "stop", refusal=VERDICT)), Failure.REFUSED, again=False, text=VERDICT
    ),
    "an end of no known kind": Bad(CUT, said(chat(VERDICT, "tired")), again=False, text=VERDICT),
    "an end that is null": Bad(CUT, said(chat(VERDICT, None)), again=False, text=VERDICT),
    "an end that is a number": Bad(CUT, said(chat(VERDICT, 1)), again=False, text=VERDICT),
    "a verdict and another": Bad(
        CUT,
        said(chat(VERDICT + "\n[[A]] or [[B]]")),
        Failure.UNPARSEABLE,
        again=False,
        text=VERDICT + "\n[[A]] or [[B]]",
    ),
}  # fmt: skip
"""HTTP that holds no answer."""

STATUSES = {
    **{f"{code}": Bad(REFUSED, status(f"{code} Said"), again=False)
       for code in (400, 413, 418, 422)},
    **{f"{code}": Bad(AGAIN, status(f"{code} Said")) for code in (408, 409, 425)},
    **{f"{code}": Bad(BROKEN, status(f"{code} Said"))
       for code in (500, 502, 503, 504, 529, 599)},
    "429": Bad(BUSY, status("429 Said")),
    **{
        f"{code}, come back at {when or 'nothing'}": Bad(
            WHEN, status(f"{code} Said", f"Retry-After: {when}")
        )
        for code in (429, 503)
        for when in ("7", "0", "-3", "1e99", "nan", "soon", "", "Mon, 12 Jan 1970 13:46:52 GMT",
                     "Mon, 12 Jan 70 13:46:52 +9999", "9" * 400)
    },
    **{
        f"{code}": Bad(STOPS, status(f"{code} Said"), EngineError)
        for code in (401, 402, 403, 404, 501)
    },
    **{
        f"{code}, a redirect": Bad(
            STOPS, status(f"{code} Said", "Location: /v1/chat/completions"), EngineError
        )
        for code in (301, 302, 303, 307, 308)
    },
    "a redirect to nowhere": Bad(STOPS, status("307 Said"), EngineError),
    "no money": Bad(STOPS, status("429 Said", message="insufficient_quota"), EngineError),
    "too long a prompt": Bad(
        REFUSED, status("400 Said", message="maximum context length is 9"), DataError
    ),
}  # fmt: skip
"""HTTP that says no."""

SCRIPTS = NETWORK | REPLIES | STATUSES

ODD = {
    "one that says things before": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + GOOD,
    "a header over two lines": headed(b"X: a\r\n b"),
    "another model's name": said({**chat(), "model": "another"}),
    "chunks with more to them": CHUNKED
    + CHUNK.replace(b"\r\n", b";x=y\r\n", 1)
    + b"0\r\nX-Trailer: x\r\n\r\n",
    "HTTP/1.0": GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "numbers that are none": reply(BODY[:-1] + b', "usage": NaN, "x": -Infinity}'),
    "a byte order mark": reply(b"\xef\xbb\xbf" + BODY),
    "half a pair of surrogates": reply(BODY.replace(b"adds", rb"\ud800")),
    "parts": said(chat([{"type": "text", "text": VERDICT}])),
    "usage that cannot be": said(
        {**chat(), "usage": {"completion_tokens": -1, "prompt_tokens": 1e9}}
    ),
}
"""Replies that are odd and yet answers."""


OTHERS = reply(json.dumps(chat("The second one adds up.\n[[B]]")).encode())
PATIENCE = Patience(attempt_seconds=20.0, silence_seconds=10.0, max_retries=1)
HASTY = Patience(attempt_seconds=2.0, silence_seconds=0.7, max_retries=1)


def comparison(name: str) -> Comparison:
    return Comparison(prompt=user(f"<{name}>"), first="one", second="two")


@dataclass(frozen=True)
class Met:
    """What came of three comparisons, the second of which met a bad reply."""

    judged: list[Judgement]
    error: JuristError | None
    requests: int
    """How often the second was asked."""

    seconds: float


@dataclass(frozen=True)
class Meeting:
    """Has a judge meet a bad reply: every time, or once."""

    serve: Callable
    clock: object

    def __call__(self, bad: Bad, *, once: bool) -> Met:
        asked: Counter[bool] = Counter()

        def script(request):
            poisoned = "<poisoned>" in request.body["messages"][0]["content"]
            asked[poisoned] += 1
            return bad.reply if poisoned and (asked[True] == 1 or not once) else OTHERS

        patience = HASTY if bad.slow else PATIENCE
        engine = OpenAIEngine(
            self.serve(script).url, "m", patience=patience, clock=self.clock, max_concurrency=1
        )
        judge = PairwiseJudge(engine, format=Pairwise(), sampling=Sampling())
        judged: list[Judgement] = []
        error = None
        began = time.monotonic()
        try:
            asked_of = [comparison(name) for name in ("before", "poisoned", "after")]
            judged = [reading for (reading,) in judge(asked_of)]
        except JuristError as stopped:
            error = stopped
        return Met(judged, error, asked[True], time.monotonic() - began)


@pytest.fixture(scope="module")
def meetings(module_loopback, make_waits):
    """Every script met every time, and once: all side by side, for some take their time."""
    meet = Meeting(module_loopback.serve, make_waits().clock)
    wanted = {(name, once): bad for name, bad in SCRIPTS.items() for once in (False, True)}
    with ThreadPoolExecutor(6) as threads:
        # Those that take longest begin first.
        order = sorted(wanted, key=lambda key: not wanted[key].slow)
        found = {key: threads.submit(meet, wanted[key], once=key[1]) for key in order}
        return {key: met.result() for key, met in found.items()}


def named(*tables: dict[str, Bad]):
    return pytest.mark.parametrize(
        "name",
        [pytest.param(name, marks=bad.mark) for table in tables for name, bad in table.items()],
    )


@named(SCRIPTS)
def test_what_an_item_becomes_and_that_the_others_are_judged(meetings, name):
    bad, met = SCRIPTS[name], meetings[name, False]
    assert met.requests == bad.requests
    # What is wrong is seen when it is there, and not when a deadline has passed.
    assert met.seconds < PATIENCE.attempt_seconds
    if not isinstance(bad.becomes, Failure):
        assert type(met.error) is bad.becomes
        return
    before, poisoned, after = met.judged
    assert poisoned == Judgement(text=bad.text, outcome=bad.becomes)
    assert before.outcome is after.outcome is Verdict.SECOND


@named(SCRIPTS)
def test_one_that_was_bad_once_is_judged_if_it_is_asked_again(meetings, name):
    bad, met = SCRIPTS[name], meetings[name, True]
    outcomes = [judgement.outcome for judgement in met.judged]
    if not isinstance(bad.becomes, Failure):
        assert type(met.error) is bad.becomes
    elif bad.again:
        assert outcomes == [Verdict.SECOND] * 3
        assert met.requests == 2
    else:
        assert outcomes == [Verdict.SECOND, bad.becomes, Verdict.SECOND]
        assert met.requests == 1


@pytest.mark.fault(14, "not a reply", "not one choice", "no content", "cut off or refused")
def test_no_verdict_comes_of_any_of_them_and_run_again_the_rest_is_judged(
    module_loopback, make_waits, tmp_path, figure
):
    bad = {
        name: one
        for name, one in SCRIPTS.items()
        if isinstance(one.becomes, Failure) and not one.slow
    }
    healed = False

    def script(request):
        asked = request.body["messages"][0]["content"]
        name = re.search("<(.*?)>", asked)[1]
        if name in bad and not healed:
            return bad[name].reply
        first = asked.index("zebra") < asked.index("quagga")
        return reply(json.dumps(chat(f"So it is.\n[[{'A' if first else 'B'}]]")).encode())

    asked = [
        Comparison(prompt=user(f"<{name}>"), first="zebra", second="quagga")
        for every in bad
        for name in (f"before {every}", every)
    ]
    patience = replace(PATIENCE, retry_share=3.0)
    url = module_loopback.serve(script).url

    def run() -> list[Ballot]:
        engine = OpenAIEngine(
            url, "m", patience=patience, clock=make_waits().clock, max_concurrency=1
        )
        with Cached(engine, tmp_path / "store.sqlite") as cached:
            judge = PairwiseJudge(cached, format=Pairwise(), sampling=Sampling())
            return ballots(BothOrders(judge), asked)

    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = run()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began) / 1024
    healed = True
    second = run()
    for one, before, after in zip(asked, first, second, strict=True):
        name = one.prompt[0].content[1:-1]
        if name not in bad:
            assert before.outcome is Verdict.FIRST and before.probability > 0.5, name
            continue
        becomes = bad[name].becomes
        assert (before.outcome, before.probability) == (becomes, None), name
        assert {reading.text for reading in before.judgements} == {bad[name].text}, name
        # What the server did not say itself is not kept, and so is asked for again.
        assert after.outcome == (Verdict.FIRST if becomes is Failure.ERROR else becomes), name
    # Of each not more than the cap is held at a time.
    assert grown < 8 * MAX_REPLY_BYTES / 2**20
    figure("bad_http_scripts", len(SCRIPTS) + len(ODD))


@pytest.mark.fault(14, "not a reply")
def test_json_that_is_just_not_too_deep_to_be_read_is_none_either(module_loopback, make_waits):
    depths = range(800, 1000)

    def script(request):
        depth = int(re.search("<depth (.*?)>", request.body["messages"][0]["content"])[1])
        return reply(b'{"a":' * depth + b"1" + b"}" * depth) if depth else OTHERS

    patience = Patience(max_retries=0)
    engine = OpenAIEngine(
        module_loopback.serve(script).url,
        "m",
        patience=patience,
        clock=make_waits().clock,
        max_concurrency=1,
    )
    asked = [comparison(f"depth {each}") for depth in depths for each in (depth, 0)]
    judged = PairwiseJudge(engine, format=Pairwise(), sampling=Sampling())(asked)
    outcomes = [one.outcome for (one,) in judged]
    assert outcomes == [Failure.ERROR, Verdict.SECOND] * len(depths)


def weighing(*logps: tuple[object, object]) -> bytes:
    """A reply that tells how likely its first token's alternatives are."""
    tokens = [{"token": token, "logprob": logp} for token, logp in logps]
    choice = {**chat("[[A]]")["choices"][0], "logprobs": {"content": [{"top_logprobs": tokens}]}}
    return said({"choices": [choice]})


@pytest.mark.fault(14, "no log-probabilities")
@pytest.mark.parametrize(
    "reply",
    [
        weighing(("A", -0.1), ("B", None)),
        weighing(("A", float("nan")), ("B", -0.1)),
        weighing(("A", -0.1), ("B", 0.5)),
        weighing(("A", -(10**400)), ("B", -0.1)),
        weighing(("A", "-0.1"), ("B", -0.1)),
        weighing(("A", True), ("B", -0.1)),
        weighing(("A", float("-inf")), ("B", float("-inf"))),
        said({"choices": [{**chat("A")["choices"][0], "logprobs": "many"}]}),
        said(chat(None, "length")).replace(b"choices", b"chances"),
    ],
    ids=["null", "nan", "above 0", "huge", "text", "true", "nothing likely", "of another kind",
         "no choices"],
)  # fmt: skip
def test_likelihoods_that_cannot_be_are_no_verdict(module_loopback, make_waits, reply):
    def script(request):
        poisoned = "<poisoned>" in request.body["messages"][0]["content"]
        return reply if poisoned else weighing(("A", -2.0), ("B", -0.1))

    engine = OpenAIEngine(
        module_loopback.serve(script).url, "m", patience=PATIENCE, clock=make_waits().clock
    )
    asked = [comparison(name) for name in ("before", "poisoned", "after")]
    before, poisoned, after = (one for (one,) in DirectJudge(engine, format=Direct())(asked))
    assert poisoned == Judgement(text="", outcome=Failure.ERROR)
    assert before.outcome is after.outcome is Verdict.SECOND


@pytest.mark.fault(14, "no log-probabilities")
@pytest.mark.parametrize("told", [None, {"content": None}, {"content": []}, {}], ids=str)
def test_a_server_that_tells_no_likelihoods_stops_the_run(module_loopback, make_waits, told):
    reply = said({"choices": [{**chat("A")["choices"][0], "logprobs": told}]})
    url = module_loopback.serve(lambda _: reply).url
    engine = OpenAIEngine(url, "m", patience=PATIENCE, clock=make_waits().clock)
    with pytest.raises(EngineError, match="tells no log-probabilities"):
        DirectJudge(engine, format=Direct())([comparison("any")])


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_and_whole_is_an_answer(module_loopback, make_waits, name):
    meet = Meeting(module_loopback.serve, make_waits().clock)
    met = meet(Bad(NO_REPLY, ODD[name]), once=False)
    assert [one.outcome for one in met.judged] == [Verdict.SECOND, Verdict.FIRST, Verdict.SECOND]
    assert met.requests == 1
