"""Every route of a real server: shapes, rewards, and failures that are never numbers."""

import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from jurist.data.stack_texts import StackTexts
from jurist.errors import EngineError
from jurist.serving import RequestLimits, Rules
from jurist.types import Failure, Judgement, Verdict, user

Q = "Name a prime."
CHATML = StackTexts(end_texts=("<|im_end|>",), response_starts="<|im_start|>assistant\n")


def longer(first, second):
    """The longer one, to nine in ten; nothing where an x stands."""
    if "x" in first + second:
        return None
    return 0.5 if len(first) == len(second) else 0.9 if len(first) > len(second) else 0.1


@pytest.fixture
def served(serve, make_stating):
    return serve(
        make_stating(longer),
        texts=CHATML,
        # Whole cohorts end the wait, however slow the machine is.
        rules=Rules(window_seconds=60.0, cohort_size=3),
        references={user("Kept?"): "four"},
    )


@pytest.fixture
def hasty(serve, make_stating):
    """One where a response that nobody joins waits for a moment only."""
    return serve(make_stating(longer), texts=CHATML, rules=Rules(window_seconds=0.02))


ODDS = math.log(9.0)


class TestNative:
    def test_a_comparison_has_verdict_probability_votes_and_its_judge(self, served):
        asked = [
            {"prompt": Q, "first": "eleven", "second": "two"},
            {"prompt": [{"role": "user", "content": Q}], "first": "two", "second": "eleven"},
            {"prompt": Q, "first": "one", "second": "ten"},
            {"prompt": Q, "first": "x", "second": "ten"},
        ]
        status, answer = served.post("/v1/judge", {"comparisons": asked})
        assert status == 200 and answer["judge"]["fingerprint"] == "f00d"
        found = answer["results"]
        assert [one["verdict"] for one in found] == ["first", "second", "tie", None]
        assert [one["failure"] for one in found] == [None, None, None, "unparseable"]
        assert [one["probability"] for one in found] == [0.9, 0.1, 0.5, None]
        assert found[0]["votes"] == {"first": 1, "second": 0, "tie": 0, "failed": 0, "possible": 1}
        assert [one["readings"] for one in found] == [None] * 4

    def test_readings_come_if_they_are_asked_for(self, served):
        asked = {"comparisons": [{"prompt": Q, "first": "x", "second": "ten"}], "readings": True}
        ((reading,),) = [one["readings"] for one in served.post("/v1/judge", asked)[1]["results"]]
        assert reading["text"] == "?" and reading["failure"] == "unparseable"
        assert reading["verdict"] is None and reading["num_tokens"] == 3

    def test_a_reference_that_comes_along_is_held_against_and_one_that_is_kept_too(self, served):
        items = [
            {"prompt": Q, "response": "eleven", "reference": "two"},
            {"prompt": Q, "response": "two", "reference": "two"},
            {"prompt": Q, "response": "x", "reference": "two"},
            {"prompt": "Kept?", "response": "a"},
        ]
        found = served.post("/v1/rewards", {"items": items})[1]["rewards"]
        assert found[0]["reward"] == pytest.approx(ODDS) and found[0]["score"] == pytest.approx(0.9)
        assert [one["against"] for one in found] == ["reference"] * 4
        assert found[1]["reward"] == 0.0  # it is the reference
        assert found[2]["reward"] is None and found[2]["score"] is None
        assert found[2]["failure"] == "no reading came to a verdict"
        assert found[3]["reward"] == pytest.approx(-ODDS)

    def test_a_response_that_is_its_reference_is_worth_0_and_nobody_is_asked(
        self, serve, make_stating
    ):
        judge = make_stating(longer)
        item = {"prompt": Q, "response": "two", "reference": "two"}
        (found,) = serve(judge).post("/v1/rewards", {"items": [item]})[1]["rewards"]
        assert found["reward"] == 0.0 and judge.asked == []

    def test_single_responses_to_one_prompt_are_gathered_whoever_sends_them(self, served):
        def send(text):
            item = {"prompt": Q, "response": text}
            return served.post("/v1/rewards", {"items": [item]})[1]["rewards"][0]

        with ThreadPoolExecutor(3) as threads:
            found = dict(
                zip(("a", "aaa", "aa"), threads.map(send, ("a", "aaa", "aa")), strict=True)
            )
        assert found["aaa"]["reward"] > found["aa"]["reward"] > found["a"]["reward"]
        assert sum(one["reward"] for one in found.values()) == pytest.approx(0.0)
        assert {one["against"] for one in found.values()} == {"cohort"}
        assert {one["num_responses"] for one in found.values()} == {3}

    def test_a_response_that_stays_alone_has_no_reward(self, hasty):
        item = {"prompt": "Alone?", "response": "a"}
        (found,) = hasty.post("/v1/rewards", {"items": [item]})[1]["rewards"]
        assert found["reward"] is None and "no other response" in found["failure"]
        assert found["against"] == "cohort" and found["num_responses"] == 1

    def test_groups_keep_rounds_of_training_apart(self, served):
        items = [{"prompt": Q, "response": "a" * n, "group": str(n % 2)} for n in range(1, 7)]
        found = served.post("/v1/rewards", {"items": items})[1]["rewards"]
        assert {one["num_responses"] for one in found} == {3}
        assert found[4]["reward"] > found[2]["reward"] > found[0]["reward"]
        assert found[4]["reward"] == pytest.approx(found[5]["reward"])

    def test_select_says_which_is_best_and_null_if_it_cannot(self, served):
        found = served.post("/v1/select", {"prompt": Q, "responses": ["a", "aaa", "aa"]})[1]
        assert found["best"] == 1 and found["num_comparisons"] == 3
        found = served.post("/v1/select", {"prompt": Q, "responses": ["x", "xx"]})[1]
        assert found["best"] is None and found["rewards"] == [None, None]
        assert found["num_failed"] == 1

    def test_who_answers_can_be_asked(self, served):
        assert served.send("GET", "/v1/judge")[1]["model"] == "tiny"


