"""What each stage does to one partition, without Dagster: fetch, call core, publish."""
