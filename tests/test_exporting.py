"""`poise export`: one file that draws what the generator draws, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

import poise
from poise import onnx_file
from poise.data.prepared import Prepared
from poise.errors import RunError
from poise.generator import Generator, load
from poise.latents import LatentSpace
from poise.methods import METHODS
from poise.networks import DCGAN, MLP, AutoEncoder, Growing, Networks, ResNet
from poise.onnx_file import OFF, onnx_bytes, refuse_unlike
from poise.pictures import to_uint8
from poise.run import Run
from poise.sampling import at_once
from poise.size import Size, Stage

from .helpers import poise as command
from .helpers import tiny, trained_run

NETWORKS: dict[str, Networks] = {
    "mlp": MLP(width=0.1, latent=6),
    "dcgan": DCGAN(width=0.1, latent=6),
    "resnet": ResNet(width=0.1, latent=6),
    "autoencoder": AutoEncoder(width=0.1, latent=6),
    "growing": Growing(latent=6, maps=64, widest=8),
}


def generator_of(networks: Networks, size: Size, channels: int) -> Generator:
    """One with random weights and used statistics, as after training."""
    torch.manual_seed(0)
    network: Any = networks.generator(size, channels)
    for weight in network.parameters():
        weight.data *= 3  # first weights may be so small that all is gray
    space = LatentSpace(networks.latent, networks.prior)
    network(space.fixed(64, 1))  # running means of a batch norm
    if isinstance(networks, Growing):
        network.grow_to(Stage(len(network.levels) - 1, 0.25))  # in the middle of a fade
    network.eval().requires_grad_(False)
    return Generator(network, space, size, channels, 640)


def played(data: bytes, latents: torch.Tensor) -> Any:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"latents": latents.numpy()})[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("size", "channels"), [(Size(16, 24), 3), (Size(8, 8), 1)])
def test_onnx_draws_what_the_generator_draws_for_any_number_of_latents(
    name: str, size: Size, channels: int
) -> None:
    generator = generator_of(NETWORKS[name], size, channels)
    data = onnx_bytes(generator, "shapes")
    for n in (1, 3, 65):
        latents = generator.latents(n, seed=7)
        images = played(data, latents)
        assert (images.dtype, images.shape) == (np.uint8, (n, *size, channels))
        off = np.abs(images.astype(int) - to_uint8(generator(latents)).astype(int))
        assert off.max() <= 1
        assert (off > 0).mean() <= OFF
        assert images.std() > 1, "images of one colour prove nothing"


def test_a_file_that_draws_other_images_is_refused() -> None:
    generator = generator_of(NETWORKS["mlp"], Size(8, 8), 3)
    data = onnx_bytes(generator, "shapes")
    latents = generator.latents(64)
    refuse_unlike(data, generator, latents)
    weight = next(iter(generator.network.parameters()))
    weight.data[0, 0] += 0.2
    with pytest.raises(RunError, match="the ONNX runtime draws other images"):
        refuse_unlike(data, generator, latents)


def test_large_images_are_checked_as_few_at_once_as_they_are_drawn_and_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = generator_of(NETWORKS["mlp"], Size(8, 8), 3)
    data, large = onnx_bytes(small, "shapes"), replace(small, size=Size(512, 512))
    latents, counts = small.latents(64), []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def run(self, names: list[str], given: dict[str, Any]) -> Any:
            counts.append(len(given["latents"]))
            found = super().run(names, given)
            return [found[0] + np.uint8(9 * (sum(counts) == 128))]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    refuse_unlike(data, large, latents)
    assert counts == [at_once(large.size)] * 16 == [4] * 16
    with pytest.raises(RunError, match="the ONNX runtime draws other images"):
        refuse_unlike(data, large, latents)  # the last 4 are other ones


@pytest.fixture(scope="module", params=METHODS)
def run(
    request: pytest.FixtureRequest, shapes: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A tiny run of each method; what grows was stopped in the middle of its fade."""
    config = tiny(shapes, request.param)
    if request.param == "progressive":
        config = replace(config, recipe=replace(config.recipe, images=144))
    return trained_run(tmp_path_factory.mktemp("exported") / "run", config)