class TestStacks:
    """Payloads as OpenRLHF 0.11, slime and NeMo Gym send them."""

    def rlhf(self, texts, prompt="<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"):
        return {
            "query": [f"{prompt}{text}<|im_end|>" for text in texts],
            "prompts": [prompt] * len(texts),
            "labels": [None] * len(texts),
        }

    def test_openrlhf_gets_rewards_scores_and_logs(self, served):
        status, found = served.post("/get_reward", self.rlhf(["a", "aaa", "aa"]))
        assert status == 200
        low, high, middle = found["rewards"]
        assert low < middle < high and sum(found["rewards"]) == pytest.approx(0.0)
        assert all(0.0 < one < 1.0 for one in found["scores"])
        assert found["extra_logs"]["jurist_cohort_size"] == [3.0, 3.0, 3.0]

    def test_openrlhf_one_by_one_gets_what_it_gets_together(self, served):
        together = served.post("/get_reward", self.rlhf(["a", "aaa", "aa"]))[1]["rewards"]
        with ThreadPoolExecutor(3) as threads:
            alone = list(
                threads.map(
                    lambda text: served.post("/get_reward", self.rlhf([text]))[1]["rewards"][0],
                    ("a", "aaa", "aa"),
                )
            )
        assert alone == together

    def test_openrlhf_is_told_of_a_failure_and_given_no_number(self, served):
        status, found = served.post("/get_reward", self.rlhf(["x", "xx", "xxx"]))
        assert status == 503 and found["error"]["type"] == "no_reward"
        assert "rewards" not in found

    def test_openrlhf_prompts_that_were_cut_are_refused(self, served):
        asked = self.rlhf(["a"]) | {"prompts": ["something else"]}
        status, found = served.post("/get_reward", asked)
        assert status == 422 and "begins with its prompt" in found["error"]["message"]
        status, found = served.post("/get_reward", self.rlhf(["a"]) | {"labels": []})
        assert status == 422 and "as many prompts and labels" in found["error"]["message"]

    def test_labels_are_references_if_the_server_is_told_so(self, serve, make_stating):
        served = serve(make_stating(longer), labels="references")
        asked = {"query": ["Q?eleven"], "prompts": ["Q?"], "labels": ["two"]}
        assert served.post("/get_reward", asked)[1]["rewards"] == [pytest.approx(ODDS)]
        status, found = served.post("/get_reward", asked | {"labels": [None]})
        assert status == 422 and "--labels references" in found["error"]["message"]
        slime = {"prompt": "Q?", "response": "a", "label": "four"}
        assert served.post("/slime", slime) == (200, pytest.approx(-ODDS))

    def test_slime_gets_a_number_and_nothing_else(self, served, hasty):
        def send(text):
            return served.post("/slime", {"prompt": Q, "response": text, "label": None})

        with ThreadPoolExecutor(3) as threads:
            found = list(threads.map(send, ("a", "aa", "aaa")))
        assert [status for status, _ in found] == [200] * 3
        values = [value for _, value in found]
        assert all(isinstance(value, float) for value in values) and values == sorted(values)
        status, refused = hasty.post("/slime", {"prompt": Q, "response": "alone"})
        assert status == 503 and refused["error"]["type"] == "no_reward"

    def gym(self, *texts, **more):
        return {
            "conversation_history": [{"role": "user", "content": Q}],
            "response_objs": [
                {
                    "output": [
                        {"type": "reasoning", "summary": []},
                        {"type": "message", "content": [{"type": "output_text", "text": text}]},
                    ]
                }
                for text in texts
            ],
            **more,
        }

    def test_nemo_gym_gets_rewards_results_and_metrics(self, served):
        status, found = served.post("/compare", self.gym("a", "aaa", "aa"))
        assert status == 200 and len(found["rewards"]) == 3
        assert found["rewards"][1] == max(found["rewards"])
        pairs = {(one["response_i"], one["response_j"]) for one in found["comparison_results"]}
        assert {frozenset(pair) for pair in pairs} == {
            frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2))
        }
        for one in found["comparison_results"]:
            assert one["probability"] == longer(
                "a" * (1, 3, 2)[one["response_i"]], "a" * (1, 3, 2)[one["response_j"]]
            )
        assert found["metrics"]["num_failed_comparisons"] == 0.0

    def test_nemo_gym_is_told_what_cannot_be_compared(self, served):
        assert served.post("/compare", self.gym())[1]["rewards"] == []
        assert served.post("/compare", self.gym("a"))[0] == 503
        assert served.post("/compare", self.gym("x", "a"))[0] == 503
        status, found = served.post("/compare", self.gym("a", "b", principle="Be brief."))
        assert status == 422 and "principle" in found["error"]["message"]
        empty = self.gym("a", "b") | {"response_objs": [{"output": []}, {"output": []}]}
        status, found = served.post("/compare", empty)
        assert status == 422 and "response_objs[0]" in found["error"]["message"]


