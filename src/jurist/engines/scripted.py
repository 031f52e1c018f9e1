"""An engine whose replies are written by a function: for tests, for examples, for a dry run."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jurist.engines.base import groups_of, num_more
from jurist.errors import EngineError
from jurist.types import Completion, Conversation, Sampling, StoppingRule

# Begun where no space stands before, so that spaces at the end of a text are passed over once.
_WORD = re.compile(r"(?<!\s)\s*\S+")


@dataclass(frozen=True, slots=True)
class ScriptedEngine:
    """Replies whatever a function says; a word counts as a token.

    Example:
        >>> from jurist.types import user
        >>> engine = ScriptedEngine(lambda prompt, index: f"reply {index}")
        >>> [reply.text for reply in engine.generate([user("Hi")], Sampling(num_samples=2))[0]]
        ['reply 0', 'reply 1']
    """

    reply: Callable[[Conversation, int], str | Completion]
    """Writes sample `index` of a prompt. A text longer than `max_tokens` words is cut there, as a
    model would be; a `Completion` is returned as it is."""

    logp: Callable[[Conversation, str], float] | None = None
    """Says how likely a continuation of a prompt is, in nats."""

    fingerprint: str = "scripted"
    """What a cache knows the engine by; another script wants another one."""

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        """Write every reply that is wanted, and no other."""
        written: list[list[Completion]] = [[] for _ in prompts]
        for group in groups_of(len(prompts), rule):
            samples = [written[item] for item in group]
            while more := num_more(rule, samples, sampling.num_samples):
                for item in group:
                    for _ in range(more):
                        index = sampling.first_index + len(written[item])
                        written[item].append(self._sample(prompts[item], index, sampling))
        return written

    def score(
        self, prompts: Sequence[Conversation], continuations: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        """Ask the script how likely each continuation is.

        Raises:
            EngineError: If the engine was given no `logp`.
        """
        logp = self.logp
        if logp is None:
            raise EngineError(
                f"{self.fingerprint}: this scripted engine tells no log-probabilities; "
                f"give it a function logp(prompt, continuation)"
            )
        return [
            [logp(prompt, continuation) for continuation in texts]
            for prompt, texts in zip(prompts, continuations, strict=True)
        ]

    def _sample(self, prompt: Conversation, index: int, sampling: Sampling) -> Completion:
        written = self.reply(prompt, index)
        if isinstance(written, Completion):
            return written
        return _completion(written, prompt, sampling.max_tokens)


def _completion(text: str, prompt: Conversation, max_tokens: int) -> Completion:
    words = list(_WORD.finditer(text))
    cut = len(words) > max_tokens
    return Completion(
        text=text[: words[max_tokens - 1].end()] if cut else text,
        finish_reason="length" if cut else "stop",
        num_tokens=min(len(words), max_tokens),
        num_prompt_tokens=sum(len(message.content.split()) for message in prompt),
    )
