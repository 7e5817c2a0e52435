"""The one resource of every asset: the workspace (settings, lake, database), and the executor."""

import os

import dagster as dg

from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

__all__ = ["WorkspaceResource", "resources"]


class WorkspaceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Opens the workspace of a home folder once a process.

    Parameters
    ----------
    home
        The home folder; empty for STRATEGY_LAB_HOME.
    """

    home: str = ""

    def open(self) -> Workspace:
        """Return the workspace, its database migrated to the newest tables."""
        home = self.home or os.environ.get("STRATEGY_LAB_HOME", "")
        return open_workspace(Settings(home=home) if home else Settings())


@dg.definitions
def resources() -> dg.Definitions:
    """Return the resources and the executor that all jobs share."""
    return dg.Definitions(
        resources={"workspace": WorkspaceResource()}, executor=dg.in_process_executor
    )
