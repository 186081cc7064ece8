"""The configuration: one TOML file, environment variables over it, and secrets from elsewhere.

`kinds` are the kinds of value, `model` the options themselves, `clashes` what is wrong between them, `secrets` the
secrets, `load` puts them together. Nothing here connects to anything.
"""

from sync.settings.kinds import Address, Hours
from sync.settings.load import load
from sync.settings.model import Policy, Settings, Workshop
from sync.settings.secrets import Secrets

__all__ = ["Address", "Hours", "Policy", "Secrets", "Settings", "Workshop", "load"]
