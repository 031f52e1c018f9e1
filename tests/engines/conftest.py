"""A server on loopback that answers, byte by byte, whatever a test tells it to."""

import asyncio
import importlib.util
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jurist.engines.openai import OpenAIEngine
from jurist.engines.patience import Clock, Patience
from jurist.engines.workers import open_workers

STARTING_SECONDS = 120.0


@dataclass
class Request:
    """One request as it arrived."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict


Write = Callable[[asyncio.StreamWriter], Awaitable[None]]
Script = Callable[[Request], "bytes | Write"]


@dataclass
class Served:
    """A server that is running."""

    url: str
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    num_connections: int = 0


class Loopback:
    """Starts servers on loopback, and writes replies for them."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def serve(self, script: Script, tls: ssl.SSLContext | None = None) -> Served:
        """Answer every request with what the script returns, or let it write for itself."""
        served = Served(url="")
        busy = 0

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal busy
            served.num_connections += 1
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    lines = head.decode().split("\r\n")
                    pairs = (line.split(": ", 1) for line in lines[1:] if line)
                    headers = {name.lower(): value for name, value in pairs}
                    body = json.loads(await reader.readexactly(int(headers["content-length"])))
                    request = Request(len(served.requests), lines[0].split()[1], headers, body)
                    served.requests.append(request)
                    busy += 1
                    served.most_at_once = max(served.most_at_once, busy)
                    # Other requests get a chance to arrive, or none would ever be side by side.
                    await asyncio.sleep(0.002)
                    answer = script(request)
                    if isinstance(answer, bytes):
                        writer.write(answer)
                        await writer.drain()
                    else:
                        await answer(writer)
                    busy -= 1
                    if writer.is_closing():
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        async def start() -> int:
            server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
            self._servers.append(server)
            return server.sockets[0].getsockname()[1]

        port = asyncio.run_coroutine_threadsafe(start(), self._loop).result()
        served.url = f"http{'s' if tls else ''}://127.0.0.1:{port}/v1"
        return served

    def stop(self) -> None:
        async def cancel() -> None:
            for server in self._servers:
                server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # A closed connection lets go of its socket on the loop's next turn.
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    def raw(status: int, content: bytes, **headers: str) -> bytes:
        """A whole reply. Header names are written with underscores for hyphens."""
        named = {"Content_Length": str(len(content)), **headers}
        lines = [f"HTTP/1.1 {status} Said"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
        return "\r\n".join([*lines, "", ""]).encode() + content

    @classmethod
    def reply(cls, status: int, value: object, **headers: str) -> bytes:
        """A whole reply of JSON."""
        return cls.raw(status, json.dumps(value).encode(), **headers)

    @classmethod
    def chat(
        cls, content: object = "Fine.", finish_reason: object = "stop", **extra: object
    ) -> bytes:
        """A good chat completion. `message` and `choice` update those parts, the rest the whole."""
        message = {"role": "assistant", "content": content, **extra.pop("message", {})}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason}
        choice |= extra.pop("choice", {})
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        return cls.reply(200, {"model": "m", "choices": [choice], "usage": usage, **extra})

    @classmethod
    def decisions(cls, decide, label_mass: float | None = None) -> Script:
        """A server of `/v1/systemone` that refuses whatever the published contract does not know.

        Args:
            decide: Given the state and the options, the probability of each option.
            label_mass: What it tells of that, as vLLM does; transformers does not.
        """

        def script(request: Request) -> bytes:
            if reason := _not_a_decision(request):
                return cls.reply(422, {"detail": [{"loc": ["body"], "msg": reason}]})
            answers, diagnostics = {}, {}
            for name, question in request.body["questions"].items():
                options = list(question["criteria"])
                shares = decide(request.body["state"], options)
                likeliest = max(range(len(options)), key=lambda i: shares[i])
                answers[name] = {
                    "type": "choice",
                    "choice": options[likeliest],
                    "probabilities": dict(zip(options, shares, strict=True)),
                    "confidence": shares[likeliest] * (1.0 if label_mass is None else label_mass),
                }
                diagnostics[name] = {"label_mass": label_mass, "argmax_is_label": True}
            told = {} if label_mass is None else {"diagnostics": diagnostics}
            usage = {"input_tokens": 5, "output_tokens": 0}
            return cls.reply(200, {"model": "m", "answers": answers, "usage": usage, **told})

        return script


