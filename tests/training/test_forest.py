import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.training.forest import Forest, Tree

CPU = torch.device("cpu")

trees = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(1, 30), max_size=4)).map(
        lambda sizes: Tree(sizes[0], tuple(sizes[1]))
    ),
    min_size=1,
    max_size=6,
)


def oracle(shapes: list[Tree], window: int | None) -> torch.Tensor:
    """Who sees whom, token by token, from the paths of the trees. Shape: [T, T]."""
    paths: list[list[int]] = []
    start = 0
    for tree in shapes:
        stem = list(range(start, start + tree.stem))
        paths += [stem[: at + 1] for at in range(tree.stem)]
        start += tree.stem
        for length in tree.branches:
            branch = list(range(start, start + length))
            paths += [stem + branch[: at + 1] for at in range(length)]
            start += length
    seen = torch.zeros(start, start, dtype=torch.bool)
    for token, path in enumerate(paths):
        seen[token, path[-window:] if window else path] = True
    return seen


@given(shapes=trees, window=st.sampled_from([None, 1, 5, 25]))
@settings(max_examples=40, deadline=None)
def test_a_token_sees_its_stem_and_its_own_branch_up_to_itself(shapes, window):
    forest = Forest(shapes, CPU)
    places = torch.arange(forest.num_tokens)
    assert torch.equal(forest.seen(places[:, None], places, window), oracle(shapes, window))


def test_stems_and_branches_of_about_one_length_are_attended_to_together():
    forest = Forest([Tree(100 - at, (50, 49 - at)) for at in range(8)], CPU)
    assert len(forest.own) == 2
    assert len(forest.over_stems) == 1
    far = Forest([Tree(100, (50, 50)), Tree(1000, (50, 50))], CPU)
    assert len(far.over_stems) == 2
