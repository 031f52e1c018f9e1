"""A client that means harm, in a process of its own, until it is killed.

    python attacker.py KIND PORT NUM

What came back is printed as a line of JSON, again and again: how often which status, or "closed".
"""

import asyncio
import json
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

HEAD = b"POST /v1/judge HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
BODY = b'{"comparisons": [{"prompt": "Q", "first": "aa", "second": "b"}]}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
MIB = 2**20

came_back: Counter[str] = Counter()


async def ended(reader: asyncio.StreamReader) -> None:
    """Note what the server says last."""
    line = await reader.readline()
    came_back[line.split()[1].decode() if line else "closed"] += 1
    while await reader.read(65536):
        pass


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await ended(reader)
    await asyncio.sleep(5.0)


async def slow_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of a head now and then."""
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    listening = asyncio.ensure_future(ended(reader))
    while not listening.done():
        writer.write(b"x")
        await asyncio.sleep(0.5)


async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of a body now and then."""
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    listening = asyncio.ensure_future(ended(reader))
    while not listening.done():
        writer.write(b" ")
        await asyncio.sleep(0.5)


async def long_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """200 MB, in pieces and of no stated length."""
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    listening = asyncio.ensure_future(ended(reader))
    for _ in range(200):
        if listening.done():
            break
        writer.write(b"100000\r\n" + b" " * MIB + b"\r\n")
        await writer.drain()
    await listening
    await asyncio.sleep(0.2)


def posting(body: bytes, pause: float) -> Callable[..., Awaitable[None]]:
    """Post the same again and again."""

    async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await ended(reader)
        await asyncio.sleep(pause)

    return post


async def disconnect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask, and hang up before the answer."""
    writer.write(WHOLE)
    await writer.drain()
    writer.transport.abort()
    came_back["hung up"] += 1
    await asyncio.sleep(0.1)


async def pipelined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A thousand requests in a row."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n" * 1000)
    await ended(reader)
    await asyncio.sleep(0.2)


KINDS: dict[str, Callable[..., Awaitable[None]]] = {
    "idle": idle,
    "slow-head": slow_head,
    "slow-body": slow_body,
    "long-body": long_body,
    "deep-json": posting(b'{"comparisons": ' + b"[" * MIB, 0.2),
    "wide-json": posting(b'{"comparisons": [' + b"[]," * 300_000 + b"1]}", 0.2),
    "many-texts": posting(b'{"comparisons": ["' + b'","' * 300_000 + b'"]}', 0.2),
    "many-objects": posting(
        b'{"comparisons": [' + b'{"prompt": "Q", "first": "a"},' * 4000 + b"1]}", 0.2
    ),
    "disconnect": disconnect,
    "pipelined": pipelined,
}


async def again_and_again(kind: str, port: int) -> None:
    """One connection after the other."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            came_back["refused"] += 1
            await asyncio.sleep(0.5)
            continue
        try:
            await KINDS[kind](reader, writer)
        except OSError:
            came_back["reset"] += 1
        finally:
            writer.transport.abort()


async def main() -> None:
    """Attack until killed."""
    kind, port, num = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, num + 500)), hard))
    attacks = []
    for number in range(num):
        attacks.append(asyncio.ensure_future(again_and_again(kind, port)))
        if number % 100 == 99:
            await asyncio.sleep(0.01)
    print(json.dumps({"begun": num}), flush=True)
    while True:
        await asyncio.sleep(0.25)
        print(json.dumps(came_back), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
