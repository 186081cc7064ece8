"""Notes line by line: repeated lines are counted, and what both did is done once."""

from __future__ import annotations

from sync.core.notes import Edit, added_text, apply, edit


def test_a_repeated_line_is_added_once_for_each_time() -> None:
    assert edit("call first", "call first\ncall first") == Edit(("call first",), ())
    assert edit("a\nb\na", "b") == Edit((), ("a", "a"))


def test_what_both_removed_is_removed_once() -> None:
    """The line that is still there is another."""
    assert apply(Edit((), ("a",)), "b\na", Edit((), ("a",))) == "b\na"


def test_what_both_added_is_added_once() -> None:
    assert apply(Edit(("a", "c"), ()), "b\na", Edit(("a",), ())) == "b\na\nc"


def test_nothing_to_append_is_none() -> None:
    assert added_text("a\nb", "b") is None
    assert added_text("a", "a\nb\nc") == "b\nc"
