"""The workspace of one home folder: its settings, its lake and its database, opened together."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from strategy_lab_core.data.instruments import Product, load_products, products
from strategy_lab_pipeline.db.database import Database
from strategy_lab_pipeline.db.recall import Recall
from strategy_lab_pipeline.db.store import Store
from strategy_lab_pipeline.lake import Lake
from strategy_lab_pipeline.settings import Settings

__all__ = ["Workspace", "open_workspace", "products_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workspace:
    """What every stage works with."""

    settings: Settings
    lake: Lake
    store: Store
    memory: dict[Hashable, Any] | None = None  # of a moment

    def at_one_moment(self) -> "Workspace":
        """Return the workspace as it is now, for a plan: what is asked often is read once."""
        if self.memory is not None:
            return self
        return replace(self, store=Recall(self.store), memory={})

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returns; at one moment it is made once for each key."""
        if self.memory is None:
            return make()
        if key not in self.memory:
            self.memory[key] = make()
        found: T = self.memory[key]
        return found

    @property
    def products(self) -> Mapping[str, Product]:
        """The products by root, `products_of` the settings."""
        return products_of(self.settings)

    def own_product(self, product: str) -> dict[str, Any]:
        """Return what of the products file decides what comes out for a product, for versions."""
        mine = self.products.get(product)
        is_own = mine is not None and mine != products().get(product)
        return {"own_product": asdict(mine)} if mine and is_own else {}


def products_of(settings: Settings) -> Mapping[str, Product]:
    """Return the package's products, with those of the home's products file over them.

    Raises
    ------
    ConfigError, FileError
        The file is not as it should be; names it, the product, the key and the rule.
    """
    file = settings.products_file
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else products()


@cache
def _read(file: Path, _mtime_ns: int) -> Mapping[str, Product]:
    return load_products(file)


@cache
def open_workspace(settings: Settings) -> Workspace:
    """Open the workspace: folders made, database migrated. Once a process and settings."""
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.landing.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url_text)
    database.migrate()
    return Workspace(settings, Lake(settings.lake), Store(database))
