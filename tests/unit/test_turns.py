"""The queue at the state database: nobody is passed over, and whoever holds it may take it again."""

from __future__ import annotations

import threading

from sync.state.database import Turns


def test_turns_go_in_the_order_asked_for() -> None:
    turns, order, threads = Turns(), list[int](), list[threading.Thread]()

    def work(number: int) -> None:
        with turns:
            order.append(number)

    with turns:
        for number in range(20):
            threads.append(threading.Thread(target=work, args=[number]))
            threads[-1].start()
            while len(turns._waiting) <= number:
                threading.Event().wait(0.001)
        assert order == []
    for thread in threads:
        thread.join(5)
    assert order == list(range(20))


def test_one_thread_may_take_it_again() -> None:
    turns = Turns()
    with turns, turns:
        pass
    with turns:
        assert turns._depth == 1


def test_nothing_is_lost_between_many() -> None:
    turns, count = Turns(), [0]

    def work() -> None:
        for _ in range(500):
            with turns:
                now = count[0]
                count[0] = now + 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert count == [4000]
