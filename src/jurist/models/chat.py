"""Conversations as tokens: the one place where engines, scorers and training agree on them.

Content is never markup. A response that spells a control token, `<|im_end|>` say, is encoded as
the characters it consists of, so it can neither end its turn nor open another.
"""

import inspect
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

import transformers
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from jurist.errors import ConfigError, DataError
from jurist.models.rendering import SECONDS, TooSlow, in_time
from jurist.types import Conversation, Message, Role, told, user

MAX_BYTES_PER_TOKEN = 64
"""Bytes of text for each token of the context that are tokenised at most. Text has 3 to 5; what has
more than 64 on the average would fit only if it were one long token after another."""

MAX_TEXT_BYTES = 4 * 2**20
"""Bytes of one conversation, or of one reply, that are tokenised at most, however long the context:
some seconds of work."""

_PROBE = "jurist-probe"
"""Stands for content while a template is asked what it does with it."""

_ends: WeakKeyDictionary[PreTrainedTokenizerBase, int] = WeakKeyDictionary()
_whole: set[tuple[str, tuple[str, ...]]] = set()
"""Templates, with the roles of turns, known to write every turn."""


def encode_prompt(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> list[int]:
    """Tokens of a conversation up to where the reply begins.

    Args:
        tokenizer: One with a chat template.
        conversation: Ends in the turn that is replied to. Documents become part of a user's turn,
            as `told` says.

    Raises:
        ConfigError: If the tokenizer has no chat template, the template refuses the turns or
            leaves one out, or this transformers cannot encode control tokens as text.
        DataError: If content spells a control token and this tokenizer has no other way to write
            it, as one that knows whole words only; if there is more of it than `most_bytes`, or
            half a surrogate pair in it.
    """
    conversation = told(conversation)
    _refuse_untokenisable(tokenizer, [turn.content for turn in conversation])
    _refuse_lossy_template(tokenizer, _template(tokenizer), conversation)
    return _prompt_ids(tokenizer, conversation)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokens of a text as it stands in a reply; special tokens spelt in it are characters.

    Raises:
        DataError: If it is longer than `most_bytes`, or holds half a surrogate pair.
    """
    _refuse_untokenisable(tokenizer, [text])
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    return cast(list[int], encoded["input_ids"])


def encode_reply(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokens of a whole reply: its text, and the token that ends an assistant's turn.

    Raises:
        DataError: As `encode_text`.
    """
    return [*encode_text(tokenizer, text), end_of_turn(tokenizer)]


def encode_conversation(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, response: str
) -> list[int]:
    """Tokens of a prompt and a response to it, as a scalar reward model reads them.

    Raises:
        ConfigError: As `encode_prompt`.
        DataError: If the response spells a control token and this tokenizer has no other way to
            write it.
    """
    text = encode_text(tokenizer, response)
    if forged := _forged(tokenizer, text):
        raise _unspellable(tokenizer, str(tokenizer.convert_ids_to_tokens(sorted(forged))))
    return [*encode_prompt(tokenizer, conversation), *text, end_of_turn(tokenizer)]


def can_write(tokenizer: PreTrainedTokenizerBase, response: str) -> bool:
    """Whether a response can be encoded as text, so that `encode_conversation` takes it.

    A tokenizer of whole words may have no other way to write a control token that is spelt in it,
    and none writes half a surrogate pair.
    """
    if _untokenisable(tokenizer, [response]):
        return False
    return not _forged(tokenizer, encode_text(tokenizer, response))


def most_bytes(tokenizer: PreTrainedTokenizerBase) -> int:
    """How much text is tokenised at most: what is longer fits no context, and to find out by
    counting its tokens takes a second for each megabyte."""
    context: int = tokenizer.model_max_length  # 10^30 if the tokenizer does not say
    return min(MAX_TEXT_BYTES, context * MAX_BYTES_PER_TOKEN)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends an assistant's turn in this tokenizer's chat template.

    The template is asked: it is the first added token that it writes after a reply. A template
    that writes none ends turns with the eos token.

    Raises:
        ConfigError: If there is neither.
    """
    if tokenizer not in _ends:
        _template(tokenizer)
        _ends[tokenizer] = _find_end_of_turn(tokenizer)
    return _ends[tokenizer]


def stop_ids(
    tokenizer: PreTrainedTokenizerBase, generation_eos: int | list[int] | None
) -> set[int]:
    """Tokens that end a reply: that of the chat template, and those the model names as eos.

    Args:
        tokenizer: One with a chat template.
        generation_eos: `eos_token_id` of the model's generation config.
    """
    named = generation_eos if isinstance(generation_eos, list) else [generation_eos]
    ids = {end_of_turn(tokenizer), *(token for token in named if token is not None)}
    if isinstance(tokenizer.eos_token_id, int):
        ids.add(tokenizer.eos_token_id)
    return ids


def _refuse_untokenisable(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> None:
    if why := _untokenisable(tokenizer, texts):
        raise DataError(f"{tokenizer.name_or_path}: {why}; leave the row out")


def _untokenisable(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> str | None:
    most = most_bytes(tokenizer)
    try:
        # No text has fewer bytes than characters, so that what is very long is not copied.
        num_bytes = sum(map(len, texts))
        if num_bytes <= most:
            num_bytes = sum(len(text.encode("utf-8")) for text in texts)
    except UnicodeEncodeError as error:
        return (
            f"content holds half of a surrogate pair, U+{ord(error.object[error.start]):04X} at "
            f"character {error.start + 1:,}, which is no text"
        )
    if num_bytes <= most:
        return None
    return f"content of {num_bytes:,} bytes or more, where at most {most:,} are tokenised"


def _find_end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    reply = Message(role="assistant", content=_PROBE)
    written = _rendered(tokenizer, (*user(_PROBE), reply)).rpartition(_PROBE)[2]
    added = tokenizer.added_tokens_decoder
    for token in cast(list[int], tokenizer(written, add_special_tokens=False)["input_ids"]):
        if token in added and not added[token].content.isspace():
            return token
    if isinstance(tokenizer.eos_token_id, int):
        return tokenizer.eos_token_id
    raise ConfigError(
        f"{tokenizer.name_or_path}: neither the chat template nor the tokenizer says which token "
        f"ends a reply; set eos_token in tokenizer_config.json"
    )


def _refuse_lossy_template(
    tokenizer: PreTrainedTokenizerBase, template: str, conversation: Conversation
) -> None:
    roles: tuple[Role, ...] = tuple(turn.role for turn in conversation)
    if (template, roles) in _whole:
        return
    probes = tuple(
        Message(role=role, content=f"{_PROBE} {place} {_PROBE}") for place, role in enumerate(roles)
    )
    rendered = _rendered(tokenizer, probes)
    lost = [probe.role for probe in probes if probe.content not in rendered]
    if lost:
        raise ConfigError(
            f"{tokenizer.name_or_path}: the chat template leaves out a turn of {', '.join(lost)} "
            f"when turns are {', '.join(roles)}; use a model whose template has that role"
        )
    _whole.add((template, roles))


def _rendered(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> str:
    def render() -> str:
        return cast(str, tokenizer.apply_chat_template(_turns(conversation), tokenize=False))

    with _template_errors(tokenizer, conversation):
        return in_time(render)


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> list[int]:
    def encode() -> object:
        return tokenizer.apply_chat_template(
            _turns(conversation),
            add_generation_prompt=True,
            sanitize_control_tokens=True,
            return_dict=True,
        )

    with _template_errors(tokenizer, conversation):
        # A template may come to an end with the probing turns, and with others not.
        encoded: Any = in_time(encode)
    return cast(list[int], encoded["input_ids"])


def _turns(conversation: Conversation) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in conversation]


@contextmanager
def _template_errors(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation
) -> Generator[None]:
    try:
        yield
    except TemplateError as error:
        roles = ", ".join(turn.role for turn in conversation)
        raise ConfigError(
            f"{tokenizer.name_or_path}: the chat template refuses turns of {roles}: {error}"
        ) from error
    except TooSlow:
        raise ConfigError(
            f"{tokenizer.name_or_path}: the chat template does not come to an end within "
            f"{SECONDS:g} s; use a checkpoint with another one"
        ) from None
    except ValueError as error:
        raise _unspellable(tokenizer, str(error)) from error
    except (TypeError, ArithmeticError, LookupError, AttributeError, MemoryError) as error:
        # Whatever a template does wrong, in the words of the Python that it is compiled to.
        raise ConfigError(
            f"{tokenizer.name_or_path}: the chat template cannot be rendered: "
            f"{type(error).__name__}: {error}"
        ) from error


def _template(tokenizer: PreTrainedTokenizerBase) -> str:
    if not _can_sanitize(type(tokenizer)):
        raise ConfigError(
            f"transformers {transformers.__version__} lets text that spells a control token end "
            f"its turn; pip install 'transformers>=5.23'"
        )
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"{tokenizer.name_or_path}: the tokenizer has no chat template, so nobody can say "
            f"where a prompt ends and a reply begins; use an instruct model, or put a "
            f"chat_template into its tokenizer_config.json"
        )
    # Some tokenizers name several templates; transformers picks the default one, or says why not.
    return tokenizer.get_chat_template()


def _can_sanitize(kind: type[PreTrainedTokenizerBase]) -> bool:
    # An older one takes the option for a variable of the template, and ignores it.
    return "sanitize_control_tokens" in inspect.signature(kind.apply_chat_template).parameters


def _forged(tokenizer: PreTrainedTokenizerBase, text: list[int]) -> set[int]:
    """Control tokens among the tokens of a text."""
    return set(text) & (_special(tokenizer) - _unknown(tokenizer))


def _special(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}


def _unknown(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {tokenizer.unk_token_id} if isinstance(tokenizer.unk_token_id, int) else set()


def _unspellable(tokenizer: PreTrainedTokenizerBase, what: str) -> DataError:
    return DataError(
        f"{tokenizer.name_or_path}: content spells a control token of this model, and its "
        f"tokenizer has no other way to write that ({what}); leave the row out"
    )