class TestVLLM:
    def test_score_takes_one_query_or_as_many_as_documents(self, served, hasty):
        for names in (("queries", "documents"), ("text_1", "text_2"), ("data_1", "data_2")):
            asked = {names[0]: Q, names[1]: ["a", "aaa", "aa"], "model": "tiny"}
            found = served.post("/v1/score", asked)[1]
            scores = [one["score"] for one in found["data"]]
            assert scores[1] > scores[2] > scores[0] and all(0 < score < 1 for score in scores)
            assert [one["index"] for one in found["data"]] == [0, 1, 2]
        several = {"queries": [Q, "Other?", Q], "documents": ["a", "bb", "aa"]}
        found = [one["score"] for one in hasty.post("/score", several)[1]["data"]]
        assert found[2] > 0.5 > found[0]
        assert found[1] is None  # nobody else replied to the other prompt
        status, wrong = served.post("/v1/score", {"queries": [Q, Q], "documents": ["a"] * 3})
        assert status == 422 and "2 queries and 3 documents" in wrong["error"]["message"]

    @pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
    def test_rerank_has_the_best_first_and_those_without_a_score_last(self, served, path):
        asked = {"query": Q, "documents": ["a", "x", "aaa", "aa"], "top_n": 0}
        found = served.post(path, asked)[1]["results"]
        assert [one["index"] for one in found] == [2, 3, 0, 1]
        assert found[-1]["relevance_score"] is None
        assert found[0]["document"] == {"text": "aaa"}
        scores = [one["relevance_score"] for one in found[:-1]]
        assert all(one > other for one, other in pairwise(scores))
        assert len(served.post(path, asked | {"top_n": 2})[1]["results"]) == 2

    def test_classify_takes_a_text_or_messages(self, serve, make_stating):
        served = serve(
            make_stating(longer), texts=CHATML, references={user("<|im_start|>user\nQ"): "four",
                                                            user("Q"): "four"}
        )  # fmt: skip
        text = "<|im_start|>user\nQ<|im_start|>assistant\neleven<|im_end|>"
        status, found = served.post("/classify", {"model": "tiny", "input": text})
        assert status == 200 and found["data"][0]["probs"] == [pytest.approx(0.9)]
        found = served.post("/classify", {"input": [text], "use_activation": False})[1]
        assert found["data"][-1]["probs"][-1] == pytest.approx(ODDS)  # what verl reads
        turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "x"}]
        found = served.post("/classify", {"messages": turns})[1]["data"][0]
        assert found["probs"] == [None] and found["failure"]
        status, found = served.post("/classify", {"messages": turns[::-1]})
        assert status == 422 and "assistant" in found["error"]["message"]
        assert served.post("/classify", {})[0] == 422

    def test_a_judge_of_single_responses_scores_them_by_themselves(self, serve, make_stating):
        def scorer(prompts, texts):
            return [math.nan if "x" in text else float(len(text)) for text in texts]

        served = serve(make_stating(longer), scorer=scorer, texts=CHATML)
        items = [{"prompt": Q, "response": text} for text in ("aa", "x")]
        found = served.post("/v1/rewards", {"items": items})[1]["rewards"]
        assert [one["reward"] for one in found] == [2.0, None]
        assert [one["against"] for one in found] == ["nothing", "nothing"]
        assert found[1]["failure"] == "the judge has no score for this response"
        found = served.post("/v1/rerank", {"query": Q, "documents": ["a", "x", "aa"]})[1]["results"]
        assert [one["index"] for one in found] == [2, 0, 1]


