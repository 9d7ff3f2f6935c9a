"""How many images are drawn at a time."""

from __future__ import annotations

import pytest

from poise.sampling import at_once
from poise.size import Size


@pytest.mark.parametrize(
    ("size", "images"),
    [
        (Size(4, 4), 64),
        (Size(128, 128), 64),
        (Size(128, 256), 32),
        (Size(200, 200), 24),
        (Size(256, 256), 16),
        (Size(512, 512), 4),
        (Size(1024, 1024), 4),  # as training takes
    ],
)
def test_large_images_are_drawn_few_at_a_time_and_in_whole_groups(size: Size, images: int) -> None:
    assert at_once(size) == images
