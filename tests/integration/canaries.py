"""Values that stand nowhere else, and a search for them in whatever came out of the program, in every likely spelling."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus

from tests.integration.installation import Installation

PERSONAL: Mapping[str, str] = {
    "name": "Quetzal Xylograph",
    "first name": "Quetzal",
    "last name": "Xylograph",
    "phone": "0400 731 975",
    "email": "zyzzyva.gryphon@example.com",
    "plate": "QZX 731",
    "vin": "QZXVN731975ZYZZYV",
    "notes": "mind the cockatrice under the bonnet",
    "internal": "pays with obsidian pebbles",
}
SECRET: Mapping[str, str] = {
    "repairy_app_key": "canary/App+Key=7f3a91c2",
    "repairy_app_secret": "canary:App%Secret b81d55e0",
    "repairy_webhook_secret": "canary-webhook-secret-4c07aa19",
    "repairy_webhook_secret_next": "canary-webhook-next-90e1fd36",
    "shop_password": "canary@Shop/Pass:word-2b64cc83",
    "web_token": "canary-web-token-d0917e5b",
}
PHONES = (
    "0400 731 975",
    "0400731975",
    "400731975",
    "+61400731975",
    "61 400 731 975",
    "0400-731-975",
    "(0400) 731 975",
    "+61 400 731 975",
)


@cache
def _spellings(value: str) -> tuple[bytes, ...]:
    """As it is, escaped, encoded, spaced otherwise: all in lower case, but for those in base64."""
    if "731 975" in value:
        texts = set(PHONES)
    else:
        texts = {value, value.replace(" ", ""), value.replace(" ", "-"), value.replace(" ", "_"), value.replace(" ", ", ")}
    texts |= {
        form(one) for one in tuple(texts) for form in (quote, quote_plus, html.escape, lambda text: json.dumps(text)[1:-1], repr)
    }
    plain = {text.strip("'\"").lower().encode() for text in texts}
    plain |= {text.encode().hex().encode() for text in tuple(texts)} | {value.lower().encode("utf-16-le")}
    return tuple(sorted(plain | set(_in_base64(value))))


def _in_base64(value: str) -> Iterator[bytes]:
    """What is the same of it wherever it begins in a longer text; in lower case, which base64 then only resembles."""
    for before in range(3):
        whole = base64.b64encode(b"x" * before + value.encode())
        yield whole[(0, 2, 3)[before] : len(whole) - 4].lower()


@dataclass
class Heard:
    """What came out, by where from."""

    outputs: dict[str, bytes] = field(default_factory=dict)

    def add(self, where: str, what: str | bytes) -> None:
        content = what if isinstance(what, bytes) else what.encode("utf-8", "surrogateescape")
        self.outputs[where] = self.outputs.get(where, b"") + content + b"\n"

    def folder(self, folder: Path, apart_from: Iterable[str]) -> None:
        """Every file that was left, without those that are meant to hold it."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not any(path.relative_to(folder).as_posix().startswith(name) for name in apart_from):
                self.add(f"file {path.relative_to(folder)}", path.name.encode() + b"\n" + path.read_bytes())

    def leaks(self, *groups: Mapping[str, str]) -> list[str]:
        """Which canary stands where; without its surroundings, which hold others."""
        found = []
        for where, content in self.outputs.items():
            lower = content.lower()
            for group in groups:
                found += [f"{name} in {where}" for name, value in group.items() if any(one in lower for one in _spellings(value))]
        return found


def canary_at_the_counter(site: Installation, number: int) -> None:
    """A customer in the shop whose every word is a canary."""
    site.office.book(number, site.office.at(2, 9))
    with site.office._connect() as shop:
        row = shop.execute("SELECT customer_id, vehicle_id, id FROM bookings ORDER BY id DESC").fetchone()
        who = (PERSONAL["name"], PERSONAL["phone"], PERSONAL["email"], row[0])
        shop.execute("UPDATE customers SET name = ?, phone = ?, email = ? WHERE id = ?", who)
        shop.execute("UPDATE vehicles SET plate = ? WHERE id = ?", (PERSONAL["plate"], row[1]))
        shop.execute("UPDATE bookings SET notes = ? WHERE id = ?", (PERSONAL["notes"], row[2]))
