"""YAML files that people write, read without a float and without a silent mistake.

Decimals become `Decimal`, a key written twice is refused, unknown keys are answered with what was
probably meant. What the keys mean is the caller's.
"""

import difflib
from collections.abc import Collection, Hashable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from strategy_lab_core.errors import ConfigError, FileError, FormatError

__all__ = ["read_yaml", "refuse_unknown", "scaled"]


class _ExactLoader(yaml.SafeLoader):
    """Safe loader with exact decimals and unique keys."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return a value; one that does not exist, such as the 30th of February, has its place."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value!r} is no value: {error}", node.start_mark
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping; refuse a key that is written twice."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} can't be a key", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_decimal(self, node: yaml.ScalarNode) -> Decimal:
        """Return a number with all of its digits."""
        try:
            return Decimal(node.value)
        except InvalidOperation as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value!r} is no finite decimal", node.start_mark
            ) from error


_ExactLoader.add_constructor("tag:yaml.org,2002:float", _ExactLoader.construct_decimal)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; numbers with a point are `Decimal`.

    A file that can't be read, or is no YAML, raises `FileError` with the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_ExactLoader)
    except OSError as error:
        raise FileError(path, f"can't be read ({error.strerror})", "check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise FormatError(path, problem, "correct the file there") from error


def refuse_unknown(name: str, keys: Collection[str], known: Collection[str]) -> None:
    """Raise `ConfigError` for the first of `keys` that is not in `known`."""
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(name, key, f"one of {', '.join(known)}{meant}")


def scaled(name: str, value: object, scale: int) -> int:
    """Return `value` x `scale` as an exact integer, such as a price in 1e-9.

    Integers, `Decimal` and decimal strings are taken; what does not fit the scale is refused.
    """
    digits = len(str(scale)) - 1
    expected = f"a number with at most {digits} decimals"
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ConfigError(name, value, expected)
    try:
        exact = Decimal(value) * scale
        whole = int(exact)
    except (ArithmeticError, ValueError) as error:
        raise ConfigError(name, value, expected) from error
    if whole != exact:
        raise ConfigError(name, value, expected)
    return whole
