"""The vocabulary page is that of the schemas as they are."""

from pathlib import Path

import pytest

from strategy_lab_core.data.checks import row_rules
from strategy_lab_core.data.schemas import columns_of
from strategy_lab_core.data.vocabulary import main, render
from strategy_lab_core.types import TickSchema

PAGE = Path(__file__).parents[3] / "docs" / "vocabulary.md"


def test_vocabulary__is_current() -> None:
    """docs/vocabulary.md is what the schemas say today: `make vocabulary` after a change."""
    assert PAGE.read_text(encoding="utf-8") == render()


@pytest.mark.parametrize("schema", list(TickSchema))
def test_vocabulary__has_every_table(schema: TickSchema) -> None:
    """Each table has a section with each of its columns; of book levels the first is shown."""
    section = render().split(f"\n## {schema.value}\n")[1].split("\n## ")[0]
    for column in columns_of(schema):
        shown = column.name if "_0" not in column.name else column.name[:-2] + "00"
        assert f"| `{shown}` |" in section


def test_vocabulary__has_every_rule() -> None:
    """Each row rule stands there with its reason."""
    page = render()
    assert all(f"| `{rule.name}` |" in page and rule.reason in page for rule in row_rules())


def test_main__writes_file_or_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a path the page goes there, without one to the standard output."""
    main([str(tmp_path / "page.md")])
    main([])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == capsys.readouterr().out == render()
