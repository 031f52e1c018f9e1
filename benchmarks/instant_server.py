"""A chat server that answers at once: what is left is the cost of asking.

    python -m benchmarks.instant_server PORT

It speaks as much HTTP/1.1 as a client that keeps its connections needs. A reply depends on the
request's bytes alone. `GET /counts` says how many requests there were, and how many were unlike.
Port 0 takes one that is free; the port is printed on standard output.
"""

import asyncio
import json
import sys
import zlib

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _reply(verdict: str) -> bytes:
    message = {"role": "assistant", "content": f"Both are read, and compared.\n[[{verdict}]]"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 300, "completion_tokens": 12}
    content = json.dumps({"model": "instant", "choices": [choice], "usage": usage}).encode()
    return HEAD % len(content) + content


REPLIES = (_reply("A"), _reply("B"))


class Instant(asyncio.Protocol):
    """One connection."""

    asked: dict[int, int] = {}  # noqa: RUF012 - shared by all connections
    """How often each body was sent, by its hash."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            place = head.find(b"content-length:")
            length = 0 if place < 0 else int(head[place + 15 :].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(self.received) < whole:
                return
            body, self.received = self.received[end + 4 : whole], self.received[whole:]
            self.transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"get"):
            counts = {"requests": sum(self.asked.values()), "unlike": len(self.asked)}
            content = json.dumps(counts).encode()
            return HEAD % len(content) + content
        name = hash(body)
        self.asked[name] = self.asked.get(name, 0) + 1
        return REPLIES[zlib.crc32(body) & 1]


async def serve(port: int) -> None:
    """Answer until the process ends."""
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
