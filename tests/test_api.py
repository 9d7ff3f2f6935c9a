"""`poise.train` and `poise.load`: the command line's work, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import poise
from poise.run import Run
from poise.session import ResumeOptions

QUICK: dict[str, Any] = {
    "size": 8,
    "images": 200,
    "threads": 1,
    "limit": 64,
    "networks": poise.MLP(width=0.05),
    "save_every": 100,
    "log_every": 50,
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_training_by_name_and_by_value_is_the_same() -> None:
    by_name = poise.train("shapes", method="wgan", seed=3, **QUICK)
    rule = poise.recipe("wgan").method
    by_value = poise.train("shapes", method=rule, seed=3, **QUICK)
    assert torch.equal(by_name.sample(4), by_value.sample(4))
    assert [path.name for path in sorted(Path("runs").glob("shapes*"))] == [
        "shapes-wgan-1",
        "shapes-wgan-2",
    ]


def test_a_run_goes_on_and_is_loaded_to_the_bit() -> None:
    whole = poise.train("shapes", out="runs/whole", **(QUICK | {"images": 400}))
    poise.train("shapes", out="runs/half", **QUICK)
    resumed = poise.train("runs/half", images=400)
    assert resumed.drawn == whole.drawn
    assert torch.equal(whole.sample(4), resumed.sample(4))
    assert torch.equal(poise.load("runs/half").sample(4), resumed.sample(4))


def test_samples_are_in_range_and_the_first_of_many_are_those_of_few() -> None:
    generator = poise.train("shapes", **QUICK)
    few, many = generator.sample(3, seed=5), generator.sample(70, seed=5)
    assert many.shape == (70, 3, 8, 8)
    assert many.abs().max() <= 1
    assert torch.allclose(few, many[:3], atol=1e-6)
    assert not torch.equal(few, generator.sample(3, seed=6))
    assert generator.size == (8, 8)
    assert generator.channels == 3


def test_an_option_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        poise.OptionError, match=r'no option called "imagse"\. Did you mean "images"'
    ):
        poise.train("shapes", imagse=3)
    assert not Path("runs").exists()


def test_what_is_fixed_with_a_run_cannot_be_given_when_it_goes_on() -> None:
    poise.train("shapes", out="runs/a", **QUICK)
    for given in ({"seed": 1}, {"method": "wgan"}, {"size": 16}):
        with pytest.raises(poise.OptionError, match=f'no option called "{next(iter(given))}"'):
            poise.train("runs/a", **given)
    assert set(vars(ResumeOptions())) >= {"images", "save_every", "threads", "device"}


def test_a_watcher_hears_of_the_images_the_speed_and_every_step() -> None:
    class Hearing(poise.Watcher):
        def __init__(self) -> None:
            self.said: list[str] = []
            self.steps: list[int] = []

        def say(self, text: str) -> None:
            self.said.append(text)

        def stepped(self, moment: Any) -> None:
            self.steps.append(moment.drawn)

    hearing = Hearing()
    generator = poise.train("shapes", watcher=hearing, **QUICK)
    assert any("used 64" in text for text in hearing.said)
    assert any(text.startswith("Threads: 1") for text in hearing.said)
    assert hearing.steps[-1] == generator.drawn
    assert hearing.steps == sorted(set(hearing.steps))


def test_a_method_that_config_json_cannot_name_is_refused_with_the_way_out() -> None:
    class Own:
        batch = 8

        def step(self, players: Any, reals: Any) -> Any:
            return {}

    with pytest.raises(poise.OptionError, match=r"Own has no name .* plays by poise.training.play"):
        poise.train("shapes", method=Own(), **QUICK)
    assert not Path("runs").exists()


def test_loading_what_is_no_run_or_has_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(poise.RunError, match="is not a run"):
        poise.load(tmp_path)
    poise.train("shapes", out="runs/a", **QUICK)
    for path in Run.open(Path("runs/a")).checkpoints.folder.iterdir():
        for file in path.iterdir():
            file.unlink()
    with pytest.raises(poise.RunError, match="has no whole checkpoint"):
        poise.load("runs/a")
