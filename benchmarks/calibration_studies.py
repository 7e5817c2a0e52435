"""The studies of `calibration`: each yields a table, its head first; tests take them as they are.

Trials are drawn by session: normal, with fat tails (Student t with 4 degrees of freedom), skewed
(losses seldom and large), autocorrelated (0.2), or one like another (correlation rho).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import sqrt

import numpy as np

from strategy_lab_core.stats import (
    Reality,
    bootstrap_p_value,
    effective_trials,
    expected_maximum,
    minimum_track_record_length,
    probability_of_backtest_overfitting,
    reality,
    superior_predictive_ability,
)
from strategy_lab_core.stats.deflated import confidence_above, family_confidence
from strategy_lab_core.types import Float2D

__all__ = [
    "SHAPES",
    "TRIALS",
    "Float2D",
    "Rows",
    "draw",
    "dsr",
    "judged",
    "p_values",
    "pbo",
    "psr",
    "record_length",
    "trials",
    "verdicts",
]

Rows = Iterator[Sequence[object]]
SHAPES = ("normal", "fat tails", "skewed", "autocorrelated")
SESSIONS_PER_YEAR = 252
SESSIONS, TRIALS, BLOCKS, SAMPLES = 504, 50, 10, 250  # of a verdict: two years, a search of fifty


def draw(
    rng: np.random.Generator, sessions: int, n: int, shape: str = "normal", rho: float = 0.0
) -> Float2D:
    """Return results with mean zero and deviation one (shape: sessions x n trials)."""
    common, own = (_noise(rng, sessions, k, shape) for k in (1, n))
    return np.asarray(sqrt(rho) * common + sqrt(1 - rho) * own)


def _noise(rng: np.random.Generator, sessions: int, n: int, shape: str) -> Float2D:
    if shape == "fat tails":
        return np.asarray(rng.standard_t(4, (sessions, n)) / sqrt(2))
    if shape == "skewed":
        return np.asarray(1 - rng.exponential(1, (sessions, n)))
    noise = rng.standard_normal((sessions, n))
    if shape == "autocorrelated":
        for k in range(1, sessions):
            noise[k] = 0.2 * noise[k - 1] + sqrt(1 - 0.04) * noise[k]
    return noise


def psr(seeds: int) -> Rows:
    """Yield the share of single trials without edge above 95 %; 40 times the seeds."""
    yield ("sessions", *SHAPES, "standard error")
    n = 40 * seeds
    for sessions in (60, 250, 1000):
        shares = []
        for shape in SHAPES:
            values = draw(np.random.default_rng(sessions), sessions, n, shape)
            shares.append(float((_confidence(values, np.zeros(n)) > 0.95).mean()))
        yield (sessions, *shares, sqrt(0.05 * 0.95 / n))


def trials(_: int) -> Rows:
    """Yield the effective number beside that whose expected maximum the best of them shows."""
    yield ("trials", "alike", "counted", "N with the same mean best")
    rng = np.random.default_rng(2)
    for groups, each, rho in (
        (50, 1, 0.0),
        (5, 10, 0.6),
        (5, 10, 0.9),
        (10, 10, 0.95),
        (1, 50, 0.3),
    ):
        counted, best = [], []
        for _seed in range(50):
            parts = [draw(rng, 500, each, rho=rho) for _group in range(groups)]
            values = np.concatenate(parts, axis=1)
            counted.append(effective_trials(values, n_trials=groups * each))
            best.append(float((values.mean(axis=0) * sqrt(500)).max()))
        same = next(n for n in range(1, 1000) if expected_maximum(n) >= np.mean(best))
        alike = f"{groups} groups, {rho:g} within" if each > 1 else "independent"
        yield (groups * each, alike, float(np.mean(counted)), same)


def dsr(seeds: int) -> Rows:
    """Yield the share of best trials without edge whose DSR is above 95 %, raw and effective N."""
    correlations = (0.0, 0.3, 0.6, 0.9)
    yield ("trials", *(f"rho {rho:g}, raw (effective)" for rho in correlations))
    for n in (1, 5, 20, 100):
        cells = []
        for rho in correlations:
            hits = np.array([_deflated(seed, n, rho) for seed in range(5 * seeds)])
            raw, effective = (hits > 0.95).mean(axis=0)
            cells.append(f"{raw:.3f} ({effective:.3f})")
        yield (n, *cells)


def _deflated(seed: int, n: int, rho: float) -> tuple[float, float]:
    values = draw(np.random.default_rng(seed), 250, n, rho=rho)
    sharpes = values.mean(axis=0) / values.std(axis=0, ddof=1)
    best = values[:, [int(sharpes.argmax())]]
    spread = sqrt(sharpes.var(ddof=1)) if n > 1 else 0.0
    counts = (n, effective_trials(values, n_trials=n))
    spreads = (spread, max(spread, sqrt(1 / 249)))
    raw, effective = (
        float(_confidence(best, np.array([each * expected_maximum(count)]))[0])
        for each, count in zip(spreads, counts, strict=True)
    )
    return raw, effective


def p_values(seeds: int) -> Rows:
    """Yield the shares of p-values of single means and of SPA at or below three levels."""
    levels = (0.05, 0.1, 0.5)
    yield ("test", "null", *(f"at {level:g}" for level in levels))
    for name, shape, shift in (
        ("bootstrap", "normal", 0.0), ("bootstrap", "autocorrelated", 0.0),
        ("bootstrap", "normal", -0.1), ("SPA", "normal", 0.0), ("SPA", "fat tails", 0.0),
        ("SPA", "autocorrelated", 0.0), ("SPA", "normal", -0.1),
    ):  # fmt: skip
        found = np.array([_p_value(name, shape, shift, seed) for seed in range(3 * seeds)])
        null = f"{shape}, " + ("all means zero" if not shift else "some or all losing")
        yield (name, null, *(float((found <= level).mean()) for level in levels))


def _p_value(name: str, shape: str, shift: float, seed: int) -> float:
    values = draw(np.random.default_rng(seed), 250, 10 if name == "SPA" else 1, shape)
    values[:, ::2] += shift
    if name == "SPA":
        return superior_predictive_ability(values, samples=300, seed=seed).p_value
    return bootstrap_p_value(values[:, 0], samples=300, seed=seed)


def pbo(seeds: int) -> Rows:
    """Yield mean and spread of the PBO over seeds for noise and for one good trial among fifty."""
    yield ("edge of one trial, a year", "mean PBO", "standard error", "mean chance of a loss")
    for edge in (0.0, 1.0, 2.0, 4.0):
        found = []
        for seed in range(seeds):
            values = draw(np.random.default_rng(seed), SESSIONS, TRIALS)
            values[:, 7] += edge / sqrt(SESSIONS_PER_YEAR)
            each = probability_of_backtest_overfitting(values, blocks=BLOCKS)
            found.append((each.probability, each.probability_of_loss))
        mean, loss = np.mean(found, axis=0)
        yield (edge, float(mean), float(np.std(found, axis=0)[0] / sqrt(seeds)), float(loss))


def verdicts(seeds: int, *, planted: bool) -> Rows:
    """Yield how many seeds of a hundred are green, red or neither, and the DSR's own greens."""
    yield (
        "trials", "edge a year", "sessions / minimum track record", "green", "red", "can't tell",
        "DSR above 95 %",
    )  # fmt: skip
    for label, shape, rho, share, edge in _designs(planted=planted):
        colours: Counter[str] = Counter()
        deflated = 0
        for seed in range(seeds):
            found = judged(seed, shape=shape, rho=rho, share=share, edge=edge)
            colours[found.verdict.colour.value] += 1
            luck = found.evidence.luck
            deflated += luck is not None and (luck.deflated_effective or 0) > 0.95
        counts = [colours[name] for name in ("green", "red", "can't tell")]
        yield (
            label,
            edge,
            f"{record_length(edge):.2f}" if edge else "never enough",
            *counts,
            deflated,
        )


