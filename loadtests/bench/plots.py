"""Bar charts as SVG, written by hand: a panel a measure, a bar a peer, a line for the spread."""

from dataclasses import dataclass
from html import escape

from loadtests.bench.results import Value

NAMES, BARS, NUMBERS = 150, 380, 120  # widths
ROW, HEAD, GAP = 24, 26, 12  # heights
OURS_COLOUR, COLOUR, TEXT = "#d9480f", "#8ba3b8", "#6e7781"  # readable on light and on dark


@dataclass(frozen=True)
class Panel:
    """A title and, for each peer, a value (None: it failed) and how it is written."""

    title: str
    bars: list[tuple[str, Value | None, str]]


def svg(title: str, panels: list[Panel], ours: str) -> str:
    """The chart; `ours` is the peer to stand out."""
    width = NAMES + BARS + NUMBERS
    parts, top = [], 0
    for panel in panels:
        parts.append(_text(0, top + 17, panel.title, weight="600"))
        top += HEAD
        longest = max((value.most for _, value, _ in panel.bars if value), default=0.0)
        for peer, value, label in panel.bars:
            parts += _bar(peer, value, label, top, longest, peer == ours)
            top += ROW
        top += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}"'
        f' height="{top}" font-family="system-ui, sans-serif" font-size="13" role="img">'
        f"<title>{escape(title)}</title>"
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _bar(
    peer: str, value: Value | None, label: str, top: int, longest: float, ours: bool
) -> list[str]:
    middle = top + ROW / 2
    parts = [_text(NAMES - 8, middle + 4, peer, anchor="end", weight="600" if ours else "400")]
    end = float(NAMES)
    if value is not None and longest > 0:
        length = max(1.0, BARS * max(0.0, value.median) / longest)
        colour = OURS_COLOUR if ours else COLOUR
        parts.append(
            f'<rect x="{NAMES}" y="{top + 4}" width="{length:.1f}" height="{ROW - 8}"'
            f' rx="2" fill="{colour}"/>'
        )
        least, most = (
            NAMES + BARS * max(0.0, edge) / longest for edge in (value.least, value.most)
        )
        parts.append(
            f'<path d="M{least:.1f} {middle}H{most:.1f}M{least:.1f} {middle - 4}v8'
            f'M{most:.1f} {middle - 4}v8" stroke="{TEXT}" fill="none"/>'
        )
        end = max(NAMES + length, most)
    parts.append(_text(end + 8, middle + 4, label))
    return parts


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{TEXT}" text-anchor="{anchor}"'
        f' font-weight="{weight}">{escape(text)}</text>'
    )
