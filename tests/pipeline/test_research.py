"""Search, walk-forward and evidence from the command line: through Dagster, once and no more."""

import json
from typing import Any

import dagster as dg

from strategy_lab_pipeline import launch
from strategy_lab_pipeline.stages.workspace import Workspace
from tests.pipeline import shell
from tests.pipeline.answers import assert_documented
from tests.pipeline.test_searches import opened, search_of
from tests.pipeline.test_walk_forwards import WINDOWS

__all__ = ["opened"]  # a fixture


def call(opened: Workspace, *arguments: str) -> Any:
    """Return what a command answers with `--json`, and its exit code."""
    done = shell.call("--home", str(opened.settings.home), *arguments, "--json")
    return json.loads(done.stdout) if done.stdout else done.stderr, done.returncode


def test_commands__run_what_is_out_of_date(opened: Workspace) -> None:
    """A search, the windows of a walk-forward, its verdict; Dagster knows their partitions."""
    search_of(opened)
    search_of(opened, WINDOWS, name="walked")

    found, code = call(opened, "search", "sizes")
    assert (found["trials"], found["complete"], code) == (5, 5, 0)
    assert_documented("search", found)
    walked, code = call(opened, "walk-forward", "walked")
    assert (walked["ran"], walked["sessions"], code) == (4, 4, 0)
    assert_documented("walk-forward", walked)
    again, _ = call(opened, "walk-forward", "walked")
    assert (again["ran"], again["windows"]) == (0, walked["windows"])
    evidence, code = call(opened, "evidence", "walked")
    assert_documented("evidence", evidence)
    (weighed,) = evidence
    assert (weighed["verdict"]["colour"], weighed["verdict"]["n_trials"], code) == (
        "can't tell", 5, 0,
    )  # fmt: skip
    said, code = call(opened, "search", "size")
    assert "did you mean 'sizes'" in said
    assert code == 1

    with launch.open_instance(opened.settings) as instance:
        keys = {
            asset: instance.get_materialized_partitions(dg.AssetKey(asset))
            for asset in ("searches", "walk_forwards", "evidence")
        }
    assert keys == {
        "searches": {"sizes"},
        "walk_forwards": {row["key"] for row in walked["windows"]},
        "evidence": {"walked"},
    }