def _designs(*, planted: bool) -> list[tuple[str, str, float, float, float]]:
    if not planted:
        nulls = [(shape, shape, 0.0, 0.0, 0.0) for shape in SHAPES]
        return [*nulls, ("normal, correlation 0.6", "normal", 0.6, 0.0, 0.0)]
    sizes = (1.0, 2.0, 4.0)
    one = [("1 of 50 has it", "normal", 0.0, 1 / TRIALS, edge) for edge in sizes]
    return [*one, *(("half of 50 have it", "normal", 0.6, 0.5, edge) for edge in sizes[1:])]


def record_length(edge: float) -> float:
    """Return the record's sessions over those that the true edge asks of fifty trials."""
    per_session = edge / sqrt(SESSIONS_PER_YEAR)
    confidence = family_confidence(0.98, TRIALS)
    return SESSIONS / minimum_track_record_length(per_session, confidence=confidence)


def judged(
    seed: int, *, shape: str = "normal", rho: float = 0.0, share: float = 0.0, edge: float = 0.0
) -> Reality:
    """Return what `reality` says of the best of fifty trials, a share of which have the edge."""
    values = draw(np.random.default_rng(seed), SESSIONS, TRIALS, shape, rho)
    values[:, : round(share * TRIALS)] += edge / sqrt(SESSIONS_PER_YEAR)
    best = int((values.mean(axis=0) / values.std(axis=0)).argmax())
    return reality(values, chosen=best, n_trials=TRIALS, blocks=BLOCKS, samples=SAMPLES, seed=seed)


def _confidence(values: Float2D, benchmarks: "Float2D") -> Float2D:
    """Return the probabilistic Sharpe ratio of each column against its benchmark."""
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    sharpes = values.mean(axis=0) / values.std(axis=0, ddof=1)
    moments = ((z**3).mean(axis=0), (z**4).mean(axis=0))
    columns = zip(benchmarks, sharpes, *moments, strict=True)
    return np.array([confidence_above(b, s, len(values), g3, g4) for b, s, g3, g4 in columns])
