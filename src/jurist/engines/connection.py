"""One connection to an HTTP/1.1 server: bytes out, a whole reply in, on h11 and asyncio alone.

General clients spend half a millisecond of processor time on a request, five times what the
protocol itself takes (`benchmarks/http_100k.py` measures both). What they would add is not wanted
here: no redirects, no proxies of the environment, no compression, no cookies.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import h11
import truststore

MAX_REPLY_BYTES: Final = 16 * 2**20
"""Longest reply that is read; the connection is closed on a longer one."""

_ENDED: Final = "the server closed the connection before the reply was whole"


class Unreachable(Exception):
    """No connection could be made. The message says why."""


class BrokenOff(Exception):
    """The connection ended, or stopped making sense, before the reply was whole."""


class Unreadable(Exception):
    """A reply that is not wanted, however often it comes: too long, or compressed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where requests go."""

    secure: bool
    """Over TLS."""

    host: str
    port: int
    target: str
    """Path on the server, percent-encoded."""

    @classmethod
    def of(cls, url: str) -> "Address":
        """Take an http or https address apart.

        Raises:
            ValueError: If it is not one, or has a space or a control character in it.
        """
        if not url.isprintable() or " " in url:
            raise ValueError(f"an address holds no spaces or control characters, got {url!r}")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError(f"not an http or https address: {url!r}")
        secure = parts.scheme == "https"
        return cls(
            secure=secure,
            host=parts.hostname.encode("idna").decode("ascii"),
            port=parts.port or (443 if secure else 80),
            target=quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._"),
        )

    @property
    def shown_host(self) -> str:
        """What the header `Host` says (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A whole reply."""

    status: int
    headers: dict[str, str]
    """By name in lower case; of a header given twice, the first."""

    content: bytes


class Connection(asyncio.Protocol):
    """Sends one request at a time, and is kept open between them. Not for use by two tasks at once.

    Args:
        address: The server.
        headers: Sent with every request, besides `Host` and `Content-Length`.
        connect_seconds: Until the connection stands, TLS included.
        silence_seconds: Between two parts of a reply that has begun.
        tls: How to check the server's certificate; needed if the address is secure.
    """

    def __init__(
        self,
        address: Address,
        headers: Sequence[tuple[str, str]],
        *,
        connect_seconds: float,
        silence_seconds: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._address = address
        self._headers = [("Host", address.shown_host), *headers]
        self._connect_seconds = connect_seconds
        self._silence_seconds = silence_seconds
        self._tls = tls
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._parser = h11.Connection(h11.CLIENT)
        self._response: h11.Response | None = None
        self._content = bytearray()

    async def post(self, body: bytes) -> Reply:
        """Send a body, wait for the whole reply.

        Raises:
            Unreachable: There is no connection and none could be made.
            BrokenOff: It ended before the reply was whole, or fell silent for too long within it.
            Unreadable: The reply is too long, or compressed.
        """
        try:
            transport = self._transport or await self._connect()
            self._reply = asyncio.get_running_loop().create_future()
            request = h11.Request(
                method="POST",
                target=self._address.target,
                headers=[*self._headers, ("Content-Length", str(len(body)))],
            )
            parts = (request, h11.Data(data=body), h11.EndOfMessage())
            transport.write(b"".join(self._parser.send(part) or b"" for part in parts))
            return await self._reply
        except BaseException:
            # Cut short, it may yet hold parts of a reply that nobody waits for.
            self.close()
            raise
        finally:
            self._reply = None

    def close(self) -> None:
        """Close it at once. The next request makes another."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _connect(self) -> asyncio.Transport:
        self._parser = h11.Connection(h11.CLIENT)
        self._response = None
        self._content.clear()
        try:
            async with asyncio.timeout(self._connect_seconds):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: self,
                    self._address.host,
                    self._address.port,
                    ssl=self._tls if self._address.secure else None,
                    happy_eyeballs_delay=0.25,
                )
        except TimeoutError as error:
            raise Unreachable(f"no connection within {self._connect_seconds:g} s") from error
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        self._transport = transport
        return transport

    def data_received(self, data: bytes) -> None:
        """Take what arrived; see `asyncio.Protocol`."""
        if self._reply is None:
            # A server that speaks unasked: whatever it says would be taken for the next reply.
            self.close()
            return
        self._parse(data)

    def eof_received(self) -> bool:
        """Take the end of what arrives; it may be what ends a reply."""
        if self._reply is not None and not self._reply.done():
            self._parse(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._transport = None
        self._fail(BrokenOff(f"{_ENDED} ({type(exc).__name__}: {exc})" if exc else _ENDED))

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.receive_data(data)
            while True:
                event = self._parser.next_event()
                if isinstance(event, h11.Response):
                    self._begin(event)
                elif isinstance(event, h11.Data):
                    self._content += event.data
                    if len(self._content) > MAX_REPLY_BYTES:
                        raise Unreadable(f"the reply is longer than {MAX_REPLY_BYTES} bytes")
                elif isinstance(event, h11.EndOfMessage):
                    self._end()
                    return
                elif not isinstance(event, h11.InformationalResponse):
                    break
        except h11.RemoteProtocolError as error:
            self._fail(BrokenOff(f"not what HTTP allows: {error}" if data else _ENDED))
        except Unreadable as error:
            self._fail(error)
        else:
            self._wait_for_more()

    def _begin(self, response: h11.Response) -> None:
        self._response = response
        encoding = _named(response, b"content-encoding")
        if encoding.lower() not in ("", "identity"):
            raise Unreadable(f"the reply is compressed ({encoding}) though none was asked for")

    def _end(self) -> None:
        """Give the reply to who waits for it, and make ready for the next."""
        response, content = self._response, bytes(self._content)
        assert response is not None and self._reply is not None
        self._response = None
        self._content.clear()
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        left_over, _ = self._parser.trailing_data
        again = self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE
        if again and not left_over:
            self._parser.start_next_cycle()
        else:
            self.close()
        if not self._reply.done():
            headers: dict[str, str] = {}
            for name, value in response.headers:
                headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
            self._reply.set_result(
                Reply(status=response.status_code, headers=headers, content=content)
            )

    def _wait_for_more(self) -> None:
        """Give up on a reply that has begun if nothing more of it comes in time."""
        if self._silence is not None:
            self._silence.cancel()
        seconds = self._silence_seconds
        broken_off = BrokenOff(f"the reply broke off for {seconds:g} s")
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(seconds, self._fail, broken_off)

    def _fail(self, error: Exception) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        self.close()


def tls_context() -> ssl.SSLContext:
    """Checks certificates against those the operating system trusts."""
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _named(response: h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key == name), "")
