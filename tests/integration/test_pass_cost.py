"""What a pass over quiet sides costs the shop's database: one query where rows have a stamp, and no call to Repairy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.simulation.people import People
from tests.simulation.world import Setting, World


@pytest.fixture(params=["demo", "plain"], ids=["with a stamp", "without"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(1, Setting(request.param))
    yield made
    made.close()


def test_a_pass_with_nothing_changed_takes_one_query(world: World) -> None:
    world.turn()
    people = People(world)
    for _ in range(9):
        people.staff_book()
    for _ in range(3):
        world.later(400)
        world.turn()
    assert len(world.partner.bookings) == 9
    asked = list[str]()
    sa.event.listen(world.store._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    calls = len(world.partner.calls)

    world.later(1)
    result = world.engine.run()

    assert result.reached == {"shop": True, "repairy": True}
    assert len(asked) == 1, asked
    assert len(world.partner.calls) == calls
