"""The verdict: its rule, its reasons, what it refuses, and how often it is wrong."""

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.stats import (
    Colour,
    Reality,
    deflated_sharpe_ratio,
    kurtosis,
    minimum_track_record_length,
    reality,
    sharpe_ratio,
    sharpe_standard_error,
    skewness,
)
from strategy_lab_core.types import Float2D


def judged(values: Float2D, *, n_trials: int | None = None, **options: Any) -> Reality:
    """Judge the best column with few samples and splits."""
    best = int(values.mean(axis=0).argmax())
    count = n_trials or values.shape[1]
    return reality(values, chosen=best, n_trials=count, blocks=6, samples=200, **options)


def noise(seed: int, sessions: int = 250, n: int = 10) -> Float2D:
    """Return trials without an edge."""
    return np.random.default_rng(seed).standard_normal((sessions, n))


def test_reality__is_green_for_an_edge_and_says_why() -> None:
    """Every deciding light, the number of trials in the first words."""
    values = noise(1)
    values[:, 3] += 0.4
    found = judged(values)
    assert found.verdict.colour is Colour.GREEN
    assert found.verdict.summary.startswith("Green, after 10 trials over 250 sessions")
    assert [each.name for each in found.verdict.lights] == [
        "profit", "record", "luck", "deflated", "overfitting",
    ]  # fmt: skip
    assert all(each.colour is Colour.GREEN for each in found.verdict.lights if each.decides)
    assert found.verdict.more_sessions is None
    assert any("walk-forward" in each for each in found.verdict.not_tested)


def test_reality__cannot_tell_a_small_edge_and_says_how_many_sessions_would() -> None:
    """More sessions with the very same figures turn both lights green."""
    values = noise(2)
    values[:, 3] = (values[:, 3] - values[:, 3].mean()) / values[:, 3].std() + 0.12
    values[:, :3] -= 0.3
    values[:, 4:] -= 0.3
    found = judged(values)
    more = found.verdict.more_sessions
    assert found.verdict.colour is Colour.UNKNOWN
    assert more is not None
    assert f"{more:,} more sessions" in found.verdict.what_would_change
    luck = found.evidence.luck
    assert luck is not None
    assert luck.sessions_needed is not None
    assert 250 + more >= luck.sessions_needed > 250


def test_reality__is_red_where_the_best_loses() -> None:
    """Costs have eaten all: the record says no, and no further trial is asked for."""
    found = judged(noise(3) - 0.5)
    assert found.verdict.colour is Colour.RED
    assert "it loses" in found.verdict.summary
    assert found.verdict.more_sessions is None


def test_reality__is_red_where_a_worthwhile_edge_would_have_shown() -> None:
    """Four years of luck where a ratio of two would have shown: red; where one would not: not."""
    values = noise(4, sessions=1000, n=3)
    values -= values.mean(axis=0) + np.array([0.0, 0.01, 0.02])
    values[:, 0] += 0.001
    found = judged(values, worthwhile_sharpe=2.0)
    assert found.verdict.colour is Colour.RED
    assert "no more than luck" in found.verdict.summary
    assert judged(values).verdict.colour is Colour.UNKNOWN


def test_reality__cannot_tell_from_fewer_than_thirty_sessions() -> None:
    """Whatever they show; the lights still say what they saw."""
    values = noise(5, sessions=29) + 3
    found = judged(values)
    assert found.verdict.colour is Colour.UNKNOWN
    assert "fewer than 30 sessions" in found.verdict.summary
    for sessions in (2, 3, 9, 12):
        assert judged(values[:sessions]).verdict.colour is Colour.UNKNOWN


def test_reality__trials_without_a_series_make_it_harder() -> None:
    """A thousand thrown away ones: the same series is no longer enough."""
    values = noise(6)
    values[:, 3] += 0.22
    assert judged(values).verdict.colour is Colour.GREEN
    found = judged(values, n_trials=10_000)
    assert found.verdict.colour is Colour.UNKNOWN
    assert any("9990 of 10000 trials have no full series" in x for x in found.verdict.not_tested)


def test_reality__a_loss_is_below_zero() -> None:
    """The reason of the light has no negative number of standard errors above zero."""
    (light,) = [each for each in judged(noise(6) - 0.5).verdict.lights if each.name == "luck"]
    assert re.search(r"mean is \d+\.\d\d standard errors below zero", light.reason)


def test_reality__figures_are_those_of_the_functions() -> None:
    """Deflated ratio, minimum track record and V, by the public functions."""
    values = noise(7)
    random = noise(8, n=60).mean(axis=0)
    found = reality(
        values, chosen=2, n_trials=25, random_sharpes=random, blocks=6, samples=200
    )  # fmt: skip
    luck, column = found.evidence.luck, values[:, 2]
    assert luck is not None
    assert luck.variance is not None
    own = np.var([sharpe_ratio(each) for each in values.T], ddof=1)
    assert luck.variance == pytest.approx(max(own, random.var(ddof=1)))
    assert (luck.effective, luck.n_series) == (25, 10)
    shape = {"skewness": skewness(column), "kurtosis": kurtosis(column)}
    assert luck.deflated_raw == deflated_sharpe_ratio(
        sharpe_ratio(column), n_observations=250, n_trials=25, trial_variance=luck.variance, **shape
    )
    if luck.sessions_needed is not None:
        alone = minimum_track_record_length(
            sharpe_ratio(column), confidence=0.98 ** (1 / 25), **shape
        )
        errors = [sharpe_standard_error(column, lags=lags) for lags in (None, 0)]
        assert luck.sessions_needed == pytest.approx(alone * max(errors[0] / errors[1], 1) ** 2)


