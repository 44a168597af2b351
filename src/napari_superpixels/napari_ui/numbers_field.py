"""The field of several numbers, such as sizes: a line of text with commas."""

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import LineEdit


class NumbersField(LineEdit):
    """A line of numbers. Its ``value`` is a tuple of them; what is no number stays a text."""

    def get_value(self) -> Any:
        """Return the numbers, or the text where that is none: whoever uses it says what is."""
        text = super().get_value()
        try:
            return tuple(float(part) for part in text.split(",") if part.strip())
        except ValueError:
            return text

    def set_value(self, value: Sequence[float] | str) -> None:
        """Show numbers, or a text."""
        text = value if isinstance(value, str) else ", ".join(f"{one:g}" for one in value)
        super().set_value(text)
