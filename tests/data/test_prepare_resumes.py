from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from poise.data import prepare as module
from poise.data import work
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.errors import DataError, PoiseError

from .photos import SMALL, fill, tree

# n images, h height, w width, c channels


# Interrupted


KILLED = """
import os, signal, sys
from pathlib import Path
from poise.data import prepare as module, work
from poise.data.options import PrepareOptions

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

calls = 0
def after(number, function):
    def wrapped(*args):
        global calls
        calls += 1
        if calls > number:
            die()
        return function(*args)
    return wrapped

def main():
    photos, out, where, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if where == "write":  # in the middle of a shard
        from poise.data import shards
        shards.write_array = after(number, shards.write_array)
    if where == "end":  # finished, not yet renamed
        module.publish = die
    if where == "renamed":
        Path.unlink = after(number, Path.unlink)
    progress = after(number, lambda *_: None) if where == "shard" else None
    module.prepare(photos, out, PrepareOptions(size="16"), workers=1, progress=progress)

main()
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images for four shards, with some to skip, and the set that comes of them undisturbed."""
    folder = tmp_path_factory.mktemp("many")
    fill(folder / "photos", 450, 8, 8)
    (folder / "photos" / "no.png").write_text("text")
    prepare(folder / "photos", folder / "whole.poise", SMALL, workers=1)
    return folder


@pytest.mark.parametrize(
    ("where", "number"),
    [
        *(("shard", number) for number in (0, 1, 3)),
        *(("write", number) for number in (0, 2, 7)),
        *(("end", 0), ("renamed", 0)),
    ],
)
def test_killed_anywhere_and_started_again_gives_the_same_bytes(
    many: Path, tmp_path: Path, where: str, number: int
) -> None:
    out = tmp_path / "a.poise"
    command = [sys.executable, "-c", KILLED, str(many / "photos"), str(out), where, str(number)]
    assert subprocess.run(command, check=False).returncode == -9
    assert out.exists() == (where == "renamed")
    done: list[int] = []
    resumed = prepare(
        many / "photos", out, SMALL, workers=1, progress=lambda now, _: done.append(now)
    )
    assert tree(resumed.path) == tree(many / "whole.poise")
    assert [path.name for path in tmp_path.iterdir()] == ["a.poise"]
    if where == "shard":
        assert done[0] == 128 * number  # what was finished is not done again


