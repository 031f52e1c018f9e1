"""One judge behind five clients: TRL in process, and OpenRLHF, verl, openai and curl at a server.

The server is the command `jurist serve`, in a process of its own; the judge is the base that ships.
"""

import json
import math
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

import jurist
from jurist.adapters import TRLReward, verl_compute_score
from jurist.errors import ConfigError
from jurist.judges import ballots
from jurist.judges.served import ServedJudge
from jurist.rewards import ReferenceReward, ServedReward
from jurist.types import Comparison, user
from jurist.worlds import BASE, preferences

PAIRS = preferences("in_distribution", "test", 6, seed=3)
ASKED = [(pair.prompt[-1].content, pair.chosen, pair.rejected) for pair in PAIRS]


@pytest.fixture(scope="module")
def judge():
    with jurist.load_judge(str(BASE), votes=2, max_tokens=64) as judge:
        yield judge


@pytest.fixture(scope="module")
def expected(judge):
    """Probability that the first response is better, of each pair."""
    return [judge.compare(*asked).probability for asked in ASKED]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "jurist", "serve", "--model", BASE, "--port", "0"]
    command += ["--votes", "2", "--max-tokens", "64", "--labels", "references"]
    command += ["--store", folder / "served.sqlite"]
    with subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as server:
        try:
            said = ""
            for line in server.stderr:
                said += line
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield found[0]
                    break
            else:
                pytest.fail(f"the server did not come up: {said}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
        assert server.returncode == 143


def odds(probability):
    return math.log(probability / (1.0 - probability))


def post(url, content):
    request = urllib.request.Request(
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)


def trl(judge, url):
    reward = TRLReward(reward=ReferenceReward(judge=judge), column="reference")
    return reward(
        prompts=[[{"role": "user", "content": prompt}] for prompt, _, _ in ASKED],
        completions=[[{"role": "assistant", "content": first}] for _, first, _ in ASKED],
        completion_ids=[[1]] * len(ASKED),
        reference=[second for _, _, second in ASKED],
        trainer_state=object(),
        log_extra=lambda column, values: None,
        log_metric=lambda name, value: None,
    )


def openrlhf(judge, url):
    """One query a request, as OpenRLHF's executor posts them."""
    return [
        post(
            f"{url}/get_reward",
            {"query": [prompt + first], "prompts": [prompt], "labels": [second]},
        )["rewards"][0]
        for prompt, first, second in ASKED
    ]


def verl(judge, url):
    compute_score = verl_compute_score(ServedReward(url), ground_truth_is_reference=True)
    return [
        compute_score("primes", first, second, {"prompt": prompt})["score"]
        for prompt, first, second in ASKED
    ]


def openai(judge, url):
    """The client's own retries, deadlines and errors around the decision shape."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none")
    found = []
    for prompt, first, second in ASKED:
        question = {"type": "choice", "criteria": {"first": first, "second": second}}
        body = {"model": "jurist", "state": prompt, "questions": {"v": question}}
        answer = client.post("/systemone", cast_to=object, body=body)["answers"]["v"]
        found.append(odds(answer["probabilities"]["first"]))
        assert answer["choice"] == max(answer["probabilities"], key=answer["probabilities"].get)
    client.close()
    return found


def curl(judge, url):
    comparisons = [{"prompt": p, "first": first, "second": second} for p, first, second in ASKED]
    run = subprocess.run(
        [
            *("curl", "--silent", "--fail-with-body", f"{url}/v1/judge"),
            *("--header", "Content-Type: application/json"),
            *("--data", json.dumps({"comparisons": comparisons})),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [odds(one["probability"]) for one in json.loads(run.stdout)["results"]]


def test_the_same_judge_says_the_same_to_every_client(judge, url, expected):
    said = {client.__name__: client(judge, url) for client in (trl, openrlhf, verl, openai, curl)}
    for client, rewards in said.items():
        assert rewards == pytest.approx([odds(p) for p in expected], abs=1e-12), client


def test_the_pairs_are_not_all_alike(expected):
    assert len(set(expected)) > 2 and None not in expected


def test_the_server_says_it_is_the_same_judge(judge, url):
    with urllib.request.urlopen(f"{url}/v1/judge", timeout=60) as reply:
        about = json.load(reply)
    assert about["fingerprint"] == judge.identity.fingerprint
    assert about["kind"] == "reasoning" and about["votes"] == 2


def test_a_judge_behind_a_server_is_a_judge_with_every_reading(judge, url):
    comparisons = [
        Comparison(prompt=pair.prompt, first=pair.chosen, second=pair.rejected) for pair in PAIRS
    ]
    served = ServedJudge(url)
    assert served(comparisons) == judge(comparisons)
    assert ballots(served, comparisons[:1])[0].probability == judge.compare(*ASKED[0]).probability


def test_a_cohort_comes_together_at_the_server(judge, url):
    reward = ServedReward(url)
    responses = [PAIRS[0].chosen, PAIRS[0].rejected]
    found = reward([PAIRS[0].prompt] * 2, responses, [None] * 2)
    assert found == pytest.approx(judge.rewards(ASKED[0][0], responses))
    assert reward([user("Alone?")], ["here"], [None]) == [None]


def test_a_port_that_is_taken_is_said_at_once(url):
    port = url.rpartition(":")[2]
    run = subprocess.run(
        [sys.executable, "-m", "jurist", "serve", "--model", str(BASE), "--port", port],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == ConfigError.exit_code
    assert f"cannot listen at 127.0.0.1 port {port}" in run.stderr
