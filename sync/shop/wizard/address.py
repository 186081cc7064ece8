"""The shop's address as its owner types it, parted from the password: the address goes into a file that others may read."""

from __future__ import annotations

import re

import sqlalchemy as sa

_PASSWORDS = ("password", "passwd", "pwd")
_INSIDE = re.compile(r"(?i)\b(password|passwd|pwd)\s*=")


def parted(shop_url: str) -> tuple[sa.URL, str]:
    """The address without its password, and the password ("": none), wherever it stood. Raises ValueError, in words and without
    the address, where it is none or where the password cannot be taken out."""
    try:
        url = sa.make_url(shop_url)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("SHOP_URL is no database address; write it like mariadb+pymysql://user@host/database") from None
    options = {name: " ".join(values) for name, values in url.normalized_query.items()}
    found = [name for name in options if name.casefold() in _PASSWORDS]
    for name, value in options.items():
        if name not in found and (_INSIDE.search(value) or name.casefold().endswith(_PASSWORDS)):
            raise ValueError(
                f"SHOP_URL has a password in its option {name}, which would stand in the configuration for others to read; "
                "write it like dialect+driver://user@host/database: the password is asked for"
            )
    bare = url._replace(password=None).difference_update_query(found)
    return bare, str(url.password or next(map(options.get, found), None) or "")
