"""`poise.train` and `poise.load`: the command line's work, from Python."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import poise
from poise.methods import METHODS
from poise.networks import NETWORKS
from poise.optim import OPTIMIZERS
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


def test_every_method_network_and_optimizer_has_a_public_name() -> None:
    for table in (METHODS, NETWORKS, OPTIMIZERS):
        for kind in table.values():
            assert getattr(poise, kind.__name__) is kind
            assert kind.__name__ in poise.__all__


def test_a_number_of_a_part_is_refused_with_the_way_to_give_it() -> None:
    with pytest.raises(poise.OptionError) as refused:
        poise.train("shapes", method="began", gamma=0.5)
    assert 'no option called "gamma". It is a number of a part: ' in str(refused.value)
    assert "method=poise.BEGAN(gamma=...)" in str(refused.value)


def test_what_is_fixed_with_a_run_cannot_be_given_when_it_goes_on() -> None:
    poise.train("shapes", out="runs/a", **QUICK)
    for given in ({"seed": 1}, {"method": "wgan"}, {"size": 16}):
        with pytest.raises(poise.OptionError, match=f'no option called "{next(iter(given))}"'):
            poise.train("runs/a", **given)
    assert set(vars(ResumeOptions())) >= {"images", "save_every", "threads", "device"}


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("log_every", 50.5, "log_every cannot be 50.5"),
        ("images", "abc", "images cannot be 'abc'"),
        ("images", 100.5, "images cannot be 100.5"),
        ("optimizer", "adam", "optimizer cannot be 'adam'"),
        ("networks", "mlp", "networks cannot be 'mlp'"),
        ("data", poise.PrepareOptions(), 'no option called "data"'),
        ("size", (8, 3), "a side must be 4 to 4096 pixels, got 8x3"),
        (
            "threads",
            100_000,
            "--threads must be 1 to 1024, or 0 for the fastest number, got 100000",
        ),
    ],
)
def test_a_value_of_another_kind_is_refused_before_anything_is_made(
    option: str, value: object, text: str
) -> None:
    with pytest.raises(poise.OptionError, match=text):
        poise.train("shapes", **(QUICK | {option: value}))
    assert not Path("runs").exists()


def test_a_size_can_be_a_pair() -> None:
    generator = poise.train("shapes", **(QUICK | {"size": (8, 16)}))
    assert generator.sample(1).shape == (1, 3, 8, 16)


def test_a_run_is_not_shortened_and_not_extended_past_the_end_of_its_rate() -> None:
    poise.train("shapes", out="runs/a", **QUICK)
    with pytest.raises(poise.OptionError, match="is trained on 256 images already; --images 100"):
        poise.train("runs/a", images=100)
    move = poise.Adam(1e-3, decay=300)
    poise.train("shapes", out="runs/b", optimizer=move, **QUICK)
    poise.train("runs/b", images=300)
    with pytest.raises(poise.OptionError, match=r"falls to 0 at 300 images \(--decay\)"):
        poise.train("runs/b", images=400)


def test_a_signal_stops_and_saves_and_afterwards_means_what_it_meant() -> None:
    def mine(*_: object) -> None:
        raise AssertionError

    class Impatient(poise.Watcher):
        def stepped(self, moment: Any) -> None:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, mine)
    try:
        generator = poise.train("shapes", watcher=Impatient(), out="runs/a", **QUICK)
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)
    assert generator.drawn == 64  # one step of two batches
    assert poise.train("runs/a").drawn == 256


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
        needs: ClassVar[str] = "score"
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
    run = Run.open(Path("runs/a"))
    none = "has no whole checkpoint yet: the first one comes after .* train runs/a"
    for folder, at, hint in (
        (run.checkpoints.folder, "last", r" \(or --at best, which it has\)$"),
        (run.best.folder, "best", "$"),
    ):
        for file in folder.rglob("*.*"):
            file.unlink()
        with (
            pytest.warns(RuntimeWarning, match="is damaged"),
            pytest.raises(poise.RunError, match=none + hint),
        ):
            poise.load("runs/a", at=at)
