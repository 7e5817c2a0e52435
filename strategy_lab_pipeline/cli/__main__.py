"""`python -m strategy_lab_pipeline.cli` is `strategy-lab`."""

from strategy_lab_pipeline.cli import main

main()
