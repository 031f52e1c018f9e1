"""The completions of one call: how many are wanted by now, and which of them are the answer."""

from jurist.engines.base import num_more
from jurist.engines.schedule import Schedule
from jurist.types import Completion, StoppingRule


class Gathering:
    """Takes completions in whatever order they come, and tells a schedule what is wanted.

    The rule sees samples by their indices alone, so the answer depends neither on the order in
    which they came nor on what was begun ahead of need.
    """

    def __init__(self, schedule: Schedule, num_samples: int, rule: StoppingRule | None) -> None:
        """Gather what is on a schedule.

        Args:
            schedule: Of prompts in the rule's groups. Nothing of it has started yet.
            num_samples: The most of each prompt.
            rule: Says how many are wanted; all if None.

        Raises:
            ValueError: If the rule wants a negative number.
        """
        self._schedule = schedule
        self._num_samples = num_samples
        self._rule = rule
        self._groups = schedule.groups
        self._samples: list[dict[int, Completion]] = [{} for group in self._groups for _ in group]
        self._num_due = [0] * len(self._groups)
        for group in range(len(self._groups)):
            self._ask(group)

    def add(self, prompt: int, sample: int, completion: Completion) -> None:
        """Add a sample that was in flight."""
        self._samples[prompt][sample] = completion
        group = prompt // len(self._groups[0])
        if sample < self._num_due[group]:
            self._ask(group)

    def answers(self) -> list[list[Completion]]:
        """Of each prompt, the completions that were wanted. To be called when all are there."""
        return [
            self._first(prompt, due)
            for members, due in zip(self._groups, self._num_due, strict=True)
            for prompt in members
        ]

    def _ask(self, group: int) -> None:
        """Ask how many more of a group are wanted, as often as those that were are there."""
        members = self._groups[group]
        while all(
            sample in self._samples[prompt]
            for prompt in members
            for sample in range(self._num_due[group])
        ):
            due = self._num_due[group]
            more = num_more(
                self._rule, [self._first(prompt, due) for prompt in members], self._num_samples
            )
            self._num_due[group] = due + more
            for prompt in members:
                if more:
                    self._schedule.want(prompt, due + more)
                else:
                    self._schedule.stop(prompt)
            if not more:
                return

    def _first(self, prompt: int, count: int) -> list[Completion]:
        return [self._samples[prompt][sample] for sample in range(count)]
