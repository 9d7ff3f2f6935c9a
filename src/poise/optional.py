"""Options that may be unset, shown as what they are: `--images INT`, not `{None}|INT`.

The word None still unsets one that a preset sets.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo
from tyro.constructors import UnsupportedTypeAnnotationError as Unsupported

UNSET = "None"
registry = ConstructorRegistry()


@registry.primitive_rule
def unset_or_value(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | Unsupported | None:
    """How `kind | None` is read: as its kind is, or from the one word None."""
    kinds = [kind for kind in get_args(info.type) if kind is not NoneType]
    if NoneType not in get_args(info.type) or len(kinds) != 1:
        return None
    inner = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kinds[0], info.markers))
    if not isinstance(inner, PrimitiveConstructorSpec):
        return inner
    return PrimitiveConstructorSpec(
        nargs=inner.nargs,
        metavar=inner.metavar,
        instance_from_str=lambda words: (
            None if words == [UNSET] else inner.instance_from_str(words)
        ),
        is_instance=lambda value: value is None or inner.is_instance(value),
        str_from_instance=lambda value: (
            [UNSET] if value is None else inner.str_from_instance(value)
        ),
        choices=(*inner.choices, UNSET) if inner.choices else None,
    )
