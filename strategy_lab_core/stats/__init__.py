"""Is it real? Performance, luck and overfitting of series of profits: `docs/evidence.md`."""

from strategy_lab_core.stats.bootstrap import (
    Interval,
    block_length,
    bootstrap_interval,
    bootstrap_p_value,
)
from strategy_lab_core.stats.clusters import cluster_trials, effective_trials
from strategy_lab_core.stats.compare import Ranked, compare, holm, romano_wolf
from strategy_lab_core.stats.deflated import (
    deflated_sharpe_ratio,
    expected_maximum,
    family_confidence,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)
from strategy_lab_core.stats.evidence import Evidence, Luck, SharpeFigures
from strategy_lab_core.stats.null import best_by_luck, shuffled_blocks, shuffled_times
from strategy_lab_core.stats.overfitting import Overfitting, probability_of_backtest_overfitting
from strategy_lab_core.stats.reality import Reality, reality
from strategy_lab_core.stats.returns import (
    Drawdown,
    Performance,
    calmar_ratio,
    drawdown,
    expectancy,
    hit_rate,
    performance,
    profit_factor,
    sortino_ratio,
    tail_ratio,
    turnover,
)
from strategy_lab_core.stats.sharpe import (
    annualised_sharpe_ratio,
    kurtosis,
    sharpe_ratio,
    sharpe_standard_error,
    skewness,
)
from strategy_lab_core.stats.superiority import (
    Superiority,
    model_confidence_set,
    superior_predictive_ability,
)
from strategy_lab_core.stats.verdict import Colour, Light, Verdict, judge

__all__ = [
    "Colour",
    "Drawdown",
    "Evidence",
    "Interval",
    "Light",
    "Luck",
    "Overfitting",
    "Performance",
    "Ranked",
    "Reality",
    "SharpeFigures",
    "Superiority",
    "Verdict",
    "annualised_sharpe_ratio",
    "best_by_luck",
    "block_length",
    "bootstrap_interval",
    "bootstrap_p_value",
    "calmar_ratio",
    "cluster_trials",
    "compare",
    "deflated_sharpe_ratio",
    "drawdown",
    "effective_trials",
    "expectancy",
    "expected_maximum",
    "family_confidence",
    "hit_rate",
    "holm",
    "judge",
    "kurtosis",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "model_confidence_set",
    "performance",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "profit_factor",
    "reality",
    "romano_wolf",
    "sharpe_ratio",
    "sharpe_standard_error",
    "shuffled_blocks",
    "shuffled_times",
    "skewness",
    "sortino_ratio",
    "superior_predictive_ability",
    "tail_ratio",
    "turnover",
]