def test_a_finished_shard_that_a_power_cut_took_is_made_again(many: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(many / "photos", tmp_path / "a.poise", SMALL, workers=1, progress=_interrupt)
    (shard,) = tmp_path.rglob("levels/8x8/00000.npy")
    shard.write_bytes(bytes(shard.stat().st_size))
    prepared = prepare(many / "photos", tmp_path / "a.poise", SMALL)
    assert tree(prepared.path) == tree(many / "whole.poise")


def test_an_unfinished_set_of_other_options_is_replaced(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.poise"
    with pytest.raises(KeyboardInterrupt):
        prepare(many / "photos", out, PrepareOptions(size="32"), progress=_interrupt)
    assert (tmp_path / "a.poise.part").exists()
    prepared = prepare(many / "photos", out, SMALL)
    assert tree(prepared.path) == tree(many / "whole.poise")


def _interrupt(done: int, _: int) -> None:
    if done:
        raise KeyboardInterrupt


def test_two_at_once_are_told_apart(many: Path, tmp_path: Path) -> None:
    def second(done: int, _: int) -> None:
        if done:
            prepare(many / "photos", tmp_path / "a.poise", SMALL)

    with pytest.raises(PoiseError, match=r"another process is preparing a\.poise"):
        prepare(many / "photos", tmp_path / "a.poise", SMALL, workers=1, progress=second)


def test_a_process_that_dies_is_replaced(many: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(done: int, _: int) -> None:
        if done and not killed:
            for child in psutil.Process().children():
                if "multiprocessing.spawn" in " ".join(child.cmdline()):
                    child.kill()
                    killed.append(child.pid)

    prepared = prepare(many / "photos", tmp_path / "a.poise", SMALL, workers=2, progress=kill)
    assert killed
    assert tree(prepared.path) == tree(many / "whole.poise")


def test_processes_that_always_die_end_in_one_sentence(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_serve", os._exit)
    with pytest.raises(PoiseError, match=r"3 processes .* died.*start again with --workers 1"):
        prepare(many / "photos", tmp_path / "a.poise", SMALL, workers=2)


PARENT = """
import sys
from pathlib import Path
from poise.data.prepare import prepare
from poise.data.options import PrepareOptions
prepare(sys.argv[1], Path(sys.argv[2]), PrepareOptions(size="16"), workers=2,
        progress=lambda done, _: print(done, flush=True))
print("done")
"""


def test_a_script_needs_no_guard(many: Path, tmp_path: Path) -> None:
    """Spawned processes would run it again, unless they are kept from it."""
    (tmp_path / "script.py").write_text(PARENT)
    script, out = str(tmp_path / "script.py"), str(tmp_path / "a.poise")
    command = [sys.executable, script, str(many / "photos"), out]
    whole = subprocess.run(command, capture_output=True, text=True, check=True)
    assert whole.stdout.splitlines()[-1] == "done"
    assert whole.stdout.count("done") == 1


STUCK = """
import os, signal, sys, time
from pathlib import Path
from poise.data.decode import View
from poise.data.sources import Source
from poise.data.work import Task, Work, _Worker
from poise.size import Size

class Stuck(Source):
    def read(self, name):
        time.sleep(100)

if __name__ == "stuck":
    work = Work(Stuck(), View(Size(8, 8), 3), Path())
elif len(sys.argv) > 1:
    from stuck import work
    print(_Worker(work, Task(0, 0, ["a"]))._process.pid, flush=True)
    time.sleep(2)  # it is at work now
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_ends_with_its_parent_even_in_the_middle_of_a_shard(tmp_path: Path) -> None:
    """Or it would write into the set while the one who resumes does."""
    (tmp_path / "stuck.py").write_text(STUCK)
    command = [sys.executable, "stuck.py", "start"]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False, timeout=30
    )
    assert done.returncode == -9
    limit = time.monotonic() + 10
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(int(done.stdout)).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < limit
            time.sleep(0.02)


# The disk


LIMITED = """
import resource, sys
from pathlib import Path
from poise.data.prepare import prepare
from poise.data.options import PrepareOptions
from poise.errors import PoiseError
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    prepare(sys.argv[1], Path(sys.argv[2]), PrepareOptions(size="16"), workers=int(sys.argv[4]))
except PoiseError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("limit", "workers"),
    [(0, 1), (3_000, 1), (45_000, 1), (45_000, 2), (60_000, 1)],
)
def test_a_full_disk_is_one_sentence_and_what_is_done_is_kept(
    many: Path, tmp_path: Path, limit: int, workers: int
) -> None:
    out = tmp_path / "a.poise"
    arguments = [str(many / "photos"), str(out), str(limit), str(workers)]
    command = [sys.executable, "-c", LIMITED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"the disk became full while preparing {out}. What is done is")
    assert not out.exists()
    assert tree(prepare(many / "photos", out, SMALL).path) == tree(many / "whole.poise")


def test_too_little_space_is_said_before_anything_is_decoded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9))
    with pytest.raises(
        PoiseError, match=r"preparing takes about 0\.0 GB, but only 0\.0 GB are free"
    ):
        prepare(photos, tmp_path / "a.poise", SMALL)
    assert not (tmp_path / "a.poise").exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_place_that_cannot_be_written_is_one_sentence(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_open_part", refuse)
    with pytest.raises(DataError, match=r"cannot write to .*a\.poise: .* Choose another place"):
        prepare(photos, tmp_path / "a.poise", SMALL)
