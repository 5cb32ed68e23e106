"""When a worker that has died is started again, and when that is of no use."""

from __future__ import annotations

from typing import Final

__all__ = ["RestartPolicy"]

# The first restart is as good as immediate; one that dies again and again must not
# take all the processor time, nor be away for long when the cause has gone.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
# A worker that has served for so long has not died of how it was started.
_LONG_LIFE: Final = 10.0
# With pauses of 0.1, 0.2, 0.4 and 0.8 seconds between them.
_MOST_SHORT_LIVES: Final = 5


class RestartPolicy:
    """Counts the workers that died soon after they were started, in a row."""

    def __init__(self) -> None:
        self.short_lives: int = 0
        """How many have died soon, one after the other."""

    def died(self, lifetime: float) -> float:
        """Take note that a worker has died, and return when to start the next.

        Args:
            lifetime: for how many seconds it had been ready; 0 if it never was.

        Returns:
            The seconds to wait before.
        """
        if lifetime >= _LONG_LIFE:
            self.short_lives = 0
            return _FIRST_PAUSE
        # Beyond this number the pause is at its longest anyway.
        self.short_lives = min(self.short_lives + 1, 1000)
        exponent = min(self.short_lives - 1, 16)
        return min(_FIRST_PAUSE * 2.0**exponent, _LONGEST_PAUSE)

    @property
    def hopeless(self) -> bool:
        """Whether so many have died soon that the next one would do so too."""
        return self.short_lives >= _MOST_SHORT_LIVES
