"""Settings of one home folder: what a call says, then STRATEGY_LAB_*, then strategy_lab.yaml.

Places, the database and the limits of data quality are here. What belongs to an experiment (costs,
latency, parameters) is in its own file.
"""

import os
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from strategy_lab_core.data.bar_cells import bar_rule
from strategy_lab_pipeline.errors import SettingsError, UnsafePathError

__all__ = ["DEFAULT_PRODUCTS", "SETTINGS_FILE", "Settings"]

PREFIX = "STRATEGY_LAB_"
SETTINGS_FILE = "strategy_lab.yaml"
DEFAULT_HOME = Path(".strategy-lab")
DEFAULT_PRODUCTS = ("MNQ", "NQ", "MES", "ES", "CL", "GC")
_SECRETS = ("database_url",)
_PRODUCT = r"^[A-Z0-9][A-Z0-9_.-]{0,15}$"

Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _inside_home(name: str) -> Any:
    return Field(default_factory=lambda data: data["home"] / name, validate_default=True)


class Settings(BaseSettings):
    """Everything that the pipeline can be told; folders are relative to the home folder.

    Raises
    ------
    SettingsError
        Names every setting that is wrong, its value (never a database URL) and the rule.

    Parameters
    ----------
    home
        Folder of lake, database, experiments and Dagster's state; made absolute.
    landing
        Folder in which tick files arrive.
    lake
        Root folder of the published tables.
    experiments, searches
        Folders of experiment files and of search files.
    products_file
        Products of your own, or in place of the package's, in the form of its `products.yaml`.
    dagster_yaml
        Dagster's instance settings, where not the ones of the checkout.
    database_url
        The results database, SQLite or PostgreSQL; never printed or dumped.
    products
        Products that get partitions.
    first_session
        First day that gets a partition.
    max_quarantined_share
        Share of a session's rows in quarantine above which downstream is blocked.
    max_unreliable_share
        Share of a session's open time without a reliable book above which downstream is blocked.
    bars
        Rules of the bars that are made of every session, such as 1m, 4h, 500ticks, 1000volume,
        1000000dollar; features are made for those that are times.
    deadline_seconds
        Longest that one pass of the engine over one session may take before it is killed; reading
        the ticks and compiling come before and do not count.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(default=DEFAULT_HOME, validate_default=True)
    landing: Path = _inside_home("landing")
    lake: Path = _inside_home("lake")
    experiments: Path = _inside_home("experiments")
    searches: Path = _inside_home("searches")
    products_file: Path = _inside_home("products.yaml")
    dagster_yaml: Path | None = None
    database_url: SecretStr = Field(
        default_factory=lambda data: SecretStr(f"sqlite:///{data['home']}/strategy_lab.db"),
        exclude=True,
    )
    products: Annotated[
        tuple[Annotated[str, Field(pattern=_PRODUCT)], ...], NoDecode, Field(min_length=1)
    ] = DEFAULT_PRODUCTS
    first_session: date = date(2023, 1, 1)
    max_quarantined_share: Share = 0.01
    max_unreliable_share: Share = 0.05
    bars: Annotated[tuple[str, ...], NoDecode, Field(min_length=1)] = ("1m",)
    deadline_seconds: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1800.0

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(_problems(error)) from None  # its cause could hold a password

    @property
    def database_url_text(self) -> str:
        """The database URL with its password: for the database, not for people."""
        return self.database_url.get_secret_value()

    def inside_landing(self, name: str) -> Path:
        """Return the path of a landing file, given relative to the folder or absolute inside it.

        Raises
        ------
        UnsafePathError
            It leads out of the landing folder, by name or through a link.
        """
        path = (self.landing / name).resolve()
        if not path.is_relative_to(self.landing.resolve()):
            raise UnsafePathError("file", name, f"inside the landing folder {self.landing}")
        return path

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("landing", "lake", "experiments", "searches", "products_file", "dagster_yaml")
    @classmethod
    def _relative_to_home(cls, path: Path | None, info: Any) -> Path | None:
        if path is None or "home" not in info.data:
            return path
        home: Path = info.data["home"]
        return home / path.expanduser()

    @field_validator("products", "bars", mode="before")
    @classmethod
    def _split(cls, names: Any) -> Any:
        if isinstance(names, str):  # from the environment: MNQ,ES
            return tuple(name.strip() for name in names.split(","))
        return names

    @field_validator("products", "bars")
    @classmethod
    def _unique(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} listed more than once")
        return names

    @field_validator("bars")
    @classmethod
    def _known_rules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            bar_rule(name)  # a ConfigError is a ValueError: it says which forms there are
        return names

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: the call, the environment, the home folder's file."""
        told = init_settings()
        home = told.get("home") or os.environ.get(f"{PREFIX}HOME") or DEFAULT_HOME
        file = Path(str(home)).expanduser().absolute() / SETTINGS_FILE
        return init_settings, env_settings, InitSettingsSource(settings_cls, _read(file))


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = f"{file}: not readable as YAML: {' '.join(str(error).split())}"
        raise SettingsError((problem,)) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise SettingsError((f"{file}: must be a mapping of settings such as `products: [MNQ]`",))
    if "home" in loaded:
        raise SettingsError((f"{file}: the home folder is where this file lies: remove `home`",))
    return loaded


def _problems(error: ValidationError) -> tuple[str, ...]:
    """Return one sentence for each wrong setting, without the values of secrets."""
    problems = []
    for item in error.errors(include_url=False, include_context=False):
        name = ".".join(map(str, item["loc"]))
        rule = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = ", ".join(Settings.model_fields)
            problems.append(f"{name} is not a setting: use any of {known}")
        elif name in _SECRETS:
            problems.append(f"{name}: {rule}")
        else:
            problems.append(f"{name}: {rule}, got {item['input']!r}")
    return tuple(problems)
