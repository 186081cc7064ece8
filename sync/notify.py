"""What systemd is told: `sd_notify`, one datagram per message. Nothing here decides when."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta

SEND_SECONDS = 1.0  # systemd that does not read must not stop the daemon


class Notify:
    """Speaks to the socket in NOTIFY_SOCKET (a path, or `@name` in the abstract space); silent without one.

    `watchdog` is how often systemd wants a sign of life, or None: WATCHDOG_USEC, where WATCHDOG_PID is this process or unset.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        asked = environ.get("WATCHDOG_USEC", "")
        meant = environ.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        self.watchdog = timedelta(microseconds=int(asked)) if meant and asked.isdecimal() and int(asked) else None

    def tell(self, **words: str) -> None:
        """`tell(READY="1", STATUS="…")`, in one datagram. Never raises: a lost message costs a restart at worst."""
        if not self._address:
            return
        text = "\n".join(f"{name}={' '.join(value.split())}" for name, value in words.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_SECONDS)
                channel.sendto(text.encode(), self._address)
        except OSError:
            pass