class TestDecisions:
    def ask(self, served, criteria, **more):
        question = {"type": "choice", "criteria": criteria}
        return served.post("/v1/systemone", {"state": Q, "questions": {"v": question}, **more})

    def test_a_choice_of_two_is_a_comparison(self, served):
        status, found = self.ask(served, {"first": "two", "second": "eleven"})
        answer = found["answers"]["v"]
        assert status == 200 and answer["choice"] == "second"
        assert answer["probabilities"] == {"first": pytest.approx(0.1), "second": 0.9}
        assert answer["confidence"] == pytest.approx(0.9)
        assert found["diagnostics"]["v"] == {"label_mass": 1.0, "argmax_is_label": True}

    def test_of_more_the_probabilities_add_up_and_follow_the_strengths(self, served):
        found = self.ask(served, {"a": "a", "b": "aaa", "c": "aa"})[1]["answers"]["v"]
        shares = found["probabilities"]
        assert found["choice"] == "b" and sum(shares.values()) == pytest.approx(1.0)
        assert shares["b"] > shares["c"] > shares["a"]

    def test_no_verdict_is_no_choice(self, served):
        for criteria in ({"a": "x", "b": "aa"}, {"a": "x", "b": "xx", "c": "xxx"}):
            answer = self.ask(served, criteria)[1]["answers"]["v"]
            assert answer["choice"] is None and answer["probabilities"] is None
            assert answer["failure"] == "no reading came to a verdict"

    def test_readings_without_a_verdict_lower_the_confidence(self, serve):
        def half(comparisons):
            readings = [Judgement(text="", outcome=Verdict.FIRST, probability=0.8)]
            return [[*readings, Judgement(text="", outcome=Failure.TRUNCATED)] for _ in comparisons]

        found = self.ask(serve(half), {"a": "a", "b": "bb"})[1]
        assert found["answers"]["v"]["confidence"] == pytest.approx(0.8 * 0.5)
        assert found["diagnostics"]["v"]["label_mass"] == 0.5

    def test_what_the_judge_would_not_see_is_refused(self, served):
        two = {"a": "a", "b": "bb"}
        assert self.ask(served, two, instructions="Be brief.")[0] == 422
        assert self.ask(served, {"a": "same", "b": "same"})[0] == 422
        assert self.ask(served, two, temperature=1)[0] == 422
        question = {"type": "noul", "criteria": two}
        asked = {"state": Q, "questions": {"v": question}}
        assert served.post("/v1/systemone", asked)[0] == 422


