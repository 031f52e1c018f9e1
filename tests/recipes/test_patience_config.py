"""How long a run waits for its server is said on the command line, and changes nothing else."""

import http.server
import json
import math
import threading
from dataclasses import replace

import pytest

from jurist.digest import canonical
from jurist.engines import ScriptedEngine, openai, systemone
from jurist.engines.patience import Patience
from jurist.errors import ConfigError
from jurist.recipes.judge import JudgeFileConfig, run_judge
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.judge_identity import judge_identity
from jurist.recipes.open_judge import open_judge
from jurist.recipes.patience_config import PatienceConfig
from jurist.recipes.responses import PolicyConfig
from jurist.recipes.run import from_json, open_run, to_json
from jurist.recipes.star import AuthorConfig, Round, StarConfig, open_author

OTHER = PatienceConfig(reply_seconds=7.0, outage_seconds=30.0, retry_share=0.5)
NUM_PAIRS = 8


def test_without_settings_an_engine_waits_as_it_does_by_itself():
    assert PatienceConfig().patience() == Patience()


@pytest.mark.parametrize(
    ("changes", "item_seconds"),
    [
        ({}, 1200.0),
        ({"outage_seconds": 10.0, "reply_seconds": 1.0}, 1200.0),
        ({"outage_seconds": 3600.0}, 3600.0 + 180.0 + 120.0),
        ({"reply_seconds": 800.0}, 900.0 + 800.0 + 120.0),
        ({"reply_seconds": 3600.0}, 2 * 3600.0 + 120.0),
    ],
)
def test_an_item_has_time_for_its_reply_and_for_an_outage(changes, item_seconds):
    asked = PatienceConfig(**changes)
    assert asked.patience() == Patience(
        attempt_seconds=asked.reply_seconds,
        outage_seconds=asked.outage_seconds,
        item_seconds=item_seconds,
    )


@pytest.mark.parametrize("name", ["reply_seconds", "outage_seconds"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan, 604_801.0])
def test_a_time_that_is_none_is_refused_by_its_flag(name, value):
    flag = name.replace("_", "-")
    with pytest.raises(ConfigError, match=f"^--{flag} must be positive and at most a week, got"):
        PatienceConfig(**{name: value})


@pytest.mark.parametrize("value", [-0.1, 1.1, 10.0, math.nan])
def test_a_share_that_is_none_is_refused_by_its_flag(value):
    with pytest.raises(ConfigError, match=r"^--retry-share is a share, from 0 to 1; got"):
        PatienceConfig(retry_share=value)


def test_the_bounds_themselves_are_fine():
    for share in (0.0, 1.0):
        most = PatienceConfig(reply_seconds=604_800.0, outage_seconds=604_800.0, retry_share=share)
        assert most.patience().retry_share == share


def asked_with(config, monkeypatch, tmp_path):
    """The patience of every engine that a judge of a config opens."""
    found = []

    def engine(*_, patience, **__):
        found.append(patience)
        return ScriptedEngine(lambda *_: "", logp=lambda prompt, text: -1.0)

    monkeypatch.setattr(openai, "OpenAIEngine", engine)
    monkeypatch.setattr(systemone, "SystemOneEngine", engine)
    with open_judge(config, seed=0, store=tmp_path / "store") as opened:
        return found, judge_identity(config, opened).fingerprint


@pytest.mark.parametrize("api", ["chat", "systemone"])
def test_a_judges_server_is_waited_for_as_asked_and_the_judge_is_the_same(
    api, monkeypatch, tmp_path
):
    plain = JudgeConfig(model="m", base_url="http://h/v1", api=api)
    patient = replace(plain, patience=OTHER)
    (first,), name = asked_with(plain, monkeypatch, tmp_path)
    (second,), same_name = asked_with(patient, monkeypatch, tmp_path)
    assert (first, second) == (Patience(), OTHER.patience())
    assert name == same_name


def test_a_policys_server_is_waited_for_like_the_judges(monkeypatch, tmp_path):
    policy = PolicyConfig(policy="writer", policy_url="http://h/v1")
    judged = JudgeConfig(model="local", patience=OTHER)
    (found,), _ = asked_with(policy.as_judge(judged), monkeypatch, tmp_path)
    assert found == OTHER.patience()


def test_an_authors_server_is_waited_for_as_asked(monkeypatch, tmp_path):
    found = []

    def engine(*_, patience, **__):
        found.append(patience)
        return ScriptedEngine(lambda *_: "")

    monkeypatch.setattr(openai, "OpenAIEngine", engine)
    author = AuthorConfig(author="m", author_url="http://h/v1", patience=OTHER)
    turn = Round(number=1, preferences=[], folder=tmp_path, judge="j", start="j")
    with open_author(turn, StarConfig(author=author), store=tmp_path / "store", bf16=False):
        assert found == [OTHER.patience()]


