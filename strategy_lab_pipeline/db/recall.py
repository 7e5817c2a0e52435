"""The store as it was at one moment: current versions are read once, for a plan over them all."""

from strategy_lab_pipeline.db.records import Materialization
from strategy_lab_pipeline.db.store import Store

__all__ = ["Recall"]


class Recall(Store):
    """A store that knows the current versions of a moment; everything else it asks as ever."""

    def __init__(self, store: Store) -> None:
        super().__init__(store._database, clock=store._clock)
        found = store.materializations()
        self._current = {(row.asset, row.product, row.session): row for row in found}

    def current(self, asset: str, product: str, session: str) -> Materialization | None:
        """Return the current version of a partition."""
        return self._current.get((asset, product, session))

    def materializations(
        self, asset: str | None = None, product: str | None = None, *, history: bool = False
    ) -> list[Materialization]:
        """Return current versions by asset, product, session; with `history` all, older first."""
        if history:
            return super().materializations(asset, product, history=True)
        return [
            row
            for row in self._current.values()
            if asset in (None, row.asset) and product in (None, row.product)
        ]

    def sessions_with(self, asset: str, product: str) -> set[str]:
        """Return the sessions of which an asset has a current version."""
        return {row.session for row in self.materializations(asset, product)}
