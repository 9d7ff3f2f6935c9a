from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.errors import OptionError
from poise.size import LARGEST_BASE, Size, base_of, levels_of, parse_size


@pytest.mark.parametrize(
    ("text", "size", "base", "doublings"),
    [
        ("64", (64, 64), (4, 4), 4),
        ("64x96", (64, 96), (4, 6), 4),
        ("28", (28, 28), (7, 7), 2),
        ("1024", (1024, 1024), (4, 4), 8),
        ("16X256", (16, 256), (4, 64), 2),
        ("5", (5, 5), (5, 5), 0),
    ],
)
def test_a_size_is_a_base_doubled(
    text: str, size: tuple[int, int], base: tuple[int, int], doublings: int
) -> None:
    assert parse_size(text) == size
    assert base_of(Size(*size)) == (base, doublings)


@given(st.integers(4, LARGEST_BASE), st.integers(4, LARGEST_BASE), st.integers(0, 5))
def test_every_base_doubled_any_number_of_times_is_a_size_whose_levels_double(
    height: int, width: int, times: int
) -> None:
    size = Size(height, width).doubled(times)
    levels = levels_of(size)
    assert levels[-1] == size
    assert min(levels[0]) >= 4
    assert all(b == (2 * a.height, 2 * a.width) for a, b in pairwise(levels))


@pytest.mark.parametrize("text", ["", "a", "64x", "x64", "64x64x3", "-64", "6.4", "64 96"])
def test_a_size_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="a size is written 64 or 64x96"):
        parse_size(text)


@given(st.integers(4, 4096), st.integers(4, 4096))
def test_any_size_is_its_base_doubled_or_refused_with_one_near_that_is(
    height: int, width: int
) -> None:
    try:
        base, doublings = base_of(Size(height, width))
    except OptionError as error:
        message = str(error)
    else:
        assert base.doubled(doublings) == (height, width)
        return
    found = re.search(r"nearest that fits is (\d+)x(\d+)", message)
    assert found, message
    near = Size(int(found[1]), int(found[2]))
    base_of(near)
    assert abs(near.height - height) <= max(4, height // 4)


@pytest.mark.parametrize("text", ["3", "8192", "2x64"])
def test_sides_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="a side must be 4 to 4096 pixels"):
        parse_size(text)
