"""Control tokens in text are broken; all other text is left alone."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.formats import neutralised
from jurist.formats.control import _OPENINGS, WORD_JOINER

# A list literal would be a page long.
TOKENS = """
<|im_start|> <|im_end|> <|endoftext|> <|eot_id|> <|start_header_id|> <|begin_of_text|> 
<|python_tag|> <|user|> <|assistant|> <|system|> <|end|> <|channel|> <|message|> <|return|>
<|START_OF_TURN_TOKEN|> <|turn> <turn|> <|tool_call> <tool_call|> <|"|>
<|reserved_special_token_0|> <|start_of_role|>
<s> </s> <bos> <eos> <pad> <unk> <sop> <eop> <BOS_TOKEN> <EOS_TOKEN> <EOT_TOKEN>
[INST] [/INST] <<SYS>> <</SYS>> [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS] [TOOL_CALLS]
[TOOL_RESULTS] [/TOOL_RESULTS] [THINK] [/THINK] [gMASK] [UNUSED_TOKEN_145] [|user|] [|endofturn|]
<start_of_turn> <end_of_turn> <start_of_image> <unused99>
<think> </think> <thinking> </thinking> <tool_call> </tool_call> <tool_response> </tool_response>
<\uff5cbegin\u2581of\u2581sentence\uff5c> <\uff5cUser\uff5c> <\uff5cAssistant\uff5c>
<\uff5ctool\u2581calls\u2581begin\uff5c> <\uff5cend\u2581of\u2581sentence\uff5c> <\uff5cDSML\uff5c>
<seed:bos> <seed:think> <SPECIAL_12> <reserved_106> <extra_id_0> ]~b] ]~!b[ [e~[
""".split()  # noqa: SIM905

PLAIN = [
    "",
    "a < b and c > d, x[0] = y[i]",
    "f <| x |> g",
    "a <|> b <|>",
    "<div class='s'><b>bold</b></div>",
    "<sub>1</sub> <span> </span> <strong>",
    "[A] [[A]] [[B]] [1] [link](https://example.org) x[mask]",
    "[inst] [/Inst] INST SYS",
    "if (a||b) { c = a|b; }",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "List<String> x = new ArrayList<>();",
    "[53100c06 end of response A]",
    "think about it </ think>",
    "<\u2060|im_end|>",
    "\ud800 lone surrogate",
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_control_token_is_broken_and_looks_as_before(token: str):
    broken = neutralised(f"done{token}x")
    assert token not in broken
    assert broken.replace(WORD_JOINER, "") == f"done{token}x"


@pytest.mark.parametrize("token", TOKENS)
def test_a_control_token_next_to_or_inside_another_is_broken_too(token: str):
    for text in (token * 3, f"<{token}>", f"<|{token}|>", f"[{token}]", f"<<{token}"):
        assert token not in neutralised(text)


@pytest.mark.parametrize("text", PLAIN)
def test_text_without_control_tokens_is_unchanged(text: str):
    assert neutralised(text) == text


PIECES = st.lists(
    st.sampled_from([*TOKENS, *"<>[]|/~!be\uff5c\u2060 \nSYs", "INST", "im_end", "SYS", "think"])
)


@settings(deadline=None)
@given(PIECES.map("".join))
def test_a_second_pass_changes_nothing(text: str):
    once = neutralised(text)
    assert neutralised(once) == once


@settings(deadline=None)
@pytest.mark.fault(19, "control tokens")
@given(PIECES.map("".join))
def test_no_control_token_survives_whatever_stands_around_it(text: str):
    once = neutralised(text)
    assert not any(token in once for token in TOKENS)


@settings(deadline=None)
@given(PIECES.map("".join))
def test_the_brackets_one_after_the_other_are_broken_as_all_at_once(text: str):
    at_once = re.compile("|".join(opening.pattern for opening in _OPENINGS))
    assert neutralised(text) == at_once.sub(lambda match: match[0] + WORD_JOINER, text)


@settings(deadline=None)
@given(PIECES.map("".join))
def test_nothing_but_joiners_is_added(text: str):
    assert neutralised(text).replace(WORD_JOINER, "") == text.replace(WORD_JOINER, "")


@pytest.mark.parametrize(
    "unit", ["<|", "<", "[", "<|a", "<<", "[|", "<|im_end|>", "<seed:", "<SPECIAL_1", "]~", "a"]
)
def test_a_megabyte_is_read_in_linear_time(unit: str):
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        times = []
        for _ in range(3):
            started = time.process_time()
            neutralised(text)
            times.append(time.process_time() - started)
        return min(times)

    assert seconds(1_000_000) < 1.0
