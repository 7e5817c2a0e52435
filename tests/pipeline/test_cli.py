"""The command line: one JSON document on standard output, exit codes, one-line errors."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from strategy_lab_pipeline.inquiry import _next_steps
from tests.pipeline import shell
from tests.pipeline.answers import assert_documented

ROOT = Path(__file__).parents[2]


def run(*arguments: str, home: Path | None = None, **environment: str) -> Any:
    """Call `strategy-lab` in this process and return what came back."""
    words = [*arguments] if home is None else ["--home", str(home), *arguments]
    return shell.call(*words, **environment)


def run_alone(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Call `strategy-lab` as a shell does, in a process of its own."""
    command = [sys.executable, "-m", "strategy_lab_pipeline.cli", *arguments]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def answer(*arguments: str, home: Path) -> Any:
    """Return the JSON answer of a command that must succeed."""
    done = run(*arguments, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Return a home folder after a small demo, and what the demo answered."""
    home = tmp_path_factory.mktemp("demo") / "home"
    return home, answer("demo", "--events", "2000", home=home)


def test_demo__goes_from_nothing_to_a_report(demo: tuple[Path, Any]) -> None:
    """Three sessions and the reports are run; the report's path is there."""
    _, first = demo
    assert first["success"]
    assert_documented("demo", first)
    assert {file["status"] for file in first["catalogued"]} == {"whole"}
    assert [run["session"] for run in first["ran"]] == [
        "2025-01-13", "2025-01-14", "2025-01-15", "-",
    ]  # fmt: skip
    (page,) = first["reports"]
    assert "<svg" in Path(page).read_text(encoding="utf-8")


def test_demo__a_second_time_does_only_what_is_missing(demo: tuple[Path, Any]) -> None:
    """Nothing is read and nothing is run, and it says so: to a shell too."""
    home, _ = demo
    again = run_alone("--home", str(home), "demo", "--events", "2000")

    assert again.returncode == 0
    assert "0 files catalogued, 0 of 0 runs done, 3 sessions were up to date" in again.stderr
    assert again.stdout == ""


def test_backtest__a_new_experiment_is_run(demo: tuple[Path, Any], tmp_path: Path) -> None:
    """Books and ticks stay as they are; a report is added."""
    home, _ = demo
    text = (ROOT / "examples" / "imbalance.yaml").read_text(encoding="utf-8")
    file = tmp_path / "second.yaml"
    file.write_text(text.replace("name: imbalance_mnq", "name: second"), encoding="utf-8")

    found = answer("backtest", str(file), home=home)

    assert found["success"]
    assert len(found["ran"]) == 4
    assert sorted(Path(path).stem for path in found["reports"]) == ["imbalance_mnq", "second"]
    assert [row["experiment"] for row in found["results"]] == ["imbalance_mnq", "second"]
    assert {row["sessions"] for row in found["results"]} == {3}
    report = json.loads(Path(found["reports"][0]).with_suffix(".json").read_text(encoding="utf-8"))
    net = found["results"][0]["net_profit_e6"]
    assert isinstance(net, int)
    assert net == sum(row["net_profit"] for row in report["sessions"]) != 0
    page = Path(found["reports"][1]).read_text(encoding="utf-8")
    assert "4 of the files were made by the simulator" in page
    assert "by the rule volume" in page
    assert "was asked for" not in page
    assert answer("report", home=home)["ran"] == []


@pytest.mark.parametrize(
    "words",
    [["report"], ["status"], ["quality"], ["doctor"], ["new", "schema"], ["forget"],
     ["sweep", "examples/imbalance.yaml", "--set", "hold_ms=1000,2000"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_json__is_what_the_page_says(
    demo: tuple[Path, Any], tmp_path: Path, words: list[str]
) -> None:
    """Key by key: programs read docs/command-line.md."""
    home, _ = demo
    command = [str(ROOT / word) if word.startswith("examples/") else word for word in words]
    if words == ["new", "schema"]:
        command += ["--folder", str(tmp_path)]
    if words == ["forget"]:
        home = Path(shutil.copytree(home, tmp_path / "home"))
        command.append(_away(home))
    assert_documented(words[0], answer(*command, home=home))


def _away(home: Path) -> str:
    """Return a catalogued file that is not there any more."""
    gone = home / "gone.mbo.dbn.zst"
    shutil.copyfile(next(home.glob("landing/*20250112*")), gone)
    answer("ingest", str(gone), home=home)
    gone.unlink()
    return str(gone)


def test_backtest__shows_the_figures_of_every_experiment(demo: tuple[Path, Any]) -> None:
    """What it came to is seen without a browser."""
    home, _ = demo
    shown = run("backtest", home=home).stderr

    assert "imbalance_mnq: 3 sessions, " in shown
    assert "net profit " in shown


def test_backtest__says_when_there_is_nothing_to_run_on(tmp_path: Path) -> None:
    """A home folder without sessions: where it looked, and how sessions get there."""
    shown = run("backtest", str(ROOT / "examples" / "imbalance.yaml"), home=tmp_path / "home")

    assert f"no sessions in {tmp_path / 'home'}: `strategy-lab ingest FILES`" in shown.stderr


def test_backtest__says_which_product_has_no_session(
    demo: tuple[Path, Any], tmp_path: Path
) -> None:
    """A mistyped product is no success in silence."""
    home, _ = demo
    text = (ROOT / "examples" / "imbalance.yaml").read_text(encoding="utf-8")
    file = tmp_path / "lost.yaml"
    file.write_text(
        text.replace("name: imbalance_mnq", "name: lost").replace("product: MNQ", "product: MNK"),
        encoding="utf-8",
    )
    shown = run("backtest", str(file), home=home).stderr
    (home / "experiments" / file.name).unlink()
    run("report", home=home)

    assert "experiment lost: no session of MNK; there are MNQ" in shown


def test_backtest__keeps_the_file_of_another_experiment(
    demo: tuple[Path, Any], tmp_path: Path
) -> None:
    """A file of the same name and of another experiment is refused, not put in its place."""
    home, _ = demo
    kept = home / "experiments" / "imbalance_mnq.yaml"
    before = kept.read_bytes()
    text = (ROOT / "examples" / "imbalance.yaml").read_text(encoding="utf-8")
    file = tmp_path / kept.name
    file.write_text(text.replace("name: imbalance_mnq", "name: other"), encoding="utf-8")

    done = run("backtest", str(file), home=home)

    assert done.returncode == 1
    assert "is the experiment 'imbalance_mnq'; give the file of 'other' another name" in done.stderr
    assert kept.read_bytes() == before


def test_backtest__keeps_the_file_of_a_broken_experiment(tmp_path: Path) -> None:
    """An experiment whose strategy is away for the moment is not lost either."""
    text = (ROOT / "examples" / "imbalance.yaml").read_text(encoding="utf-8")
    kept, file = tmp_path / "home" / "experiments" / "one.yaml", tmp_path / "one.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("name: kept\nstrategy: gone.py\n", encoding="utf-8")
    file.write_text(text, encoding="utf-8")

    done = run("backtest", str(file), home=tmp_path / "home")

    assert done.returncode == 1
    assert "is the experiment 'kept'" in done.stderr
    assert "gone.py" in kept.read_text(encoding="utf-8")


def test_ingest__of_an_empty_folder_says_so(tmp_path: Path) -> None:
    """No file is no error, but it is said; a name with brackets is shown as it is."""
    (tmp_path / "[red]empty").mkdir()
    shown = run("ingest", str(tmp_path / "[red]empty"), home=tmp_path / "home").stderr

    assert f"no tick files in {tmp_path / '[red]empty'}" in shown


def test_status__fits_a_narrow_terminal(demo: tuple[Path, Any]) -> None:
    """Sessions are not cut; what a session lacks is listed."""
    shown = run("status", home=demo[0], COLUMNS="80").stderr

    assert "2025-01-13" in shown
    assert "out of date" in shown


def test_backtest__names_what_was_meant(tmp_path: Path) -> None:
    """An unknown key is refused with the one it looks like, and nothing is copied."""
    text = (ROOT / "examples" / "imbalance.yaml").read_text(encoding="utf-8")
    file = tmp_path / "typo.yaml"
    file.write_text(text.replace("capital:", "captial:"), encoding="utf-8")

    done = run("backtest", str(file), home=tmp_path / "home")

    assert done.returncode == 1
    assert "captial" in done.stderr
    assert "capital" in done.stderr.replace("captial", "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "home" / "experiments" / "typo.yaml").exists()


def test_bars__show_a_session(demo: tuple[Path, Any]) -> None:
    """Those of the lake, and of a rule that no setting names; a person gets a table."""
    home, _ = demo
    minutes = answer("bars", "MNQ", "--session", "2025-01-14", home=home)
    trades = answer("bars", "MNQ", "--session", "2025-01-14", "--every", "100ticks", home=home)
    shown = run("bars", "MNQ", "--session", "2025-01-14", "--every", "4h", home=home)

    assert sum(bar["volume"] for bar in minutes) == sum(bar["volume"] for bar in trades) > 0
    assert {bar["n_trades"] for bar in trades[:-1]} == {100}
    assert shown.returncode == 0
    assert all(name in shown.stderr for name in ("MNQH5", "23:00:00", "close", "volume"))
    assert run("bars", "MNQ", "--session", "2025-01-14", "--every", "9x", home=home).returncode == 1


def test_quality__lists_every_rule_of_every_session(demo: tuple[Path, Any]) -> None:
    """Failed, passed and not applicable; narrowed on request."""
    home, _ = demo
    rows = answer("quality", home=home)["rules"]

    assert {row["session"] for row in rows} == {"2025-01-13", "2025-01-14", "2025-01-15"}
    assert {row["result"] for row in rows} == {"passed", "failed", "not applicable"}
    found = {(row["rule"], row["result"]) for row in rows if row["session"] == "2025-01-13"}
    assert ("off_grid_price", "failed") in found
    one = answer("quality", "--product", "MNQ", "--session", "2025-01-14", home=home)
    assert {row["session"] for row in one["rules"]} == {"2025-01-14"}
    assert [row["session"] for row in one["sessions"]] == ["2025-01-14"]


def test_quality__scores_every_session(demo: tuple[Path, Any]) -> None:
    """Three whole sessions without a gap; a person gets tables, the broken rules only."""
    home, _ = demo
    found = answer("quality", home=home)
    assert [row["label"] for row in found["sessions"]] == ["complete"] * 3
    assert [row["activity"] for row in found["sessions"]] == [1.0] * 3
    assert all(0.99 < row["score"] <= 1.0 for row in found["sessions"])
    assert found["gaps"] == []
    shown = run("quality", home=home)
    assert shown.returncode == 0
    for text in ("completeness", "2025-01-15", "off_grid_price", "findings more"):
        assert text in shown.stderr


def test_status__says_what_is_there_and_what_is_next(demo: tuple[Path, Any]) -> None:
    """Partitions with their state, and one next step."""
    home, _ = demo
    found = answer("status", home=home)

    assert found["files"] == 4
    assert [row["session"] for row in found["partitions"]] == [
        "2025-01-13", "2025-01-14", "2025-01-15",
    ]  # fmt: skip
    assert "up to date" in found["next"][0]


def test_status__a_failed_run_is_not_up_to_date() -> None:
    """The next step is to correct it, not to rest."""
    nothing: dict[str, Any] = {"partitions": [{}], "broken_files": [], "blocked": []}
    failed = {**nothing, "without_result": ["failed: MNQ 2025-01-13: experiment a: it raised"]}
    partial = {**nothing, "without_result": ["not run: MNQ 2025-01-13: partial"]}

    told = {"mistyped": False, "stale": False, "stale_overall": False}
    assert _next_steps(failed, **told) == ["correct what failed above, then strategy-lab backtest"]
    assert "left out above" in _next_steps(partial, **told | {"mistyped": True})[0]
    assert "up to date" in _next_steps(partial, **told)[0]


def test_empty_home__has_answers_too(tmp_path: Path) -> None:
    """Nothing there is an answer, not an error."""
    home = tmp_path / "home"

    assert answer("quality", home=home) == {"sessions": [], "gaps": [], "rules": []}
    assert answer("status", home=home)["partitions"] == []
    assert all(row["ok"] for row in answer("doctor", home=home))


def test_doctor__fails_on_a_broken_experiment(tmp_path: Path) -> None:
    """Exit code 1, and the row says what is wrong."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "bad.yaml").write_text("name: [", encoding="utf-8")

    done = run("doctor", "--json", home=tmp_path)

    assert done.returncode == 1
    (row,) = [row for row in json.loads(done.stdout) if not row["ok"]]
    assert row["check"] == "experiment bad.yaml"


@pytest.mark.real_data
def test_book__summarises_real_files(real_data: Path, tmp_path: Path) -> None:
    """The last book of the real ES files, as published beside them."""
    files = sorted(str(path) for path in (real_data / "cme_es_mbo").glob("*.dbn.zst"))
    (row,) = answer("book", *files, home=tmp_path)

    assert row["symbol"].startswith("ES")
    assert (row["best_bid"], row["best_bid_size"]) == ("4810.00", 22)
    assert (row["best_ask"], row["best_ask_size"]) == ("4810.25", 28)


def test_book__a_wrong_path_is_one_line(tmp_path: Path) -> None:
    """No traceback, exit code 1."""
    done = run("book", str(tmp_path / "none.dbn"), "--json", home=tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "none.dbn" in done.stderr


def test_home__is_also_told_by_the_environment(tmp_path: Path) -> None:
    """STRATEGY_LAB_HOME where no option is given."""
    done = run("status", "--json", STRATEGY_LAB_HOME=str(tmp_path / "elsewhere"))

    assert json.loads(done.stdout)["home"] == str(tmp_path / "elsewhere")


@pytest.mark.parametrize("arguments", [("nonsense",), ("demo", "--events", "few"), ("ingest",)])
def test_call__a_wrong_one_is_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """The usage is shown, on standard error."""
    done = run(*arguments, home=tmp_path)

    assert done.returncode == 2
    assert "Usage" in done.stderr
    assert done.stdout == ""


def test_version__is_the_package_s() -> None:
    """`--version` needs no home folder."""
    assert run_alone("--version").stdout.strip() == version("strategy-lab")


def test_rolls__of_a_home_without_sessions_are_none(tmp_path: Path) -> None:
    """An empty answer; a product or a rule that is not known is one line with the nearest."""
    done = run("rolls", "MNQ", "--json", home=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    for arguments, said in ((("MNX",), "did you mean"), (("MNQ", "--rule", "x"), "volume-partial")):
        done = run("rolls", *arguments, home=tmp_path)
        assert done.returncode == 1
        assert said in done.stderr
