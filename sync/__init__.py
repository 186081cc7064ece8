"""repairy-sync keeps a workshop's own booking database and Repairy in step, both ways."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("repairy-sync")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"
