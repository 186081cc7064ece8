"""The door to the Partner API: one client for the installation, one view of it per workshop."""

from __future__ import annotations

from datetime import tzinfo

from sync.repairy.calls import Calls
from sync.repairy.workshop import WorkshopRepairy


class Client(Calls):
    """One target for all workshops: they share connections, token, rate and pauses. Made and closed as `Calls` says."""

    def workshop(self, workshop_id: str, zone: tzinfo) -> WorkshopRepairy:
        """The Partner API as one workshop sees it; `zone` is whose days count there."""
        return WorkshopRepairy(self, workshop_id, zone)
