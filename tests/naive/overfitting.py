"""CSCV split by split, as Bailey, Borwein, Lopez de Prado and Zhu (2017) tell it."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from strategy_lab_core.types import Float1D, Float2D, Int1D

__all__ = ["NaiveOverfitting", "overfitting"]


class NaiveOverfitting(NamedTuple):
    """The same figures as `Overfitting`, by the obvious way."""

    probability: float
    logits: list[float]
    slope: float | None
    probability_of_loss: float
    dominates_first: bool
    dominates_second: bool


def overfitting(trials: Float2D, blocks: int) -> NaiveOverfitting:
    """Go through all splits of `blocks` row blocks."""
    parts = np.array_split(np.arange(len(trials)), blocks)
    logits, inside, outside, everything = [], [], [], []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        others = [block for block in range(blocks) if block not in chosen]
        trained = [_ratio(column) for column in _rows(trials, parts, chosen).T]
        tested = [_ratio(column) for column in _rows(trials, parts, others).T]
        best = trained.index(max(trained))
        share = float(rankdata(tested)[best]) / (len(tested) + 1)
        logits.append(math.log(share / (1 - share)))
        inside.append(trained[best])
        outside.append(tested[best])
        everything += tested
    slope = np.polyfit(inside, outside, 1)[0] if max(inside) > min(inside) else None
    first, second = _dominance(outside, everything)
    return NaiveOverfitting(
        probability=sum(each <= 0 for each in logits) / len(logits),
        logits=logits,
        slope=slope,
        probability_of_loss=sum(each < 0 for each in outside) / len(outside),
        dominates_first=first,
        dominates_second=second,
    )


def _rows(trials: Float2D, parts: list[Int1D], chosen: "tuple[int, ...] | list[int]") -> Float2D:
    return np.asarray(trials[np.concatenate([parts[block] for block in chosen])])


def _ratio(values: Float1D) -> float:
    if not values.any():
        return 0.0
    return float(np.mean(values) / np.std(values, ddof=1))


def _dominance(chosen: list[float], everything: list[float]) -> tuple[bool, bool]:
    """Compare the two distributions, and their integrals, at each chosen value."""
    first = second = True
    everyone = np.array(everything)
    mine = np.array(chosen)
    for x in chosen:
        first &= bool((mine <= x).mean() <= (everyone <= x).mean() + 1e-12)
        area, area_of_all = np.maximum(x - mine, 0).mean(), np.maximum(x - everyone, 0).mean()
        second &= bool(area <= area_of_all + 1e-9)
    return first, second
