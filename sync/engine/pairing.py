"""Pair: halves that are the same booking become one link; what is not certain is held on both sides."""

from __future__ import annotations

from dataclasses import replace

from sync.core.booking import Link
from sync.core.canonical import view
from sync.core.pair import pair
from sync.core.status import FINAL
from sync.engine.site import LOST, Site, free_reference, row_lost


def pair_halves(site: Site) -> int:
    """Looks only when a half is due; returns how many were paired."""
    halves = site.state.halves(site.name)
    now = site.stamp()
    if not any((half.due_at and half.due_at <= now) or "identity" in half.choice for half in halves):
        return 0
    shop = [half for half in halves if half.shop_key is not None]
    repairy = [half for half in halves if half.repairy_id is not None]
    linked = [link for link in site.state.links(site.name, states={"open"}) if link.paired] if repairy else []
    found = pair(shop, repairy, linked, site.rules.zone)
    paired = {half.id for both in found.pairs for half in both}
    for row, booking in found.pairs:
        join(site, row, booking)
    site.state.save_all(
        [
            (half, _doubt(half, found.doubts.get(half.id), now))
            for half in halves
            if half.id not in paired and half.choice.get("identity") != found.doubts.get(half.id)
        ]
    )
    return len(found.pairs)


def join(site: Site, row: Link, booking: Link) -> Link:
    """The shop's half takes up Repairy's; both are looked at anew."""
    choice = {key: value for key, value in row.choice.items() if key not in ("identity", "doubt", "create")}
    site.journal.append(
        kind="link", workshop=site.name, reference=row.reference, shop_key=row.shop_key, repairy_id=booking.repairy_id
    )
    site.log.info("paired", workshop=site.name, reference=row.reference, shop_key=row.shop_key, repairy_id=booking.repairy_id)
    return site.state.join(
        row,
        booking,
        repairy_id=booking.repairy_id,
        repairy_code=booking.repairy_code,
        repairy=booking.repairy,
        repairy_ref=booking.repairy_ref,
        seen={**booking.seen, **row.seen},
        visible=row.visible | booking.visible,
        choice=choice,
        state="open",
        due_at=site.stamp(),
        poll_at=booking.poll_at,
    )


def _doubt(half: Link, reason: str | None, now: str) -> dict[str, object]:
    """A doubt that has gone closes itself."""
    choice = {key: value for key, value in half.choice.items() if key != "identity"}
    return {"choice": {**choice, "identity": reason} if reason else choice, "due_at": now}


# The shop row is a new booking under an old key: it goes on under the next reference, and only then is the old link let go,
# so that a split that was interrupted is carried on and not made twice.


def renewed(site: Site, link: Link) -> Link:
    """The row's new link, as far as it was made before."""
    mine = site.state.by_shop_keys(site.name, [link.shop_key or ""]).get(link.shop_key or "", [])
    return next((one for one in mine if one.id > link.id), None) or _renewed(site, link)


def let_go(site: Site, link: Link) -> None:
    """The old link: a booking that is over at Repairy is left alone, another has lost its row."""
    if view(link.repairy or {}).get("status") not in FINAL:
        lose_row(site, link, f"{link.shop_key}{LOST}")
        return
    site.state.save(link, state="skipped", due_at=None, poll_at=None, choice={})
    site.state.stand(site.name, link.id, [])


def lose_row(site: Site, link: Link, lost: str, state: str = "") -> None:
    """What shall become of it is asked, as of any row that is gone. The journal is told first: a start takes from there what
    the state lacks."""
    if link.paired:
        names = {"reference": link.reference, "shop_key": lost, "repairy_id": link.repairy_id}
        site.journal.append(kind="link", workshop=site.name, **names)
    now = replace(link, state=state or link.state)
    site.state.save(link, **row_lost(site, now, lost), state=now.state)


def _renewed(site: Site, link: Link) -> Link:
    return site.state.add(
        site.name,
        reference=free_reference(site, link.shop_key or ""),
        shop_key=link.shop_key,
        shop=link.shop,
        shop_digest="",  # read anew at the next pass
        seen={key: value for key, value in link.seen.items() if key.startswith("shop.")},
        locked=link.locked,
        marks=link.marks,
        state="open",
        due_at=site.stamp(),
    )
