"""When to try again, in numbers."""

from __future__ import annotations

import pytest

from sync.core.retry import Backoff

# attempts -> seconds without luck, with the most luck
WAITS = {0: (5, 2.5), 1: (5, 2.5), 2: (10, 5), 3: (20, 10), 4: (40, 20), 8: (640, 320), 9: (900, 450), 1000: (900, 450)}


@pytest.mark.parametrize("attempts", WAITS)
def test_waits_double_up_to_the_cap_less_a_share_of_luck(attempts: int) -> None:
    assert (Backoff().delay(attempts, 0.0), Backoff().delay(attempts, 1.0)) == WAITS[attempts]


def test_the_owners_numbers_count() -> None:
    assert [Backoff(first=1, cap=3).delay(attempts, 0) for attempts in (1, 2, 3)] == [1, 2, 3]
