"""`strategy-lab new`: files to begin with, that run as they are."""

import json
from keyword import iskeyword
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment_schema import experiment_schema
from strategy_lab_pipeline.errors import PipelineError

__all__ = ["new_schema", "new_strategy"]

TEMPLATES = Path(__file__).parent / "templates"


def new_schema(folder: Path) -> Path:
    """Write the JSON schema of experiment files, over an older one; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "experiment.schema.json"
    path.write_text(json.dumps(experiment_schema(), indent=2) + "\n", encoding="utf-8")
    return path


def new_strategy(name: str, folder: Path) -> list[Path]:
    """Write a commented strategy and its test; return their paths.

    Parameters
    ----------
    name
        Of the file and of the function in it: lower case, digits, underscores.
    folder
        Where they go; made where it is missing.

    Raises
    ------
    PipelineError
        One of the files is there already: nothing is written.
    """
    if not name.isidentifier() or name != name.lower() or iskeyword(name):
        raise ConfigError("strategy", name, "a Python name in lower case, such as my_idea")
    # The text is Python, not HTML: nothing in it may be escaped, and the name is an identifier.
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    wanted = {
        folder / f"{name}.py": "strategy.py.j2",
        folder / f"test_{name}.py": "test_strategy.py.j2",
    }
    there = [path for path in wanted if path.exists()]
    if there:
        raise PipelineError(f"{there[0]}: is there already; choose another name or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for path, template in wanted.items():
        path.write_text(templates.get_template(template).render(name=name), encoding="utf-8")
    return list(wanted)
