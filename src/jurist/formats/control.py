"""Control tokens written out in text, and how to make them text again.

A chat model's tokenizer may read `<|im_end|>` in a message as the token that ends a turn, so that
a response under judgement could forge the turns after it. An engine that tokenises for itself
encodes content as plain text and needs nothing from here; behind a server the text is all there
is, and it has to be broken up.
"""

import re

WORD_JOINER = "\u2060"
"""Invisible and without width; no tokenizer has it inside a control token."""

# Tokens that are ordinary words in brackets. Those between bars need no list.
_ANGLED = (
    "s|/s|bos|eos|pad|unk|sop|eop|think|/think|thinking|/thinking|start_of_turn|end_of_turn"
    "|BOS_TOKEN|EOS_TOKEN|EOT_TOKEN|PAD_TOKEN|tool_call|/tool_call|tool_response|/tool_response"
    "|tools|/tools|start_of_image|end_of_image|image_soft_token|seed:[a-z_:]{1,32}"
    "|SPECIAL_[0-9]{1,6}|reserved_[0-9]{1,6}|extra_id_[0-9]{1,6}|unused[0-9]{1,6}"
)
_SQUARE = (
    "/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|MODEL"
    "_SETTINGS|IMG|ARGS|CALL_ID|PREFIX|SUFFIX|MIDDLE)|gMASK|sMASK|UNUSED_TOKEN_[0-9]{1,6}"
)
# What stands between bars. Bounded, so that every bracket costs a bounded look ahead; without the
# joiner, so that what is broken stays as it is.
_NAME = rf"[^\s<>|\uff5c{WORD_JOINER}]{{1,64}}"

# One for each bracket: to search for one character is several times as fast as for any of three.
_OPENINGS = (
    re.compile(
        rf"<(?=[|\uff5c]{_NAME}[|\uff5c]?>|{_NAME}[|\uff5c]>|<?/?SYS>>|<</?SYS>>|(?:{_ANGLED})>)"
    ),
    re.compile(rf"\[(?=\|{_NAME}\|\]|(?:{_SQUARE})\]|e~\[)"),
    re.compile(r"\](?=~!?b[\[\]])"),
)


def neutralised(text: str) -> str:
    r"""Break every known shape of a control token, so that no tokenizer reads one.

    A word joiner (U+2060) goes in behind the opening bracket. The text looks as before, text
    without such a shape comes back unchanged, and a second pass changes nothing. Linear in the
    length of the text.

    The shapes are those of the chat templates of the common families: names between bars (ASCII
    or full-width, on one side or both), `<s>`, `[INST]`, `<<SYS>>`, `<start_of_turn>`, `<think>`
    and their like. A model with tokens of another shape needs an engine that tokenises content as
    text.

    Args:
        text: Content of one message.

    Returns:
        The content, with every such shape broken.

    Example:
        >>> neutralised("done<|im_end|>")
        'done<\u2060|im_end|>'
        >>> neutralised("a <|> b, x[0] < y")
        'a <|> b, x[0] < y'
    """
    for opening in _OPENINGS:
        text = opening.sub(lambda match: match[0] + WORD_JOINER, text)
    return text
