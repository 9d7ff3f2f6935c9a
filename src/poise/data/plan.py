"""What is to be prepared and what is done: one SQLite file in the unfinished set.

It keeps the memory of preparing constant, whatever the number of images, makes every finished shard
one transaction (so a kill loses at most the shards in work), and locks out a second process.
Names are stored as bytes: a legal file name need not be text.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import PoiseError
from ..files import sha256_of
from .records import Made, Measures, Refusal
from .shards import Written
from .sources import Entry

_TABLES = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS found(name BLOB PRIMARY KEY, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plan(position INTEGER PRIMARY KEY, name BLOB);
CREATE TABLE IF NOT EXISTS images(
    position INTEGER PRIMARY KEY, sha256 TEXT, height INTEGER, width INTEGER, box TEXT,
    scale REAL, kept REAL);
CREATE TABLE IF NOT EXISTS skipped(name BLOB PRIMARY KEY, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shards(shard INTEGER PRIMARY KEY, count INTEGER);
CREATE TABLE IF NOT EXISTS files(path TEXT PRIMARY KEY, sha256 TEXT, size INTEGER);
"""


class Plan:
    """The plan in the folder `part`; held by one process at a time."""

    NAME = "plan.sqlite"

    def __init__(self, part: Path) -> None:
        self._base = sqlite3.connect(part / self.NAME, timeout=0, isolation_level=None)
        try:
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._base.execute("PRAGMA synchronous = OFF")  # outlives a kill; see is_sound
            self._base.execute("PRAGMA cache_size = -500")  # KB; else it grows to 2 MB
            self._base.execute("BEGIN EXCLUSIVE")
            self._base.execute("COMMIT")
            self._base.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            self._base.close()
            if "locked" not in str(error):
                raise
            raise PoiseError(
                f"another process is preparing {part.stem}. Wait for it, or choose another name."
            ) from error
        self._base.create_function("lot", 1, _lot, deterministic=True)

    def close(self) -> None:
        """Let go of the lock."""
        self._base.close()

    def get(self, key: str) -> Any:
        """A fact that `put` kept, or None."""
        row = self._base.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, **facts: Any) -> None:
        """Keep facts."""
        rows = [(key, json.dumps(value)) for key, value in facts.items()]
        self._base.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def lay(self, key: str, entries: Iterable[Entry], limit: int | None) -> None:
        """Forget everything, then list what is to be prepared: all of it, or `limit` by lot."""
        base = self._base
        base.execute("BEGIN")
        for table in ("meta", "found", "plan", "images", "skipped", "shards", "files"):
            base.execute(f"DELETE FROM {table}")
        base.executemany(
            "INSERT OR IGNORE INTO found VALUES (?, ?)",
            ((_to_bytes(entry.name), entry.refused) for entry in entries),
        )
        base.execute("INSERT INTO skipped SELECT name, reason FROM found WHERE reason != ''")
        base.execute(
            "INSERT INTO plan SELECT ROW_NUMBER() OVER (ORDER BY name) - 1, name FROM "
            "(SELECT name FROM found WHERE reason = '' "
            "ORDER BY CASE WHEN ?1 < 0 THEN x'' ELSE lot(name) END LIMIT ?1)",
            (-1 if limit is None else limit,),
        )
        self.put(key=key, found=self._one("SELECT COUNT(*) FROM found"))
        base.execute("DROP TABLE found")
        base.execute("COMMIT")

    @property
    def total(self) -> int:
        """Images to read."""
        return int(self._one("SELECT COUNT(*) FROM plan"))

    def names(self, start: int, count: int) -> list[str]:
        """The names at positions start, start + 1, ..."""
        query = "SELECT name FROM plan WHERE position >= ? ORDER BY position LIMIT ?"
        return [_to_text(row[0]) for row in self._base.execute(query, (start, count))]

    def is_done(self, shard: int) -> bool:
        """Whether the shard was kept."""
        query = "SELECT 1 FROM shards WHERE shard = ?"
        return self._base.execute(query, (shard,)).fetchone() is not None

    def keep(self, made: Made) -> None:
        """Note a finished shard, all of it or nothing."""
        base = self._base
        base.execute("BEGIN")
        base.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?)", made.records)
        base.executemany(
            "INSERT INTO skipped VALUES (?, ?)",
            ((_to_bytes(refusal.name), refusal.reason) for refusal in made.refusals),
        )
        base.executemany("INSERT INTO files VALUES (?, ?, ?)", made.files)
        base.execute("INSERT INTO shards VALUES (?, ?)", (made.shard, len(made.records)))
        base.execute("COMMIT")

    def shards(self) -> list[tuple[int, int]]:
        """The shards with images, and how many each holds."""
        query = "SELECT shard, count FROM shards WHERE count > 0 ORDER BY shard"
        return list(self._base.execute(query))

    def files(self) -> list[Written]:
        """Every file of every shard."""
        query = "SELECT path, sha256, size FROM files ORDER BY path"
        return [Written(*row) for row in self._base.execute(query)]

    def is_sound(self, part: Path) -> bool:
        """Whether finished shards are as they were written: a power cut may take some."""
        return all(
            (part / file.path).is_file() and sha256_of(part / file.path) == file.sha256
            for file in self.files()
        )

    def image_lines(self) -> Iterator[str]:
        """images.jsonl: one object an image, in order."""
        query = (
            "SELECT name, sha256, height, width, box FROM images "
            "JOIN plan USING (position) ORDER BY position"
        )
        for number, (name, sha256, height, width, box) in enumerate(self._base.execute(query)):
            # By hand, as json.dumps is slower, and all but the name is plain.
            yield (
                f'{{"index": {number}, "name": {json.dumps(_to_text(name))}, "sha256": "{sha256}", '
                f'"original": [{height}, {width}], "crop": {box}}}'
            )

    def refusals(self, limit: int = -1) -> Iterator[Refusal]:
        """What was skipped, by name."""
        query = "SELECT name, reason FROM skipped ORDER BY name LIMIT ?"
        for name, reason in self._base.execute(query, (limit,)):
            yield Refusal(_to_text(name), reason)

    def duplicates(self, limit: int) -> list[list[str]]:
        """Names of files with the same bytes, the largest groups first."""
        groups = self._base.execute(
            "SELECT sha256 FROM images GROUP BY sha256 HAVING COUNT(*) > 1 "
            "ORDER BY COUNT(*) DESC, MIN(position) LIMIT ?",
            (limit,),
        ).fetchall()
        query = "SELECT name FROM images JOIN plan USING (position) WHERE sha256 = ? LIMIT 10"
        return [
            [_to_text(name) for (name,) in self._base.execute(query, group)] for group in groups
        ]

    def measure(self) -> Measures:
        """Counts for the report."""
        used, different = self._base.execute(
            "SELECT COUNT(*), COUNT(DISTINCT sha256) FROM images"
        ).fetchone()
        return Measures(
            found=self.get("found"),
            used=used,
            different=different,
            skipped=self._one("SELECT COUNT(*) FROM skipped"),
            enlarged=self._one("SELECT COUNT(*) FROM images WHERE scale > 1"),
            odd=self._one("SELECT COUNT(*) FROM images WHERE kept < 0.5"),
            sizes=[self._size_at(place) for place in (0, used // 2, used - 1)] if used else [],
        )

    def hold_out(self, share: float, most: int) -> list[int]:
        """Numbers of the images to keep from training: by lot over content, not over names.

        Files with the same bytes fall on the same side. At least one image, and never all.
        """
        wanted = max(1, min(most, int(self._one("SELECT COUNT(*) FROM images") * share)))
        groups = "SELECT sha256, COUNT(*) FROM images GROUP BY sha256 ORDER BY "
        chosen: set[str] = set()
        for sha256, count in self._base.execute(groups + "lot(sha256)"):
            if count <= wanted:
                chosen.add(sha256)
                wanted -= count
            if not wanted:
                break
        if not chosen:
            chosen.add(self._one(groups + "COUNT(*), lot(sha256)"))
        rows = self._base.execute("SELECT sha256 FROM images ORDER BY position")
        return [number for number, (sha256,) in enumerate(rows) if sha256 in chosen]

    def _size_at(self, place: int) -> tuple[int, int]:
        query = (
            "SELECT height, width FROM images ORDER BY height * width, position LIMIT 1 OFFSET ?"
        )
        height, width = self._base.execute(query, (place,)).fetchone()
        return height, width

    def _one(self, query: str) -> Any:
        return self._base.execute(query).fetchone()[0]


def _lot(value: bytes | str) -> bytes:
    """A fixed shuffle: the same for everyone, unrelated to names and to order."""
    data = value.encode() if isinstance(value, str) else value
    return hashlib.sha256(b"poise lot " + data).digest()


def _to_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _to_text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
