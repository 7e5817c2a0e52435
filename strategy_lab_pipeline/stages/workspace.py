"""The workspace of one home folder: its settings, its lake and its database, opened together."""

from dataclasses import dataclass
from functools import cache

from strategy_lab_pipeline.db.database import Database
from strategy_lab_pipeline.db.store import Store
from strategy_lab_pipeline.lake import Lake
from strategy_lab_pipeline.settings import Settings

__all__ = ["Workspace", "open_workspace"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """What every stage works with."""

    settings: Settings
    lake: Lake
    store: Store


@cache
def open_workspace(settings: Settings) -> Workspace:
    """Open the workspace: folders made, database migrated. Once a process and settings."""
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.landing.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url_text)
    database.migrate()
    return Workspace(settings, Lake(settings.lake), Store(database))
