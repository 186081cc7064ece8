"""Notes line by line: repeated lines are counted, and what both did is done once."""

from __future__ import annotations

import pytest

from sync.core.notes import Edit, added_text, apply, edit, laid_on, lines


def test_a_repeated_line_is_added_once_for_each_time() -> None:
    assert edit("call first", "call first\ncall first") == Edit(("call first",), ())
    assert edit("a\nb\na", "b") == Edit((), ("a", "a"))


def test_what_both_removed_is_removed_once() -> None:
    """The line that is still there is another."""
    assert apply(Edit((), ("a",)), "b\na", Edit((), ("a",))) == "b\na"


def test_what_both_added_is_added_once() -> None:
    assert apply(Edit(("a", "c"), ()), "b\na", Edit(("a",), ())) == "b\na\nc"


RESPELT: dict[str, tuple[Edit, Edit, str | None]] = {
    "a line removed": (Edit((), ("Call first",)), Edit((), ()), "RATTLE"),
    "a line edited": (Edit(("Call second",), ("Call first",)), Edit((), ()), "RATTLE\nCall second"),
    "a line that the other side added too": (Edit(("rattle.",), ()), Edit(("RATTLE",), ()), "CALL FIRST\nRATTLE"),
    "a line that the other side removed too": (Edit((), ("Call first",)), Edit((), ("CALL FIRST",)), "CALL FIRST\nRATTLE"),
}


@pytest.mark.parametrize(("change", "theirs", "after"), RESPELT.values(), ids=RESPELT.keys())
def test_a_side_that_spells_lines_its_own_way_has_them_all_the_same(change: Edit, theirs: Edit, after: str | None) -> None:
    assert apply(change, "CALL FIRST\nRATTLE", theirs) == after


def test_the_very_line_goes_before_one_that_is_alike() -> None:
    assert apply(Edit((), ("call",)), "Call!\ncall", Edit((), ())) == "Call!"


def test_lines_of_signs_alone_are_not_alike() -> None:
    assert apply(Edit((), ("---",)), "***", Edit((), ())) == "***"


def test_nothing_to_append_is_none() -> None:
    assert added_text("a\nb", "b") is None
    assert added_text("a", "a\nb\nc") == "b\nc"


LAID: dict[str, tuple[str | None, str | None, str | None]] = {
    "blank lines stay": ("a\n\n  b  \n", "a\nb\nc", "a\n\n  b\nc"),
    "mark-up stays": ("<p>a</p><p><b>b</b></p>", "a\nb\nc\nd", "<p>a</p><p><b>b</b></p><br>c<br>d"),
    "what comes is spelt as mark-up is": ("<b>a</b>", "a\nover <50 & more", "<b>a</b><br>over &lt;50 &amp; more"),
    "entities without tags": ("a &lt; b", "a < b\nc < d", "a &lt; b\nc &lt; d"),
    "plain text is left plain": ("a < b", "a < b\nc < d", "a < b\nc < d"),
    "a line goes": ("a\n\nb", "a\nc", "a\nc"),
    "a line comes between": ("a\n\nb", "a\nc\nb", "a\nc\nb"),
    "all of it goes": ("a", None, None),
    "nothing comes": ("a\n\nb", "a\nb", "a\nb"),
    "nothing was there": (None, "a", "a"),
}


@pytest.mark.parametrize(("raw", "goal", "laid"), LAID.values(), ids=LAID.keys())
def test_lines_that_only_come_on_leave_the_rest_as_it_is_spelt(raw: str | None, goal: str | None, laid: str | None) -> None:
    assert laid_on(raw, goal) == laid
    assert lines(laid) == lines(goal)
