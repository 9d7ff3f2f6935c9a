"""Fixtures that every test can ask for; and one thread, set before anything loads torch."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from .helpers import heard_signals, one_thread, shapes, trained

__all__ = ["heard_signals", "one_thread", "shapes", "trained"]
