"""SPA, StepM and the confidence set: Hansen's formulas by hand, arch, and arch's gap closed."""

import numpy as np
import pytest
from arch.bootstrap import MCS, SPA, StationaryBootstrap, StepM

from strategy_lab_core.errors import DataError
from strategy_lab_core.stats import model_confidence_set, superior_predictive_ability
from strategy_lab_core.stats.bootstrap import long_run_deviation
from strategy_lab_core.types import Float2D

SESSIONS, LENGTH, SAMPLES = 150, 3.0, 200


def trials(seed: int) -> Float2D:
    """Return six trials of very different size, the first with an edge."""
    values = np.random.default_rng(seed).standard_normal((SESSIONS, 6))
    values[:, 0] += 0.4
    values[:, 1] -= 0.4
    sized: Float2D = values * np.array([0.01, 1, 5, 10, 2, 100])
    return sized


@pytest.mark.parametrize("seed", range(4))
def test_superior_predictive_ability__is_hansen_s_by_hand(seed: int) -> None:
    """Statistic, centring and p-values of the paper, sample by sample (2005, section 3)."""
    values = trials(seed)
    found = superior_predictive_ability(values, length=LENGTH, samples=SAMPLES, seed=seed)
    omega = long_run_deviation(values, LENGTH)
    mean, root = values.mean(axis=0), np.sqrt(SESSIONS)
    statistic = (root * mean / omega).max()
    is_kept = root * mean / omega >= -np.sqrt(2 * np.log(np.log(SESSIONS)))
    centres = (np.maximum(mean, 0), np.where(is_kept, mean, 0), mean)
    size: int = 3
    drawn = [
        each[0][0].mean(axis=0)
        for each in StationaryBootstrap(size, values, seed=seed).bootstrap(SAMPLES)
    ]
    expected = [
        (1 + sum((root * (each - centre) / omega).max() > statistic for each in drawn))
        / (SAMPLES + 1)
        for centre in centres
    ]
    assert [found.p_lower, found.p_value, found.p_upper] == pytest.approx(expected)
    assert found.statistics == pytest.approx(root * mean / omega)


def test_superior_predictive_ability__does_not_depend_on_the_trials_sizes() -> None:
    """Studentised: arch's own switch changes nothing, so a small trial drowns in large ones."""
    values = trials(1)
    sizes = np.array([1000.0, 1, 0.1, 1, 50, 0.01])
    one, other = (
        superior_predictive_ability(each, length=LENGTH, samples=SAMPLES, seed=2)
        for each in (values, values * sizes)
    )
    assert one.p_value == other.p_value
    assert one.superior.tolist() == other.superior.tolist() == [True] + [False] * 5
    size: int = 3
    tests = [
        SPA(np.zeros(SESSIONS), -values, size, SAMPLES, studentize=each, seed=2)
        for each in (True, False)
    ]
    for test in tests:
        test.compute()
    assert tests[0].pvalues.equals(tests[1].pvalues), "arch studentises now: divide no longer"
    assert tests[0].pvalues["consistent"] > 0.2 > one.p_value


@pytest.mark.parametrize("seed", range(3))
def test_superior_predictive_ability__has_the_superior_trials_of_arch_s_stepm(seed: int) -> None:
    """On studentised results; the second step finds more than the first."""
    values = np.random.default_rng(seed).standard_normal((SESSIONS, 8)) + np.linspace(-0.2, 0.6, 8)
    scaled = values / long_run_deviation(values, LENGTH)
    size: int = 3
    test = StepM(np.zeros(SESSIONS), -scaled, 0.05, size, SAMPLES, seed=seed)
    test.compute()
    found = superior_predictive_ability(values, length=LENGTH, samples=SAMPLES, seed=seed)
    assert np.flatnonzero(found.superior).tolist() == test.superior_models
    assert 0 < found.superior.sum() < 8


def test_superior_predictive_ability__finds_all_superior() -> None:
    """Where arch's StepM stops with an error."""
    values = np.random.default_rng(0).standard_normal((SESSIONS, 3)) + 1
    assert superior_predictive_ability(values, samples=SAMPLES).superior.all()


def test_superior_predictive_ability__takes_a_benchmark_and_trials_that_never_traded() -> None:
    """Beating a good benchmark is harder; zeros are never superior."""
    values = np.random.default_rng(5).standard_normal((SESSIONS, 2)) + np.array([0.5, 0.0])
    values[:, 1] = 0.0
    assert superior_predictive_ability(values, samples=SAMPLES).superior.tolist() == [True, False]
    beaten = superior_predictive_ability(values, benchmark=values[:, 0], samples=SAMPLES)
    assert beaten.p_lower == beaten.p_value == beaten.p_upper == 1.0
    assert not beaten.superior.any()


def test_model_confidence_set__is_arch_s() -> None:
    """Statistic "max", by trial; copies share their p-value."""
    values = np.random.default_rng(6).standard_normal((SESSIONS, 4)) + np.array(
        [0.0, 0.6, 0.5, 0.1]
    )
    size: int = 3
    order = np.lexsort(values[::-1])
    test = MCS(-values[:, order], 0.05, SAMPLES, size, "max", seed=1)
    test.compute()
    expected = np.empty(4)
    expected[order[test.pvalues.index.to_numpy()]] = test.pvalues["Pvalue"].to_numpy()
    found = model_confidence_set(values, length=LENGTH, samples=SAMPLES, seed=1)
    assert found == pytest.approx(expected)
    assert found[1] == 1.0
    assert found[0] < 0.05
    copied = model_confidence_set(np.hstack([values, values[:, [1]]]), length=LENGTH, seed=1)
    assert copied[4] == copied[1]


def test_superiority__refuses_what_has_no_answer() -> None:
    """Too few sessions, NaN, one profit throughout, and trials that are all the same."""
    values = trials(0)
    with pytest.raises(DataError, match="at least 10 sessions"):
        superior_predictive_ability(values[:9])
    with pytest.raises(DataError, match="all columns are the same"):
        model_confidence_set(np.repeat(values[:, :1], 3, axis=1))
    values[3, 2] = np.inf
    with pytest.raises(DataError, match="must be finite"):
        superior_predictive_ability(values)
    values[:, 2] = 3.0
    with pytest.raises(DataError, match="trial 2 has the profit 3"):
        superior_predictive_ability(values)