def _not_a_decision(request: Request) -> str:
    """What of a request the contract does not allow: the fields that all servers know, no more."""
    if request.path != "/v1/systemone":
        return f"no such path: {request.path}"
    if strange := set(request.body) ^ {"model", "state", "questions"}:
        return f"fields unknown or missing: {strange}"
    questions = request.body["questions"]
    if not 1 <= len(questions) <= 64:
        return f"{len(questions)} questions"
    for name, question in questions.items():
        if strange := set(question) - {"type", "instructions", "criteria"}:
            return f"{name}: unknown fields {strange}"
        if question["type"] != "choice" or not 1 <= len(question["criteria"]) <= 26:
            return f"{name}: no choice"
        if not name or set(name) & set(":\n"):
            return f"{name}: no name for a question"
    return ""


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.stop()


@pytest.fixture(scope="module")
def module_loopback() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.stop()


class Waits:
    """A clock that goes on by what it is asked to wait, at once, and by nothing else."""

    def __init__(self):
        self.seconds: list[float] = []
        self.time = 0.0
        self._ends: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        until = self.time + seconds
        self._ends.append(until)
        try:
            await asyncio.sleep(0)
            # Those who wait at one time wait side by side, and the first to be done goes first.
            while until > min(self._ends):
                await asyncio.sleep(0)
            self.time = max(self.time, until)
        finally:
            self._ends.remove(until)

    @property
    def clock(self) -> Clock:
        return Clock(
            now=lambda: 1_000_000.0 + self.time,
            elapsed=lambda: self.time,
            sleep=self.sleep,
            jitter=lambda: 0.0,
        )


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(scope="session")
def make_waits() -> type[Waits]:
    return Waits


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    return "canary-0123456789"


@pytest.fixture
def engine_for(loopback: Loopback, waits: Waits, key: str):
    """An engine before a script, and the server that plays it."""

    def make(script, patience: Patience | None = None, **settings):
        served = loopback.serve(script)
        patience = patience or Patience(attempt_seconds=20.0)
        engine = OpenAIEngine(served.url, "m", patience=patience, clock=waits.clock, **settings)
        return engine, served

    return make


@pytest.fixture(scope="module")
def serve_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Starts `transformers serve` with a model, and gives the address to ask."""
    for needed in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(needed)
    with ExitStack() as running:
        yield lambda model: running.enter_context(_serving(model, tmp_path_factory))


@contextmanager
def _serving(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("served") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                Path(sys.executable).with_name("transformers"),
                *("serve", str(model), "--host", "127.0.0.1", "--port", str(port)),
                *("--device", "cpu", "--dtype", "float32"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    try:
        began = time.monotonic()
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() - began < STARTING_SECONDS, log.read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def worker_engines():
    """The module of engines that both this process and its workers import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("worker_engines")


@pytest.fixture(scope="session")
def two_workers(worker_engines):
    """Two processes with a scripted engine each; jobs are small, so that both have work."""
    with open_workers(worker_engines.scripted, 2, job_size=4) as workers:
        yield workers


@pytest.fixture(scope="session")
def random_vllm(make_tokenizer, tmp_path_factory: pytest.TempPathFactory):
    """vLLM with a random model that writes bytes."""
    if importlib.util.find_spec("vllm") is None:  # Importing it would set it up its own way.
        pytest.skip("vLLM is not installed here; see make test-vllm")
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    from jurist.engines.vllm import VllmEngine

    folder = tmp_path_factory.mktemp("random-model")
    tokenizer = make_tokenizer("chatml")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,  # 32 wide: vLLM's attention on a processor knows few widths.
        num_key_value_heads=1,
        max_position_embeddings=512,
    )
    model = LlamaForCausalLM(config)
    # A random model ends a reply at a random byte now and then.
    model.generation_config = GenerationConfig(eos_token_id=list(range(32, 48)), pad_token_id=0)
    model.save_pretrained(folder)
    return VllmEngine.load(folder, kv_cache_memory_bytes=2**28, enforce_eager=True)
