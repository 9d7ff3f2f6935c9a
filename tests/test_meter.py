"""Means of what steps report: of the finite ones, the same after a checkpoint."""

from __future__ import annotations

import math

import torch

from poise.meter import Meter

CPU = torch.device("cpu")


def test_a_mean_is_over_the_steps_whose_number_was_finite() -> None:
    meter = Meter()
    for a, b in [(1.0, 5.0), (math.nan, 7.0), (3.0, math.inf)]:
        meter.add({"a": torch.tensor(a), "b": torch.tensor(b)})
    assert meter.read() == {"a": 2.0, "b": 6.0}
    assert meter.sums == {}


def test_where_no_step_was_finite_the_mean_is_not_a_number() -> None:
    meter = Meter()
    meter.add({"a": torch.tensor(math.nan), "b": torch.tensor(1.0)})
    means = meter.read()
    assert math.isnan(means["a"])
    assert means["b"] == 1.0


def test_a_checkpoint_between_two_lines_changes_no_mean() -> None:
    values = torch.rand(7, generator=torch.Generator().manual_seed(0))
    whole, cut = Meter(), Meter()
    for i, value in enumerate(values):
        whole.add({"a": value})
        cut.add({"a": value})
        if i == 3:
            state, cut = {k: v.clone() for k, v in cut.state().items()}, Meter()
            cut.load(state, CPU)
    assert whole.read() == cut.read()


def test_loading_takes_the_place_of_what_was_counted() -> None:
    meter, other = Meter(), Meter()
    meter.add({"a": torch.tensor(1.0)})
    other.add({"a": torch.tensor(9.0)})
    meter.load(other.state(), CPU)
    assert meter.read() == {"a": 9.0}
