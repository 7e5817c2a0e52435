"""What Dagster loads: everything found under `defs/`, and the executor.

Steps run in the run's own process; parallelism is by runs (dagster.yaml, `max_concurrent_runs`).
"""

import warnings
from pathlib import Path

import dagster as dg

# Checks per partition and mappings between partitions still carry Dagster's marks of youth.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

__all__ = ["defs"]


@dg.definitions
def defs() -> dg.Definitions:
    """Return every asset, check, job, schedule and sensor of Strategy Lab."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
