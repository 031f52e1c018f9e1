"""One connection: where it leads, and what it makes of the bytes that come."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from jurist.engines.connection import (
    MAX_HEAD_BYTES,
    Address,
    Broken,
    Connection,
    Reply,
    TooLong,
    Unreachable,
    trusting_the_system,
)
from jurist.errors import ConfigError


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("http://h/v1", Address(False, "h", 80, b"/v1", b"h")),
            ("https://h/v1", Address(True, "h", 443, b"/v1", b"h")),
            ("http://h:80", Address(False, "h", 80, b"/", b"h")),
            ("http://h:443/", Address(False, "h", 443, b"/", b"h:443")),
            ("https://A_b.Example.org/a b/%7e", Address(True, "a_b.example.org", 443,
             b"/a%20b/%7e", b"a_b.example.org")),
            ("http://[::1]:8000/v1", Address(False, "::1", 8000, b"/v1", b"[::1]:8000")),
            ("http://bücher.example/ü", Address(False, "xn--bcher-kva.example", 80, b"/%C3%BC",
             b"xn--bcher-kva.example")),
        ],
    )  # fmt: skip
    def test_is_read_off_a_url(self, url, address):
        assert Address.parse(url) == address

    @pytest.mark.parametrize(
        "url",
        ["http://", "http:///v1", "http://h:0/", "http://h:x/", "http://h:70000/", "http://[::1/",
         "http://two words/", "http://h\x00/", "http://" + 70 * "a" + "/", "http://[h]/"],
    )  # fmt: skip
    def test_one_that_leads_nowhere_is_refused(self, url):
        with pytest.raises(ValueError):
            Address.parse(url)


def exchange(loopback, *parts: bytes, pause: float = 0.0, asked: int = 1, then: str = "close"):
    """Ask a server that writes so; every reply, and whether the connection is fit for more."""

    def script(_):
        async def write(writer: asyncio.StreamWriter) -> None:
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause)
            if then == "close":
                writer.close()

        return write

    address = Address.parse(loopback.serve(script).url)

    async def ask() -> tuple[list[Reply], bool]:
        connection = await Connection.open(address, None, seconds=5.0)
        assert connection.usable
        try:
            replies = [
                await connection.ask(address, [], b"{}", max_bytes=100, silence_seconds=5.0)
                for _ in range(asked)
            ]
            return replies, connection.usable
        finally:
            connection.close()
            assert not connection.usable

    return asyncio.run(ask())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class TestReplies:
    def test_one_after_the_other(self, loopback):
        replies, usable = exchange(loopback, OK, asked=3, then="stay")
        assert [(reply.status, reply.content) for reply in replies] == 3 * [(200, b"{}")]
        assert list(replies[0].headers) == [(b"content-length", b"2")]
        assert usable

    @pytest.mark.parametrize("size", [1, 7, 30])
    def test_the_way_it_was_cut_does_not_matter(self, loopback, size):
        chunked = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{  \r\n1\r\n}\r\n0\r\n\r\n"
        )
        parts = [chunked[start : start + size] for start in range(0, len(chunked), size)]
        (reply,), usable = exchange(loopback, *parts, pause=0.002, then="stay")
        assert reply.content == b"{  }"
        assert usable

    def test_what_is_said_before_the_reply_is_passed_over(self, loopback):
        (reply,), usable = exchange(loopback, b"HTTP/1.1 103 Early\r\n\r\n" + OK, then="stay")
        assert (reply.status, reply.content) == (200, b"{}")
        assert usable

    @pytest.mark.parametrize(
        "raw",
        [
            OK + b"HTTP/1.1 200 OK\r\n",
            OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            OK.replace(b"1.1", b"1.0"),
        ],
        ids=["more than the reply", "it says so", "an old protocol"],
    )
    def test_after_some_the_connection_is_not_used_again(self, loopback, raw):
        (reply,), usable = exchange(loopback, raw, then="stay")
        assert reply.content == b"{}"
        assert not usable

    def test_headers_are_found_by_name(self, loopback):
        raw = OK.replace(b"\r\n\r\n", b"\r\nRetry-After: 3\r\nRETRY-AFTER: 4\r\n\r\n")
        (reply,), _ = exchange(loopback, raw)
        assert reply.header(b"retry-after") == "3"
        assert reply.header(b"location") is None


class TestBreaks:
    UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n{}"

    def test_a_reply_that_ends_with_the_connection_is_whole(self, loopback):
        (reply,), usable = exchange(loopback, self.UNTIL_CLOSED, pause=0.05)
        assert reply.content == b"{}"
        assert not usable

    def test_a_connection_that_was_reset_ends_no_reply(self, loopback):
        def script(_):
            async def write(writer: asyncio.StreamWriter) -> None:
                writer.write(self.UNTIL_CLOSED)
                await asyncio.sleep(0.05)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
                )
                writer.transport.abort()

            return write

        address = Address.parse(loopback.serve(script).url)

        async def ask() -> Reply:
            connection = await Connection.open(address, None, seconds=5.0)
            return await connection.ask(address, [], b"{}", max_bytes=9, silence_seconds=5.0)

        with pytest.raises(Broken, match="ConnectionResetError"):
            asyncio.run(ask())

    def test_headers_without_end_are_not_read_to_it(self, loopback):
        with pytest.raises(Broken, match="not the HTTP that was expected"):
            exchange(loopback, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * MAX_HEAD_BYTES, then="stay")

    def test_a_body_beyond_the_limit_is_not_read(self, loopback):
        exchange(loopback, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b" " * 100)
        with pytest.raises(TooLong, match="longer than 100 bytes"):
            exchange(loopback, b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b" " * 101)

    def test_a_server_that_never_accepts_is_not_waited_for(self, monkeypatch):
        async def connect() -> None:
            async def never(*_, **__):
                await asyncio.sleep(60)

            monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
            await Connection.open(Address.parse("http://h"), None, seconds=0.01)

        with pytest.raises(Unreachable, match=r"no connection within 0\.01 s"):
            asyncio.run(connect())


class TestTrust:
    def test_the_file_in_the_environment_counts_alone(self, monkeypatch):
        pem = Path(__file__).with_name("loopback.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        context = trusting_the_system()
        assert context.cert_store_stats()["x509"] == 1
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname

    def test_otherwise_the_system_says_whom(self, monkeypatch):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        context = trusting_the_system()
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname

    def test_a_file_that_is_none_is_named(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
        with pytest.raises(ConfigError, match=r"SSL_CERT_FILE names .*absent\.pem"):
            trusting_the_system()
