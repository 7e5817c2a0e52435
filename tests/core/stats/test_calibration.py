"""How often the statistics are wrong, by simulation; all slow: half an hour on one core.

`python -m benchmarks.calibration` makes the tables of docs/evidence.md from the same studies.
"""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import kstest

from benchmarks import calibration_studies as studies
from benchmarks.engine_power import engine_verdicts, record_length
from benchmarks.planted import EDGES
from strategy_lab_core.stats import Colour, bootstrap_p_value, superior_predictive_ability

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SEEDS = 100


def rows(table: studies.Rows) -> list[tuple[object, ...]]:
    """Return the table without its head."""
    return [tuple(row) for row in table][1:]


def test_probabilistic_sharpe_ratio__has_its_nominal_rate_of_false_positives() -> None:
    """One normal trial of 1,000 sessions, 4,000 seeds: 5 % within three standard errors."""
    last = rows(studies.psr(SEEDS))[-1]
    assert isinstance(last[1], float)
    assert last[1] == pytest.approx(0.05, abs=3 * sqrt(0.05 * 0.95 / 4000))


def test_deflated_sharpe_ratio__has_at_most_its_nominal_rate_of_false_positives() -> None:
    """Any number of trials and correlation, raw and effective: 5 % plus three standard errors."""
    most = 0.05 + 3 * sqrt(0.05 * 0.95 / 500)
    for row in rows(studies.dsr(SEEDS)):
        for cell in row[1:]:
            raw, effective = str(cell).rstrip(")").split(" (")
            assert float(raw) <= most
            assert float(effective) <= most


@pytest.mark.parametrize("trials", [1, 10])
def test_p_values__are_uniform_where_all_means_are_zero(trials: int) -> None:
    """The least favourable null, 300 seeds: Kolmogorov-Smirnov; losing: never more than nominal."""
    drawn = [studies.draw(np.random.default_rng(seed), 250, trials) for seed in range(300)]

    def p_value(values: studies.Float2D, seed: int) -> float:
        if trials == 1:
            return bootstrap_p_value(values[:, 0], samples=300, seed=seed)
        return superior_predictive_ability(values, samples=300, seed=seed).p_value

    found = np.array([p_value(values, seed) for seed, values in enumerate(drawn)])
    losing = np.array([p_value(values - 0.1, seed) for seed, values in enumerate(drawn)])
    # Hansen's consistent p-values leave out trials that lose by chance: uniform in the lower part.
    assert kstest(found[found <= 0.5] * 2, "uniform").pvalue > 0.001
    for level in (0.05, 0.1):
        error = 3 * sqrt(level * (1 - level) / 300)
        assert (found <= level).mean() == pytest.approx(level, abs=error)
        assert (losing <= level).mean() <= level + error


def test_probability_of_backtest_overfitting__is_a_half_on_noise_and_near_zero_on_an_edge() -> None:
    """Mean over 100 seeds within three standard errors; an edge of four a year in one of fifty."""
    table = rows(studies.pbo(SEEDS))
    noise, planted = table[0], table[-1]
    assert noise[1] == pytest.approx(0.5, abs=3 * float(str(noise[2])))
    assert float(str(planted[1])) < 0.05


@pytest.mark.parametrize("shape", studies.SHAPES)
def test_reality__is_not_green_on_luck(shape: str) -> None:
    """The best of fifty trials without edge: at most 5 of 100 seeds are green."""
    colours = [studies.judged(seed, shape=shape).verdict.colour for seed in range(SEEDS)]
    assert colours.count(Colour.GREEN) <= 5


@pytest.mark.parametrize("edge", [1.0, 2.0, 4.0])
def test_reality__is_green_on_a_large_edge_and_never_red_on_a_small_one(edge: float) -> None:
    """At twice the minimum track record green in 80 of 100 seeds; below it hardly ever red."""
    colours = [
        studies.judged(seed, share=1 / studies.TRIALS, edge=edge).verdict.colour
        for seed in range(SEEDS)
    ]
    assert colours.count(Colour.RED) == 0
    if edge == 4.0:
        assert studies.record_length(edge) >= 2
        assert colours.count(Colour.GREEN) >= 80
    else:
        assert studies.record_length(edge) < 1
        assert colours.count(Colour.UNKNOWN) > 50


def test_reality__keeps_its_word_on_searches_that_the_engine_ran() -> None:
    """No edge: green in at most 5 of 100 seeds; the largest edge in at least 80; none is red."""
    none, large, *small = rows(engine_verdicts(SEEDS))
    assert int(str(none[2])) <= 5
    assert float(str(none[-1])) > 1  # a year: the best of luck looks profitable
    assert record_length(EDGES[0]) >= 2
    assert int(str(large[2])) >= 80
    for row in (large, *small):
        assert row[3] == 0
    assert all(int(str(row[4])) > 50 for row in small)
