"""Bar charts as SVG, written by hand: a panel a measure, a bar a peer, a line for the spread."""

from dataclasses import dataclass
from html import escape

from loadtests.bench.results import Value

NAMES, BARS, NUMBERS = 150, 380, 190  # widths
ROW, HEAD, GAP = 24, 26, 12  # heights
OURS_COLOUR, COLOUR, TEXT = "#d9480f", "#8ba3b8", "#6e7781"  # readable on light and on dark
PART = 0.45  # opacity of the part of a bar that is a database's
FIELD = 12.0  # a bar longer than so many of ours is cut, so that ours can be seen


@dataclass(frozen=True)
class Bar:
    """A peer's value (None: it failed), how it is written, and what of it is a part apart."""

    peer: str
    value: Value | None
    label: str
    part: float = 0.0


@dataclass(frozen=True)
class Panel:
    """A title and a bar for each peer."""

    title: str
    bars: list[Bar]


def svg(title: str, panels: list[Panel], ours: str) -> str:
    """The chart; `ours` is the peer to stand out."""
    width = NAMES + BARS + NUMBERS
    parts, top = [], 0
    for panel in panels:
        parts.append(_text(0, top + 17, panel.title, weight="600"))
        top += HEAD
        longest = _longest(panel, ours)
        for bar in panel.bars:
            parts += _row(bar, top, longest, bar.peer == ours)
            top += ROW
        top += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}"'
        f' height="{top}" font-family="system-ui, sans-serif" font-size="13" role="img">'
        f"<title>{escape(title)}</title>"
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _longest(panel: Panel, ours: str) -> float:
    """What fills the width."""
    longest = max((bar.value.most for bar in panel.bars if bar.value), default=0.0)
    own = max((bar.value.median for bar in panel.bars if bar.value and bar.peer == ours), default=0)
    return min(longest, FIELD * own) if own > 0 else longest


def _row(bar: Bar, top: int, longest: float, ours: bool) -> list[str]:
    middle = top + ROW / 2
    parts = [_text(NAMES - 8, middle + 4, bar.peer, anchor="end", weight="600" if ours else "400")]
    end = float(NAMES)
    if bar.value is not None and longest > 0:
        colour = OURS_COLOUR if ours else COLOUR
        drawn, end = _bar(bar.value, bar.part, top, longest, colour)
        parts += drawn
    parts.append(_text(end + 8, middle + 4, bar.label))
    return parts


def _bar(
    value: Value, part: float, top: int, longest: float, colour: str
) -> tuple[list[str], float]:
    """What is drawn, and where it ends."""

    def at(number: float) -> float:
        return NAMES + BARS * min(1.0, max(0.0, number) / longest)

    end = max(at(value.median), NAMES + 1.0)
    whole = at(value.median - part) if part else end
    parts = [_rectangle(NAMES, whole, top, colour)]
    if end > whole:
        parts.append(_rectangle(whole, end, top, colour, PART))
    if value.median > longest:  # cut: two slanted lines, in which the background shows
        at_end, foot = NAMES + BARS, top + ROW - 2
        parts.append(
            f'<path d="M{at_end - 24} {foot}l6 {4 - ROW}M{at_end - 16} {foot}l6 {4 - ROW}"'
            f' stroke="{TEXT}" stroke-width="2" fill="none"/>'
        )
    elif value.most > value.least:
        middle, least, most = top + ROW / 2, at(value.least), at(value.most)
        parts.append(
            f'<path d="M{least:.1f} {middle}H{most:.1f}M{least:.1f} {middle - 4}v8'
            f'M{most:.1f} {middle - 4}v8" stroke="{TEXT}" fill="none"/>'
        )
        end = max(end, most)
    return parts, end


def _rectangle(start: float, end: float, top: int, colour: str, opacity: float = 1.0) -> str:
    return (
        f'<rect x="{start:.1f}" y="{top + 4}" width="{end - start:.1f}" height="{ROW - 8}"'
        f' fill="{colour}" fill-opacity="{opacity:g}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{TEXT}" text-anchor="{anchor}"'
        f' font-weight="{weight}">{escape(text)}</text>'
    )