class TestOperation:
    @pytest.mark.fault(23, "no key")
    def test_health_needs_no_key_and_everything_else_does(self, serve, make_stating):
        served = serve(make_stating(longer), key="s3cret-key")
        assert served.send("GET", "/healthz")[:2] == (200, {"status": "ok", "judge": "f00d"})
        for path in ("/v1/judge", "/metrics", "/openapi.json", "/nowhere"):
            status, answer, _ = served.send("GET", path)
            assert status == 401 and "s3cret-key" not in str(answer)
        for wrong in ("Bearer other", "s3cret-key", "Bearer s3cret-key-and-more"):
            assert served.send("GET", "/v1/judge", Authorization=wrong)[0] == 401
        assert served.send("GET", "/v1/judge", Authorization="Bearer s3cret-key")[0] == 200

    @pytest.mark.fault(23, "long body")
    def test_a_body_that_is_too_long_is_refused(self, serve, make_stating):
        served = serve(make_stating(longer), limits=RequestLimits(max_body_bytes=1000))
        asked = {"comparisons": [{"prompt": Q, "first": "a" * 2000, "second": "b"}]}
        status, found = served.post("/v1/judge", asked)
        assert status == 413 and found["error"]["type"] == "too_long"

    def test_a_body_of_no_stated_length_is_cut_off_where_it_is_too_long(self, serve, make_stating):
        served = serve(make_stating(longer), limits=RequestLimits(max_body_bytes=1000))
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(
                b"POST /v1/judge HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b" " * 1024 + b"\r\n"
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 413")

    def test_what_is_wrong_with_a_body_is_said_by_its_path(self, served):
        status, found = served.post("/v1/judge", {"comparisons": [{"prompt": Q, "first": "a"}]})
        assert status == 422
        assert found["error"]["message"] == "comparisons[0].second: Field required"
        asked = {"comparisons": [{"prompt": Q, "first": "a", "second": "b", "label": 1}]}
        (fault,) = served.post("/v1/judge", asked)[1]["error"]["fields"]
        assert fault["path"] == "comparisons[0].label" and "Extra" in fault["message"]
        assert served.post("/v1/judge", {"comparisons": []})[0] == 422

    def test_a_model_that_is_down_is_said_and_no_number_given(self, serve):
        def down(comparisons):
            raise EngineError("http://elsewhere: no answer")

        served = serve(down, labels="references")
        for path, asked in (
            ("/v1/judge", {"comparisons": [{"prompt": Q, "first": "a", "second": "b"}]}),
            ("/get_reward", {"query": ["Qa"] * 2, "prompts": ["Q"] * 2, "labels": ["b"] * 2}),
            ("/v1/rerank", {"query": Q, "documents": ["a", "b"]}),
        ):
            status, found = served.post(path, asked)
            assert status == 503 and "no answer" in found["error"]["message"]

    @pytest.mark.fault(23, "busy")
    def test_a_crowd_is_turned_away_and_told_when_to_come_back(self, serve, make_stating):
        door = threading.Event()
        judge = make_stating(longer)

        def slow(comparisons):
            assert door.wait(30)
            return judge(comparisons)

        served = serve(slow, rules=Rules(max_batch=1, max_waiting=2))
        one = {"comparisons": [{"prompt": Q, "first": "a", "second": "b"}]}
        with ThreadPoolExecutor(3) as threads:
            waiting = [threads.submit(served.post, "/v1/judge", one)]
            while served.service._compare._working is None or served.service._compare.num_waiting:
                time.sleep(0.005)
            waiting += [threads.submit(served.post, "/v1/judge", one) for _ in range(2)]
            while served.service._compare.num_waiting < 2:
                time.sleep(0.005)
            status, found, headers = served.send("POST", "/v1/judge", one)
            assert status == 429 and found["error"]["type"] == "crowded"
            assert {name.lower(): value for name, value in headers.items()}["retry-after"] == "1"
            door.set()
            assert [each.result()[0] for each in waiting] == [200] * 3

    def test_metrics_count_requests_judgements_failures_and_batches(self, served):
        asked = [{"prompt": Q, "first": text, "second": "two"} for text in ("a", "x")]
        served.post("/v1/judge", {"comparisons": asked})
        served.post("/nowhere", {})
        page = served.send("GET", "/metrics")[1]
        for line in (
            'jurist_requests_total{path="/v1/judge",status="200"} 1.0',
            'jurist_requests_total{path="other",status="404"} 1.0',
            'jurist_judged_total{outcome="verdict"} 1.0',
            'jurist_judged_total{outcome="failure"} 1.0',
            "jurist_written_tokens_total 6.0",
            "jurist_batch_size_sum 2.0",
            "jurist_waiting 0.0",
        ):
            assert line in page.splitlines()

    def test_openapi_names_every_route_and_no_page_loads_scripts(self, served):
        found = served.send("GET", "/openapi.json")[1]
        assert {
            "/v1/judge",
            "/v1/rewards",
            "/v1/select",
            "/get_reward",
            "/slime",
            "/compare",
            "/classify",
            "/v1/score",
            "/v1/rerank",
            "/v1/systemone",
            "/healthz",
            "/metrics",
        } == set(found["paths"])
        assert "BallotOut" in found["components"]["schemas"]
        assert [served.send("GET", path)[0] for path in ("/docs", "/redoc")] == [404, 404]
