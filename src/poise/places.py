"""What commands take by place, without an option's name: types that name it in the usage."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import Positional, arg

SourceWord = Annotated[Positional[str], arg(metavar="SOURCE")]
OutWord = Annotated[Positional[str], arg(metavar="[OUT]")]
RunWord = Annotated[Positional[str], arg(metavar="RUN")]
SubjectWords = Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|IMAGES ...")]
NameWords = Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME ...]")]
