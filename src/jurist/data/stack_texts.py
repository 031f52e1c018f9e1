"""From the text that a training stack sends to a prompt and a response."""

from dataclasses import dataclass

from jurist.errors import DataError
from jurist.types import Conversation, user


@dataclass(frozen=True, kw_only=True, slots=True)
class StackTexts:
    """How texts that hold a prompt and a response are to be taken apart."""

    end_texts: tuple[str, ...] = ()
    """Taken off the end of a response, such as `<|im_end|>`, which decoded tokens leave."""

    response_starts: str = ""
    """What stands right before a response where prompt and response are one text, such as
    `<|im_start|>assistant`. Its last place counts."""

    def response_of(self, query: str, prompt: str) -> str:
        """The response of a text that begins with its prompt.

        Raises:
            DataError: If it does not begin with it, or nothing follows.
        """
        if not query.startswith(prompt):
            raise DataError(
                f"expected a query that begins with its prompt, {prompt!r:.60}, found "
                f"{query!r:.60}; was the prompt cut to fit the policy's context?"
            )
        return self.response(query[len(prompt) :])

    def parted(self, text: str) -> tuple[Conversation, str]:
        """Prompt and response of one text.

        Raises:
            DataError: If it is not known where the response begins, or nothing follows.
        """
        if not self.response_starts:
            raise DataError(
                "the text holds a prompt and a response, and it is not known where the response "
                "begins: start the server with --response-starts TEXT, or send messages"
            )
        before, found, after = text.rpartition(self.response_starts)
        if not found or not before.strip():
            raise DataError(
                f"expected a prompt, {self.response_starts!r} and a response, found {text!r:.60}"
            )
        return user(before), self.response(after)

    def response(self, text: str) -> str:
        """A response without what a stack leaves at its end.

        Raises:
            DataError: If nothing is left.
        """
        found = text
        while (shorter := self._shorter(found)) != found:
            found = shorter
        if not found.strip():
            raise DataError(f"expected a response, found {text!r:.60}")
        return found

    def _shorter(self, text: str) -> str:
        for end in self.end_texts:
            # A template may write white space after the token that ends a turn.
            if end and text.rstrip().endswith(end):
                return text.rstrip()[: -len(end)]
        return text
