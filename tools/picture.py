#!/usr/bin/env python3
"""Draws what a terminal showed as an SVG: colours and all.

    FORCE_COLOR=1 make demo | tools/picture.py --begin 'A script written by hand' --end 'Sizes' > docs/demo.svg
"""
import argparse
import html
import re
import sys

COLOURS = {"1": "#ffffff", "2": "#8a8f98", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff", "1;36": "#79c0ff", "1;32": "#7ee787", "1;31": "#ff7b72"}
SIZE, LEADING, WIDTH = 13, 18, 7.83  # of the letters, in pixels


def spans(line):
    """(colour or None, text) pairs of a line with ANSI colours."""
    colour = None
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if piece.startswith("\x1b["):
            colour = COLOURS.get(piece[2:-1])
        elif piece:
            yield colour, piece


def cut(line, columns):
    """No more than so many letters, whatever colours stand between."""
    out, left = "", columns
    for colour, text in spans(line):
        shown = text if len(text) <= left else text[:max(left - 1, 0)] + "…" * (left > 0)
        code = next((k for k, v in COLOURS.items() if v == colour), "0")
        out, left = out + f"\x1b[{code}m{shown}", left - len(shown)
    return out


def draw(lines, columns):
    height = LEADING * len(lines) + 36
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * WIDTH + 32:.0f}" height="{height}" '
           f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}">')
    yield '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>'
    for n, line in enumerate(lines):
        body = "".join(f'<tspan fill="{colour or "#c9d1d9"}">{html.escape(text)}</tspan>' for colour, text in spans(cut(line, columns)))
        yield f'<text x="16" y="{28 + n * LEADING}" xml:space="preserve">{body}</text>'
    yield "</svg>"


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--begin", default="", help="the text of the first line to show")
    ask.add_argument("--end", help="the text of the line before which to stop")
    ask.add_argument("--columns", type=int, default=110)
    args = ask.parse_args()
    lines = [line.rstrip("\r\n") for line in sys.stdin]
    first = next((i for i, line in enumerate(lines) if args.begin in line), 0)
    last = next((i for i, line in enumerate(lines) if i > first and args.end and args.end in line), len(lines))
    while last > first and not lines[last - 1].strip():
        last -= 1
    print("\n".join(draw(lines[first:last], args.columns)))


if __name__ == "__main__":
    main()
