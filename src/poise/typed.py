"""Dataclasses from JSON or from a person, either of whom can put anything into a field."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import OptionError

T = TypeVar("T")


def built(kind: type[T], fields: Mapping[str, Any]) -> T:
    """A dataclass of these fields.

    Raises:
        OptionError: one is not of the kind its dataclass says.
    """
    check_types(kind, fields)
    return kind(**fields)


def check_types(kind: type[Any], fields: Mapping[str, Any]) -> None:
    """Refuse a field that is not of the kind its dataclass says.

    Raises:
        OptionError: it says which.
    """
    for name, hint in get_type_hints(kind).items():
        if name in fields and not _is_of(hint, fields[name]):
            raise OptionError(f"{name} cannot be {fields[name]!r}.")


def _is_of(hint: Any, value: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_is_of(each, value) for each in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return type(value) in (int, float)
    if hint in (int, str, bool, NoneType):
        return type(value) is hint  # not isinstance: True is an int
    return not isinstance(value, (int, float, str, list))  # a part, checked when it was built