class TestSettings:
    @staticmethod
    def config(output, patience=None):
        asked = JudgeConfig(
            model="m", base_url="http://h/v1", patience=patience or PatienceConfig()
        )
        return JudgeFileConfig(judge=asked, pairs="p", output=output)

    def test_they_are_kept_unless_they_are_the_usual_ones(self, tmp_path):
        plain, other = self.config(tmp_path), self.config(tmp_path, OTHER)
        # Named by their content, settings are named as before there was this one.
        assert "patience" not in to_json(plain)["judge"]
        assert "patience" not in canonical(plain.judge)
        assert "patience" not in to_json(AuthorConfig())
        assert to_json(other)["judge"]["patience"] == {
            "reply_seconds": 7.0,
            "outage_seconds": 30.0,
            "retry_share": 0.5,
        }
        for one in (plain, other):
            assert from_json(JudgeFileConfig, json.loads(json.dumps(to_json(one)))) == one

    @pytest.mark.parametrize(("before", "after"), [(None, OTHER), (OTHER, None)])
    def test_a_run_goes_on_with_others(self, tmp_path, before, after):
        with open_run("judge", self.config(tmp_path, before)) as run:
            (run / "verdicts.jsonl").touch()
        with open_run("judge", self.config(tmp_path, after)) as run:
            assert (run / "verdicts.jsonl").exists()


class Server(http.server.ThreadingHTTPServer):
    """Answers every request with a verdict, or as a test has it for a while."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        """Bodies of all requests."""

        self.answered = set()
        """Bodies of those that were answered with a verdict."""

        self.answers = lambda body: True
        """Whether a request is answered with a verdict. Asked of one request at a time."""

        self.otherwise = lambda handler: None
        """What becomes of those that are not."""

        self.deciding = threading.Lock()

    def handle_error(self, *_):
        pass  # who asks may have hung up

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.deciding:
            self.server.asked.append(body)
            if fine := self.server.answers(body):
                self.server.answered.add(body)
        if fine:
            self.say_verdict()
        else:
            self.server.otherwise(self)

    def say_verdict(self):
        message = {"role": "assistant", "content": "The first one adds up.\n[[A]]"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.reply(200, {"model": "m", "choices": [choice]})

    def reply(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def pairs(write_rows):
    rows = [{"prompt": f"{i}+1?", "chosen": "right", "rejected": "wrong"} for i in range(NUM_PAIRS)]
    return write_rows(*rows)


@pytest.mark.fault(13, "circuit breaker")
def test_an_outage_longer_than_is_waited_for_ends_the_run_and_one_that_is_shorter_does_not(
    jurist, server, pairs, tmp_path
):
    probes = []

    def but_for_two_probes(body):
        """Away after two answers, until it was asked twice for what it had answered."""
        if len(server.answered) < 2 or len(probes) == 2:
            return True
        if body in server.answered:
            probes.append(body)
        return False

    server.answers = but_for_two_probes
    server.otherwise = lambda handler: handler.reply(503, {"error": "no worker"})
    run = tmp_path / "run"
    command = ("judge", "--model", "m", "--base-url", server.url, "--pairs", pairs)
    command = (*command, "--votes", "1", "--output", run)
    # Whoever is away for longer than half a second is found away by the first probe, after one.
    ended = jurist(*command, "--outage-seconds", "0.5")
    assert ended.returncode == 4, ended.stderr
    assert "the server has not answered for" in ended.stderr and len(probes) == 1
    assert not (run / "verdicts.jsonl").exists()
    # The same run goes on with more patience, and the server is back at the second probe.
    server.answered.clear()
    probes.clear()
    done = jurist(*command, "--outage-seconds", "300")
    assert done.returncode == 0, done.stderr
    assert "it is given 300 s to come back" in done.stderr and len(probes) == 2
    lines = (run / "verdicts.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["votes"]["failed"] for line in lines] == [0] * NUM_PAIRS


@pytest.mark.fault(11, "deadline")
def test_a_reply_slower_than_it_may_be_is_asked_for_again(server, pairs, tmp_path):
    over = threading.Event()
    slow = []

    def answer_late(handler):
        over.wait(60.0)
        handler.say_verdict()

    def but_for_the_first(body):
        slow.append(body)
        return len(slow) > 1

    server.answers = but_for_the_first
    server.otherwise = answer_late
    config = JudgeFileConfig(
        judge=JudgeConfig(
            model="m",
            base_url=server.url,
            voting=VotingConfig(votes=1),
            patience=PatienceConfig(reply_seconds=2.0),
        ),
        pairs=str(pairs),
        output=tmp_path / "run",
    )
    assert run_judge(config) == 0
    # All was judged while the first reply was still owed.
    assert server.asked.count(slow[0]) >= 2
    assert len(server.answered) == 2 * NUM_PAIRS
    over.set()