def test_reality__counts_a_walk_forwards_trials_by_their_own_sessions() -> None:
    """Copies of a trial are one; one without a series counts; what was not seen is said."""
    judging, training = noise(8, sessions=60, n=1), noise(9, sessions=90, n=4)
    copies = np.concatenate([training, training], axis=1)

    blind = reality(judging, chosen=0, n_trials=9)
    seeing = reality(judging, chosen=0, n_trials=9, counted=copies)

    assert blind.evidence.luck is not None
    assert seeing.evidence.luck is not None
    assert (blind.evidence.luck.effective, seeing.evidence.luck.effective) == (9, 5)
    assert (blind.evidence.luck.n_counted, seeing.evidence.luck.n_counted) == (1, 8)
    assert seeing.evidence.luck.variance == pytest.approx(
        np.var([sharpe_ratio(each) for each in copies.T], ddof=1)
    )
    assert any("1 of 9 trials have no full series" in each for each in seeing.verdict.not_tested)
    whole = reality(judging, chosen=0, n_trials=8, counted=copies)
    assert any(
        "8 trials are counted by other sessions" in each for each in whole.verdict.not_tested
    )
    with pytest.raises(ConfigError, match="at least the 8 trials whose series are here, got 7"):
        reality(judging, chosen=0, n_trials=7, counted=copies)


def test_reality__dumps_as_json_without_a_number_that_is_none() -> None:
    """Small, whole, and no NaN."""
    found = judged(noise(9)).to_dict()
    text = json.dumps(found, allow_nan=False)
    assert len(text) < 20_000
    assert sum(found["evidence"]["overfitting"]["logit_histogram"]["counts"]) == 20
    assert found["verdict"]["colour"] in ("green", "red", "can't tell")


def test_reality__is_the_same_each_time() -> None:
    """The seed decides, nothing else."""
    assert judged(noise(10)).to_dict() == judged(noise(10)).to_dict()


@pytest.mark.parametrize(
    ("values", "options", "missing"),
    [
        (noise(11, n=1), {}, "overfitting"),
        (noise(11), {"n_pruned": 3}, "overfitting"),
        (noise(11, sessions=11), {}, "overfitting"),
        (noise(11, sessions=9), {}, "superiority"),
        (np.zeros((100, 3)), {}, "sharpe"),
        (noise(11, n=1), {"n_trials": 5}, "variance"),
    ],
)
def test_reality__says_what_could_not_be_said(
    values: Float2D, options: dict[str, int], missing: str
) -> None:
    """One trial, pruned trials, few sessions, no trade at all: a reason instead of a number."""
    found = judged(values, **options)
    assert missing in found.evidence.missing
    assert any(found.evidence.missing[missing] in each for each in found.verdict.not_tested)
    json.dumps(found.to_dict(), allow_nan=False)
    if missing == "sharpe":
        assert found.verdict.colour is Colour.UNKNOWN


def test_reality__refuses_what_is_no_evidence() -> None:
    """Trials not counted, NaN, one session, a column that is not there, too few random trials."""
    values = noise(12)
    with pytest.raises(TypeError, match="n_trials"):
        reality(values, chosen=0)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="at least the 10 trials whose series are here, got 9"):
        reality(values, chosen=0, n_trials=9)
    with pytest.raises(ConfigError, match="chosen must be a column, from 0 to 9, got 10"):
        reality(values, chosen=10, n_trials=10)
    with pytest.raises(ConfigError, match="at least 50 trials, got 49"):
        reality(values, chosen=0, n_trials=10, random_sharpes=np.ones(49))
    with pytest.raises(ConfigError, match="even number"):
        reality(values, chosen=0, n_trials=10, blocks=7)
    with pytest.raises(DataError, match="at least 2 sessions, got 1"):
        reality(values[:1], chosen=0, n_trials=10)
    values[0, 0] = math.nan
    with pytest.raises(DataError, match="must be finite"):
        reality(values, chosen=0, n_trials=10)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(-0.3, 0.5), st.integers(30, 120))
def test_reality__green_has_all_it_needs_and_red_a_long_record(
    seed: int, edge: float, sessions: int
) -> None:
    """The rule, over random searches."""
    found = judged(noise(seed, sessions, 4) + edge)
    light = {each.name: each.colour for each in found.verdict.lights}

    assert (found.verdict.colour is Colour.GREEN) == (
        light["record"] is Colour.GREEN
        and light["luck"] is Colour.GREEN
        and light["overfitting"] is not Colour.RED
        and light["profit"] is not Colour.RED
    )
    is_red = Colour.RED in (light["profit"], light["record"])
    assert (found.verdict.colour is Colour.RED) == is_red
