"""One kept-open HTTP/1.1 connection to a server, one request at a time: h11 over asyncio's sockets.

The clients there are do more (pools, proxies, redirects, cookies, another event loop), and take two
to five times as long before a fast server; `benchmarks/http_100k.py` measures it. What bytes mean
is h11's business; here they are moved, bounded and waited for. Nothing is followed, unpacked or
asked twice.
"""

import asyncio
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import quote, urlsplit

import h11

from jurist.errors import ConfigError

MAX_HEAD_BYTES: Final = 2**16
"""Longest status line with headers that is read."""

MAX_INTERIM_REPLIES: Final = 16
"""So many replies of status 1xx are passed over before one that counts."""

_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
_PORTS: Final = {"http": 80, "https": 443}
_ADDRESS_SPREAD_SECONDS: Final = 0.25
"""Until the next address of a host is tried beside the one before (RFC 8305)."""


class Unreachable(Exception):
    """No connection could be made. The message says why."""


class Broken(Exception):
    """The reply broke off, or is not HTTP. The message says how."""


class NoReply(Broken):
    """The connection ended before anything of a reply came."""


class TooLong(Exception):
    """The reply is longer than what is read."""


class Address(NamedTuple):
    """Where requests go."""

    tls: bool
    host: str
    """In ASCII, an IPv6 address without its brackets."""

    port: int
    path: bytes
    """As it stands in a request."""

    named: bytes
    """Host and port as the header Host gives them."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an http or https URL without user, query and fragment.

        Raises:
            ValueError: If it is none.
        """
        parts = urlsplit(url)
        name = parts.hostname or ""
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
        if ":" not in name:
            name = name.encode("idna").decode("ascii")
        if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+(%\w+)?", name, re.ASCII) or port == 0:
            raise ValueError(f"no host that can be asked in {url!r}")
        bracketed = f"[{name}]" if ":" in name else name
        named = bracketed if port == _PORTS[parts.scheme] else f"{bracketed}:{port}"
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        return cls(parts.scheme == "https", name, port, path.encode("ascii"), named.encode("ascii"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case."""

    content: bytes

    def header(self, name: bytes) -> str | None:
        """The first header of that name, given in lower case; None if there is none."""
        found = next((value for key, value in self.headers if key == name), None)
        return None if found is None else found.decode("latin-1")


class Connection(asyncio.Protocol):
    """A connection to one server, from `open` until it is closed."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._transport: asyncio.Transport | None = None
        self._asked = False
        self._ended = False
        self._silent = True
        self.num_replies = 0
        """Whole replies that have come over it."""

        self._lost: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, address: Address, tls: ssl.SSLContext | None, *, seconds: float) -> Self:
        """Connect, within so many seconds.

        Raises:
            Unreachable: If that fails.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    cls,
                    address.host,
                    address.port,
                    ssl=tls,
                    happy_eyeballs_delay=_ADDRESS_SPREAD_SECONDS,
                )
        except TimeoutError as error:
            raise Unreachable(f"no connection within {seconds:g} s") from error
        except OSError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return connection

    @property
    def usable(self) -> bool:
        """Whether it is open, and nothing is on its way: the last reply was read to its end."""
        return not self._asked and not self._ended

    def close(self) -> None:
        """Let go of the socket, whatever is under way."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def ask(
        self,
        address: Address,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        max_bytes: int,
        silence_seconds: float,
    ) -> Reply:
        """Send a POST and read the whole reply. For a connection that is `usable`.

        Args:
            address: Where the connection leads.
            headers: All but Host and Content-Length.
            body: What to send.
            max_bytes: Longest body of a reply.
            silence_seconds: Longest time between two parts of a reply that has begun.

        Raises:
            Broken: If the connection breaks, the reply breaks off, or it is not HTTP.
            NoReply: If the connection ends before anything of a reply came.
            TooLong: If the reply has more than `max_bytes`.
        """
        try:
            return await self._exchange(address, headers, body, max_bytes, silence_seconds)
        except h11.RemoteProtocolError as error:
            raise Broken(f"not the HTTP that was expected: {error}") from error

    async def _exchange(
        self,
        address: Address,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        max_bytes: int,
        silence_seconds: float,
    ) -> Reply:
        self._send(address, headers, body)
        http = self._http
        response: h11.Response | None = None
        num_interim = 0
        content = bytearray()
        while True:
            if response is None and self._ended and not http.trailing_data[0]:
                self._raise_if_lost()
                raise NoReply("the server closed the connection without a reply")
            event = http.next_event()
            if event is h11.NEED_DATA:
                await self._more(None if response is None else silence_seconds)
            elif isinstance(event, h11.InformationalResponse):
                num_interim += 1
                if num_interim > MAX_INTERIM_REPLIES:
                    raise Broken(f"more than {MAX_INTERIM_REPLIES} replies of status 1xx")
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > max_bytes:
                    raise TooLong(f"the reply is longer than {max_bytes} bytes")
            elif isinstance(event, h11.EndOfMessage):
                break
        assert response is not None
        self._end_reply()
        return Reply(response.status_code, response.headers, bytes(content))

    def _send(self, address: Address, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a request."""
        http, transport = self._http, self._transport
        assert transport is not None
        self._asked = self._silent = True
        named = [(b"Host", address.named), *headers, (b"Content-Length", b"%d" % len(body))]
        request = h11.Request(method=b"POST", target=address.path, headers=named)
        parts = [http.send(request), http.send(h11.Data(data=body)), http.send(h11.EndOfMessage())]
        transport.write(b"".join(part for part in parts if part))

    def _end_reply(self) -> None:
        """Make ready for the next request, if the connection is fit for one."""
        self.num_replies += 1
        # What follows a reply was not asked for, and must not be taken for the next one.
        if self._http.their_state is h11.DONE and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
            self._asked = False

    async def _more(self, seconds: float | None) -> None:
        """Wait until there is more to read, or the end."""
        self._raise_if_lost()
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._arrival
        except TimeoutError as error:
            raise Broken(f"the reply broke off for {seconds:g} s") from error
        finally:
            self._arrival = None

    def _raise_if_lost(self) -> None:
        """Say how the connection was lost, if it did not come to its end."""
        if self._lost is not None:
            kind = NoReply if self._silent else Broken
            raise kind(f"{type(self._lost).__name__}: {self._lost}") from self._lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in part of a reply; a server that speaks unasked is hung up on."""
        if not self._asked:
            self.close()
            return
        self._silent = False
        self._http.receive_data(data)
        self._wake()

    def eof_received(self) -> None:
        """Take note that the server says no more."""
        self._ended = True
        self._http.receive_data(b"")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection is gone. One that was reset has not come to its end."""
        self._ended = True
        self._lost = exc
        if exc is None:
            self._http.receive_data(b"")
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


def trusting_the_system() -> ssl.SSLContext:
    """What TLS needs, with the certificates that the system trusts, or those in SSL_CERT_FILE.

    Raises:
        ConfigError: If the file in SSL_CERT_FILE cannot be read.
    """
    named = os.environ.get("SSL_CERT_FILE")
    if named:
        try:
            return ssl.create_default_context(cafile=named)
        except OSError as error:
            raise ConfigError(
                f"the environment variable SSL_CERT_FILE names {named!r}, which cannot be read as "
                f"certificates: {error}"
            ) from error
    context = ssl.create_default_context()
    # Some builds of Python look for certificates where this system has none.
    bundle = next((path for path in _BUNDLES if Path(path).is_file()), None)
    if bundle is not None:
        context.load_verify_locations(bundle)
    return context
