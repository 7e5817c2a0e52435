"""How works are timed: in turns, and compared by processor time."""

import pytest

from benchmarks.run import in_turns, times_faster


def test_in_turns__every_work_meets_the_same_load() -> None:
    """Three of the loop, then each work, and again."""
    done: list[str] = []
    works = {name: lambda name=name: done.append(name) for name in ("ours", "theirs")}

    figures = in_turns(works, lambda: done.append("loop"), 1_000, 2)

    assert done == ["loop", "loop", "loop", "ours", "theirs"] * 2
    assert set(figures) == {"ours", "theirs"}
    assert figures["ours"]["rows_per_s"] == 1_000 / figures["ours"]["min_s"]


def test_times_faster__counts_a_share_of_the_work_as_the_whole() -> None:
    """Five sets in 2 s are 40 s for a hundred."""
    ours = {"processor_min_s": 1.0, "processor_median_s": 2.0}
    peers = {"processor_min_s": 2.0, "processor_median_s": 3.0}

    found = times_faster("sweep", ours, peers, 0.05)

    assert found == pytest.approx({"sweep": 40.0, "sweep_median": 30.0})
