"""What several tests need: a few small images, tiny runs, the command line, processes to stop.

A tiny run takes 40 to 100 ms. Importing torch takes seconds, so where a test needs a real process
it forks this one, which has it loaded; `run_poise` starts a fresh one and is for few tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor

from poise import session
from poise.cli import main
from poise.config import Chores, Config, Images, Recipe
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared, digest_of
from poise.networks import MLP, AutoEncoder, Growing, Networks
from poise.optim import Adam, RMSProp
from poise.presets import recipe
from poise.run import Run
from poise.stopping import SIGNALS
from poise.training import train
from poise.watcher import Watcher

PATIENCE = 60.0  # seconds that a process may take on a busy machine before a test gives up

# 8x8 shapes, 26 numbers in a hidden layer, 640 images: 20 steps of WGAN-GP with 2 critic updates.
_TINY = (
    *("--batch", "16", "--threads", "1"),
    *("--images", "640", "--log-every", "100", "--save-every", "200", "--sample-every", "320"),
    *("--measure-every", "320", "--measure-images", "64"),  # else a few steps are timed for them
)
TINY_WORDS = ("--network", "mlp", "--width", "0.05", *_TINY)
TINY_WORDS_OF = {
    "began": ("--width", "0.07", "--latent", "6", *_TINY),
    "progressive": ("--maps", "32", "--widest", "6", "--width", "1", "--latent", "6", *_TINY),
}


def free_port() -> int:
    """A port for ranks to meet at."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> Iterator[None]:
    """As in a terminal: under nohup or in the background of a script some would be ignored."""
    usual = dict.fromkeys(SIGNALS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """64 built-in shapes of 8x8 pixels, prepared once. Only to be read."""
    out = tmp_path_factory.mktemp("sets") / "shapes.poise"
    return prepare("shapes", out, PrepareOptions(size="8", limit=64), workers=1)


@pytest.fixture(scope="session")
def trained(shapes: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run that nothing disturbed, trained to its end. Only to be read or copied."""
    return trained_run(tmp_path_factory.mktemp("runs") / "undisturbed", tiny(shapes))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums depend on the number of threads; and a process with more than one cannot be forked."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_recipe(method: str = "wgan-gp", images: int = 640) -> Recipe:
    """The preset of a method, with batches of 16 and networks that cost nothing."""
    optimizer = RMSProp(2e-4) if method == "wgan" else Adam(3e-4)
    small: Any = replace(recipe(method).method, batch=16)  # type: ignore[type-var]
    if method == "progressive":
        small = replace(small, fade=96, settle=96)
    networks: dict[str, Networks] = {
        "began": AutoEncoder(width=0.07, latent=6),
        "progressive": Growing(latent=6, maps=32, widest=6),
    }
    return Recipe(small, networks.get(method, MLP(width=0.05)), optimizer, images)


def tiny(shapes: Prepared, method: str = "wgan-gp", images: int = 640, **changes: Any) -> Config:
    """A configuration that trains in well under a second; `changes` are fields of Config."""
    data = Images("shapes", str(shapes.path), shapes.fingerprint, shapes.size, shapes.channels)
    data = replace(data, held_out=digest_of(shapes.held_out))
    chores = Chores(log_every=100, sample_every=320, save_every=200)
    return replace(Config(tiny_recipe(method, images), data, chores), **changes)


def trained_run(path: Path, config: Config, watcher: Watcher | None = None) -> Run:
    """A new run, trained to its end."""
    run = Run.create(path, config)
    assert train(run, watcher or Watcher())
    return run


def go_on(path: Path, watcher: Watcher | None = None, **changes: Any) -> Run:
    """A run that is there already, trained to its end."""
    run = session.resume(path, session.ResumeOptions(**changes))
    assert train(run, watcher or Watcher())
    return run


class Told(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def bits(tensors: dict[str, Tensor]) -> dict[str, str]:
    """The sha256 of each tensor by name."""
    plain = {name: value.contiguous().flatten() for name, value in tensors.items()}
    return {
        name: hashlib.sha256(value.view(torch.uint8).numpy().tobytes()).hexdigest()
        for name, value in plain.items()
    }


def last_bits(run: Run) -> dict[str, str]:
    """The sha256 of each tensor of a run's newest checkpoint, which must be whole."""
    return bits(run.checkpoints.load(run.checkpoints.drawn()[-1]).tensors)


def log_of(run: Run) -> bytes:
    """The log as it lies on the disk."""
    return (run.path / "log.jsonl").read_bytes()


def leftovers(run: Run) -> list[str]:
    """Files of a run that only an interrupted write leaves behind."""
    return [
        str(path.relative_to(run.path))
        for path in run.path.rglob("*")
        if path.name.startswith(".") or path.name.endswith(".part")
    ]


def tree(folder: Path) -> dict[str, str]:
    """Every file, link and folder under a folder, with the sha256 of what is in it."""
    kinds = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            kinds[str(path.relative_to(folder))] = f"link to {path.readlink()}"
        elif path.is_dir():
            kinds[str(path.relative_to(folder))] = "folder"
        else:
            kinds[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return kinds


def poise(*words: str | Path) -> int:
    """The command in this process; its exit code. Signals go where they went before."""
    numbers = SIGNALS
    before = [signal.getsignal(number) for number in numbers]
    try:
        return main([str(word) for word in words])
    except SystemExit as error:  # of tyro: --help, or a value of the wrong kind
        return error.code if isinstance(error.code, int) else 1
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def run_poise(
    *words: str | Path, cwd: Path | None = None, timeout: float = PATIENCE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in a fresh process, which takes seconds to load torch."""
    return subprocess.run(
        [sys.executable, "-m", "poise", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Process:
    """A fork of this process that does some work; what it prints comes through a pipe.

    A pipe and not a file, so that a limit on the size of files does not silence it.
    """

    def __init__(self, work: Callable[[], int]) -> None:
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads at a fork. Ours wait in pools that the child never uses.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            os.close(reader)
            _work_and_exit(work, writer)
        os.close(writer)
        self._reader = reader

    def kill(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Read no more: what is printed from now on goes into a broken pipe."""
        os.close(self._reader)

    def wait_silently(self) -> int:
        """The exit code of a process whose output was closed."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def read_until(self, text: str, timeout: float = PATIENCE) -> str:
        """What is printed, up to and with this text."""
        end, output = time.monotonic() + timeout, b""
        while text.encode() not in output:
            left = end - time.monotonic()
            assert left > 0, f"did not print {text!r} but {output.decode()}"
            if select.select([self._reader], [], [], left)[0]:
                piece = os.read(self._reader, 1 << 16)
                assert piece, f"did not print {text!r} but {output.decode()}"
                output += piece
        return output.decode()

    def wait(self, timeout: float = PATIENCE) -> tuple[int, str]:
        """The exit code, negative when a signal ended it, and what was printed."""
        end, output = time.monotonic() + timeout, b""
        try:
            while True:
                left = end - time.monotonic()
                assert left > 0, f"no end after {timeout:.0f} s; so far: {output.decode()}"
                if select.select([self._reader], [], [], left)[0]:
                    piece = os.read(self._reader, 1 << 16)
                    if not piece:
                        break
                    output += piece
        except BaseException:
            self.kill(signal.SIGKILL)
            raise
        finally:
            os.close(self._reader)
            _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), output.decode(errors="replace")


def _work_and_exit(work: Callable[[], int], writer: int) -> NoReturn:
    code = 70  # for an error that nobody expected
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        for stream in (1, 2):
            os.dup2(writer, stream)
        os.close(writer)
        sys.stdout = os.fdopen(1, "w", buffering=1)
        sys.stderr = os.fdopen(2, "w", buffering=1)
        code = work()
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)  # not through pytest, which believes that it is still running


def training(path: Path, ignored: signal.Signals | None = None) -> Process:
    """`poise train PATH` in a fork; returns once it holds the run's lock and listens to signals.

    It is begun with the signal `ignored`, as by nohup.
    """

    def work() -> int:
        if ignored:
            signal.signal(ignored, signal.SIG_IGN)
        return poise("train", path)

    process = Process(work)
    lock, mark = path / "lock", f"process {process.pid} "
    end = time.monotonic() + PATIENCE
    while not (lock.exists() and lock.read_text().startswith(mark)):
        assert time.monotonic() < end, "the training did not begin"
        assert os.waitpid(process.pid, os.WNOHANG) == (0, 0), "the training ended at once"
        time.sleep(0.001)
    return process
