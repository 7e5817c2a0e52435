"""An experiment over several instruments: an experiment for each of them, in one account.

What stands beside `instruments` in the file holds for all of them; what an instrument says of
itself counts over it, key by key. Each part is an experiment like any other, so that its run is
the one that it would be alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import (
    KEYS,
    OWN_KEYS,
    Experiment,
    digest_of,
    experiment_from_dict,
)

__all__ = ["Together", "any_from_dict", "parts_of"]

_OF_THE_ACCOUNT = ("name", "description", "capital_e6")


@dataclass(frozen=True, slots=True)
class Together:
    """Experiments that share an account, its capital and its sessions.

    Attributes
    ----------
    name, description
        For people; the name is part of file names.
    capital_e6
        Fixed capital that the account's returns are counted on, 1e-6 of its currency.
    parts
        One for each instrument, at least two, by instrument.
    """

    name: str
    description: str
    capital_e6: int
    parts: tuple[Experiment, ...]

    @property
    def products(self) -> tuple[str, ...]:
        """Roots of the products, each once, by name."""
        return tuple(sorted({part.product for part in self.parts}))

    @property
    def sessions(self) -> tuple[date, date] | None:
        """First and last session of a carried run, the same for all parts."""
        return self.parts[0].sessions

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides a result, in plain types, for provenance."""
        return {
            "name": self.name,
            "description": self.description,
            "capital_e6": self.capital_e6,
            "instruments": {part.instrument: _own(part) for part in self.parts},
        }

    def digest(self) -> str:
        """Return 16 hex digits that change with everything but name and description."""
        return digest_of(self.as_dict())


def _own(part: Experiment) -> dict[str, Any]:
    return {key: value for key, value in part.as_dict().items() if key not in _OF_THE_ACCOUNT}


def parts_of(one: Experiment | Together) -> tuple[Experiment, ...]:
    """Return the experiments of one instrument that an experiment consists of."""
    return one.parts if isinstance(one, Together) else (one,)


def any_from_dict(
    content: Mapping[str, Any], *, folder: Path | None = None
) -> Experiment | Together:
    """Return the experiment that a mapping describes, of one instrument or of several.

    Parameters
    ----------
    content, folder
        As for `experiment_from_dict`; with `instruments` a list of mappings, each with keys of
        its own among `OWN_KEYS`.

    Raises
    ------
    ConfigError
        Names the instrument and the key that is wrong; fewer than two instruments, or one twice.
    """
    if "instruments" not in content:
        return experiment_from_dict(content, folder=folder)
    refuse_unknown("key", content, KEYS)
    given = content["instruments"]
    if not isinstance(given, list) or len(given) < 2:
        rule = "a list of two or more, such as [{product: MNQ}, {product: MES}]"
        raise ConfigError("instruments", given, rule)
    common = {key: value for key, value in content.items() if key != "instruments"}
    found = [_part(common, own, place, folder) for place, own in enumerate(given, 1)]
    parts = tuple(sorted(found, key=lambda part: part.instrument))
    named = [part.instrument for part in parts]
    if twice := [name for name in named if named.count(name) > 1]:
        raise ConfigError("instruments", twice[0], "each of them once")
    first = parts[0]
    return Together(first.name, first.description, first.capital_e6, parts)


def _part(common: Mapping[str, Any], own: Any, place: int, folder: Path | None) -> Experiment:
    if not isinstance(own, Mapping):
        raise ConfigError(f"instruments[{place}]", own, "a mapping such as {product: MNQ}")
    where = f"instruments[{place}]"
    refuse_unknown(where, own, OWN_KEYS)
    try:
        return experiment_from_dict(_over(common, own), folder=folder)
    except ConfigError as error:
        if re.split(r"[.\[]", error.name)[0] not in OWN_KEYS:
            raise  # it is not for an instrument to say
        raise ConfigError(f"{where}.{error.name}", error.value, error.expected) from error


def _over(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for an instrument: its own keys, also inside a mapping, over the common."""
    said = {key: value for key, value in own.items() if value is not None}
    merged = {**common, **said}
    for key in said.keys() & common.keys() - {"contract"}:
        if isinstance(said[key], Mapping) and isinstance(common[key], Mapping):
            merged[key] = {**common[key], **said[key]}
    return merged
