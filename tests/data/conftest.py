"""A folder of photographs for every test of preparing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .photos import fill


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", 20)
