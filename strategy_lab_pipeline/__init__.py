"""Strategy Lab pipeline: where data live, when things run, who starts them."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("strategy-lab")
