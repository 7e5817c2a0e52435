"""The Dagster definitions: assets, checks, sensors, schedules. Thin: fetch, call, describe."""
