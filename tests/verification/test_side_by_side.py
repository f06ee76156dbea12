import time
from threading import Event

import pytest

from scotoma.errors import TimeLimitReached
from scotoma.verification.side_by_side import side_by_side


def test_a_time_limit_that_is_too_short_for_any_says_so() -> None:
    stop = Event()

    def endless(item: int) -> None:
        stop.wait(10)
        raise KeyboardInterrupt

    with pytest.raises(TimeLimitReached) as error:
        side_by_side(endless, [1, 2], 2, stop, deadline=time.monotonic(), before=3)
    assert str(error.value) == (
        "The time limit is reached: 3 of 5 attacks have ended. It was too short for any of those left."
    )