def test_a_generator_that_is_read_back_draws_the_same_bits(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "g.safetensors"
    assert command("export", run.path, "--to", "safetensors", "--out", out) == 0
    again, before = poise.load(out), load(run.path)
    assert torch.equal(again.sample(5, seed=3), before.sample(5, seed=3))
    assert (again.size, again.channels, again.drawn) == (before.size, 3, before.drawn)
    assert again.space == before.space
    text = out.read_bytes()
    assert b"/tmp" not in text
    assert str(run.path).encode() not in text
    assert run.config.data.prepared.encode() not in text


def test_the_file_lies_in_the_run_unless_told_otherwise_and_what_is_there_is_spared(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(shutil.copytree(trained.path, tmp_path / "run"))
    assert command("export", run.path, "--to", "safetensors", "--at", "last") == 0
    path = run.path / "exports" / "000000640.safetensors"
    assert capsys.readouterr().out.splitlines()[0] == str(path)
    assert command("export", run.path, "--to", "safetensors", "--at", "last") == 0
    taken = tmp_path / "mine.onnx"
    taken.write_text("mine")
    assert command("export", run.path, "--out", taken) == 2
    assert "mine.onnx" in capsys.readouterr().err
    assert taken.read_text() == "mine"


def test_onnx_from_the_command_line_says_what_goes_in_and_out(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a" / "g.onnx"
    assert command("export", trained.path, "--out", out) == 0
    said, err = capsys.readouterr()
    assert err == ""
    assert said.splitlines()[0] == str(out)
    generator = load(trained.path)
    d = generator.space.size
    assert f"latents, float32 [n, {d}], N(0, 1). Out: images, uint8 [n, 8, 8, 3]" in said
    latents = generator.latents(4)
    off = np.abs(played(out.read_bytes(), latents).astype(int) - to_uint8(generator(latents)))
    assert off.max() <= 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "onnx", "--out", "g.safetensors"], "--out is a .onnx with --to onnx"),
        (["--to", "safetensors", "--out", "g"], "--out is a .safetensors with --to safetensors"),
        (["--to", "pickle"], "pickle"),
        (["--at", "7"], "keeps no checkpoint after 7 images"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str], told: str, trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("export", trained.path, *words) == 2
    assert told in capsys.readouterr().err


def test_without_its_packages_onnx_names_the_extra_before_it_loads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_file, "NEEDS", ("onnx", "onnx_that_is_not_there"))
    assert command("export", tmp_path / "no-run") == 2
    told = capsys.readouterr().err
    assert "--to onnx needs onnx_that_is_not_there" in told
    assert "poise[export]" in told


def damage(facts: dict[str, str]) -> dict[str, str]:
    return facts | {"networks": json.dumps({"name": "os.system", "width": 1.0})}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path, facts, tensors: path.write_bytes(b"no safetensors"),
        lambda path, facts, tensors: path.write_bytes(path.read_bytes()[:-40]),
        lambda path, facts, tensors: path.unlink(),
        lambda path, facts, tensors: save_file(tensors, path),
        lambda path, facts, tensors: save_file(tensors, path, facts | {"poise": "99"}),
        lambda path, facts, tensors: save_file(tensors, path, facts | {"size": "eight"}),
        lambda path, facts, tensors: save_file(tensors, path, facts | {"networks": "[]"}),
        lambda path, facts, tensors: save_file(tensors, path, damage(facts)),
        lambda path, facts, tensors: save_file(dict([tensors.popitem()]), path, facts),
    ],
    ids=["garbage", "cut", "gone", "bare", "newer", "size", "networks", "name", "weights"],
)
def test_a_file_that_is_no_generator_is_refused_in_a_sentence(
    spoil: Callable[..., Any], trained: Run, tmp_path: Path
) -> None:
    path = tmp_path / "g.safetensors"
    assert command("export", trained.path, "--to", "safetensors", "--out", path) == 0
    with_facts = json.loads(
        path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")]
    )
    spoil(path, with_facts["__metadata__"], load_file(path))
    with pytest.raises(RunError, match=r"g\.safetensors"):
        poise.load(path)
