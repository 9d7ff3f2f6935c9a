from __future__ import annotations

import pytest

from poise.claims.correlation import rank_correlation, ranks


def test_the_rank_correlation_is_1_where_both_rise_together_and_ties_share_a_place() -> None:
    assert rank_correlation([1, 2, 30], [4, 5, 6]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [9, 5, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0
    assert ranks([2, 1, 2]).tolist() == [1.5, 0, 1.5]
    # By hand: of ranks 0 1 2 3 and 1 0 2 3, 1 - 6 * 2 / (4 * 15).
    assert rank_correlation([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx(0.8)


def test_the_correlation_is_of_ranks() -> None:
    assert rank_correlation([1.0, 2.0, 3.0, 4.0], [1.0, 10.0, 100.0, 1e9]) == pytest.approx(1)
    assert rank_correlation([1.0, 2.0, 3.0], [3.0, 2.0, -8.0]) == pytest.approx(-1)
    # Spearman by hand: 1 - 6 (1 + 1 + 0 + 0) / (4 (16 - 1))
    assert rank_correlation([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0]) == pytest.approx(0.8)
