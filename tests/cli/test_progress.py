"""Lines of progress tell the time of work that takes long, and verdicts have a colour besides their word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from rich.console import Console

from specialize.cli.output import _COLOURS, _PLAIN, _print, to_text
from specialize.cli.progress import Clock, Progress, Ticker, seconds


def clock(*times_s: float) -> Clock:
    """Return a clock that shows these times, the first when it starts."""
    shown: Iterator[float] = iter(times_s)
    now_s: Callable[[], float] = lambda: next(shown)  # noqa: E731 (typed)
    return Clock(now_s)


def test_short_work_tells_no_time() -> None:
    """Before three seconds a line is as it was."""
    made = clock(0.0, 1.0, 2.9)
    assert [made.told("reading"), made.told("frame 2 of 4")] == ["reading", "frame 2 of 4"]


def test_long_work_tells_how_long_and_how_much_is_left() -> None:
    """Parts that begin: two of four are done in eight seconds, as many are left."""
    made = clock(0.0, 10.0, 14.0, 18.0, 20.0)
    told = [made.told(f"reference, frame {number} of 4") for number in (1, 2, 3)]
    assert told == [
        "reference, frame 1 of 4 (10 s)",
        "reference, frame 2 of 4 (14 s, about 12 s left)",
        "reference, frame 3 of 4 (18 s, about 8 s left)",
    ]
    assert made.told("other, frame 3 of 4") == "other, frame 3 of 4 (20 s)"


def test_parts_that_end_are_counted_from_the_start() -> None:
    """A fleet's builds: one of three took a minute, two are left; after the last, none."""
    made = clock(0.0, 60.0, 180.0)
    assert made.told("[1/3] built van") == "[1/3] built van (60 s, about 2 min left)"
    assert made.told("[3/3] built van") == "[3/3] built van (3 min)"


def test_the_first_part_that_ends_is_not_typical() -> None:
    """A fleet's first build exports and is proven whole: as soon as there is another, that tells how long they take."""
    made = clock(0.0, 90.0, 92.0, 94.0)
    told = [made.told(f"[{number}/12] built van") for number in (1, 2, 3)]
    assert told == [
        "[1/12] built van (2 min, about 16 min left)",
        "[2/12] built van (2 min, about 20 s left)",
        "[3/12] built van (2 min, about 18 s left)",
    ]


@pytest.mark.parametrize(
    ("duration_s", "text"), [(0.4, "0 s"), (89.0, "89 s"), (120.0, "2 min"), (3900.0, "1 h 5 min")]
)
def test_durations_are_short(duration_s: float, text: str) -> None:
    """Seconds, minutes, hours."""
    assert seconds(duration_s) == text


def test_a_silent_step_tells_its_time() -> None:
    """Nothing for three seconds, then the step and its seconds; with parts that are done, what is left of them."""
    made = clock(0.0, 1.0, 3.9, 9.0, 13.0, 17.0, 20.0, 40.0)
    made.told("specializing encoder for car42")
    assert [made.ticked(), made.ticked()] == ["", "specializing encoder for car42: 8 s"]
    made.told("frame 1 of 4")
    made.told("frame 2 of 4")
    assert made.ticked() == "frame 2 of 4: 3 s, about 9 s left"
    assert made.ticked() == "frame 2 of 4: 23 s"


class Terminal(StringIO):
    """A terminal that tells when it has been written to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        """Return that it is one."""
        return True

    def flush(self) -> None:
        """Tell it."""
        self.written.set()


def test_the_time_is_removed_before_anything_else_is_printed() -> None:
    """The ticker writes into one line, erases it for other text, and writes no more once it is stopped."""
    terminal = Terminal()
    ticker = Ticker(terminal, lambda: "compiling: 4 s", every_s=0.001)
    assert terminal.written.wait(60)
    with ticker.hidden():
        shown = terminal.getvalue()
        assert "\n" not in shown and shown.startswith("\r\x1b[K\x1b[2mcompiling: 4 s")
        assert shown.endswith("\r\x1b[K")
    ticker.stop()
    ended = terminal.getvalue()
    assert ended.endswith("\r\x1b[K")
    assert not any(thread.name == "progress" and alive(thread) for thread in threading.enumerate())
    assert terminal.getvalue() == ended


def alive(thread: threading.Thread) -> bool:
    """Return whether a thread that was told to end still runs, after the time that it may take."""
    thread.join(60)
    return thread.is_alive()


def test_logs_get_no_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe, and a terminal that cannot move its cursor, have no ticker."""
    before = threading.active_count()
    Progress(StringIO())
    monkeypatch.setenv("TERM", "dumb")
    Progress(Terminal())
    assert threading.active_count() == before
    monkeypatch.setenv("TERM", "xterm")
    made = Progress(Terminal())
    assert threading.active_count() == before + 1
    made.stop()


def coloured(text: str) -> str:
    """Return what a terminal with colours is sent."""
    out = StringIO()
    _print(Console(file=out, width=80, force_terminal=True, color_system="standard", **_PLAIN), text)
    return out.getvalue()


def test_verdicts_have_a_colour_and_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a verdict that begins a line is coloured; in a file, and with NO_COLOR, the word stands alone."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for word in _COLOURS:
        assert "\x1b[1;" in coloured(f"{word}: build/car42")
        assert to_text(f"{word}: build/car42") == f"{word}: build/car42\n"
    assert "\x1b" not in coloured("freshly: build/car42")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;3" not in coloured("stale: build/car42")
