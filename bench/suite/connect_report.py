"""What connecting takes, as tables that are Markdown as well, and as a picture of the matrix."""
from html import escape

from lab.matrix import KINDS

from . import machine, page, tables

SIDE, LEFT, TOP = 82, 66, 40  # of the picture, in its own units
ABOUT = {
    "none": "public addresses, stateful firewall", "A": "endpoint-independent mapping", "B": "a random port for every flow",
    "C": "lets everybody in", "D": "lets in who was sent to", "E": "a port for every destination",
    "U": "no UDP", "P": "only an HTTP proxy", "v6": "IPv6 only", "double": "A behind A",
}


def letter(cell):
    """D direct, d not always, R relayed, X not always connected."""
    if cell["share_connected"] is None:
        return "?"
    if cell["share_connected"] < 1:
        return "X"
    return "D" if cell["share_direct"] >= 0.99 else "d" if cell["share_direct"] else "R"


def ms(figures, key):
    return f"{figures[key] * 1000:.0f}" if key in figures else "-"


def three(figures):
    return " ".join(ms(figures, key) for key in ("p50", "p95", "p99")) if "p50" in figures else "-"


def share(value):
    return "-" if value is None else f"{value * 100:.4g}"


def cell_table(cells):
    rows = [["pair", "runs", "connected %", "first packet, warm", "first, cold", "lost", "direct %",
             "direct after", "relayed because"]]
    for c in cells:
        why = "" if c["share_direct"] == 1 else c["reason"] or ""
        rows.append(["×".join(c["kinds"]), str(c["runs"]), share(c["share_connected"]), three(c["first"]),
                     three(c["cold"]), f"{c['lost']}" if c["lost"] is not None else "-", share(c["share_direct"]),
                     three(c["direct"]), why])
    return ["### Pairs of networks", "Milliseconds, p50 p95 p99; lost: the most of a run's first 128 packets.",
            tables.table(rows)]


def event_table(events):
    rows = [["what happens", "runs", "missed", "p50", "p95", "p99", "max"]]
    for e in events.values():
        s, scale, digits = e["spread"], *((1, 2) if e["unit"] == "/h" else (1000, 0))
        cells = [f"{s[k] * scale:.{digits}f}" if k in s else "-" for k in ("p50", "p95", "p99", "max")]
        rows.append([f"{e['about']}, {e['unit']}", str(s["runs"]), str(s["missed"]), *cells])
    return ["### Events", tables.table(rows)] if len(rows) > 1 else []


def target_rows(targets):
    rows = [["target", "bound", "reached", "worst", "runs", "met"]]
    for t in targets:
        reached = "-" if t["reached"] is None else f"{t['reached']:.4g} {t['unit']}".strip()
        rows.append([t["title"], t["target"], reached, t["where"] or "", str(t["runs"]), tables.WORDS[t["met"]]])
    return rows


def picture_text(cells):
    """The matrix in letters: with its numbers it is in the page."""
    known = {frozenset(c["kinds"]): c for c in cells}
    rows = [["", *KINDS]]
    for kind in KINDS:
        row = [kind]
        for other in KINDS:
            cell = known.get(frozenset((kind, other)))
            row.append(letter(cell) if cell else "")
        rows.append(row)
    return ["### The matrix", "D direct, d not always, R by relay, X not always connected.", tables.table(rows)]


def report(found):
    parts = []
    if found["cells"]:
        parts += picture_text(found["cells"]) + cell_table(found["cells"])
    parts += event_table(found["events"])
    parts += ["### Targets", "What counts is the worst pair of networks.", tables.table(target_rows(found["targets"]))]
    for name, errors in [("×".join(c["kinds"]), c["errors"]) for c in found["cells"]] + [
            (name, event["errors"]) for name, event in found["events"].items()]:
        if errors:
            parts.append(f"failed: {name}, {len(errors)} times, first: {' '.join(errors[0].split())}")
    return "\n\n".join(parts)


def where(found):
    o = found["options"]
    return (f"Peers {4 * o['delay_ms']:g} ms apart there and back, {2 * o['delay_ms']:g} ms to the relay; "
            f"{o['runs']} runs a pair, {o['jobs']} pairs at a time on {found['machine']['cores']} cores")


def section(found):
    minutes = found["duration_s"] / 60
    return "\n\n".join((
        f"## `bench/connect --runs {found['options']['runs']} --jobs {found['options']['jobs']}`",
        machine.text(found["machine"], {}) + f"\n- Warren at {found['commit']}; the run took {minutes:.0f} minutes\n"
        f"- {where(found)}", report(found)))


# The picture

STYLE = """
.direct rect { fill: #b8e3d2; } .guessed rect { fill: #dcecc0; } .sometimes rect { fill: #f6df9f; }
.relay rect { fill: #d5dbe2; } .broken rect { fill: #f2b8b5; }
.cell text { fill: #14171a; text-anchor: middle; font: 12px system-ui, sans-serif; }
.cell .letter { font: 700 20px system-ui, sans-serif; }
.kind { font: 700 13px system-ui, sans-serif; text-anchor: middle; fill: currentColor; }
"""


def class_of(cell):
    return {"D": "guessed" if cell["guessed"] else "direct", "d": "sometimes", "R": "relay"}.get(letter(cell), "broken")


def square(cell, x, y):
    mark = letter(cell)
    figures = cell["direct"] if mark in "Dd" else cell["first"]
    about = (f"{'×'.join(cell['kinds'])}: {share(cell['share_connected'])} % connected, {share(cell['share_direct'])} % "
             f"direct; first packet {three(cell['first'])} ms, cold {three(cell['cold'])} ms, direct after "
             f"{three(cell['direct'])} ms (p50 p95 p99 of {cell['runs']}){', ' + cell['reason'] if cell['reason'] else ''}")
    lines = [f"<text class='letter' x='{x + SIDE / 2 - 1}' y='{y + 26}'>{mark}</text>"]
    if "p50" in figures:
        lines.append(f"<text x='{x + SIDE / 2 - 1}' y='{y + 44}'>{ms(figures, 'p50')} / {ms(figures, 'p95')}</text>")
    if mark == "d":
        lines.append(f"<text x='{x + SIDE / 2 - 1}' y='{y + 60}'>{share(cell['share_direct'])} %</text>")
    elif mark == "R" and cell["reason"]:
        lines.append(f"<text x='{x + SIDE / 2 - 1}' y='{y + 60}'>{escape(cell['reason'])}</text>")
    return (f"<g class='cell {class_of(cell)}'><title>{escape(about)}</title>"
            f"<rect x='{x}' y='{y}' width='{SIDE - 3}' height='{SIDE - 3}' rx='4'/>{''.join(lines)}</g>")


def svg(cells):
    """The whole matrix; both halves show the same."""
    known = {frozenset(c["kinds"]): c for c in cells if c["runs"]}
    side = LEFT + SIDE * len(KINDS)
    parts = []
    for i, kind in enumerate(KINDS):
        middle = i * SIDE + SIDE / 2
        about = f"<title>{escape(ABOUT[kind])}</title>"
        parts.append(f"<text class='kind' x='{LEFT + middle}' y='{TOP - 12}'>{kind}{about}</text>"
                     f"<text class='kind' x='{LEFT / 2}' y='{TOP + middle + 4}'>{kind}{about}</text>")
        for j, other in enumerate(KINDS):
            if cell := known.get(frozenset((kind, other))):
                parts.append(square(cell, LEFT + j * SIDE, TOP + i * SIDE))
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {side} {side - LEFT + TOP}' role='img' "
            f"aria-label='Which networks connect, and how'><style>{STYLE}</style>{''.join(parts)}</svg>\n")


def html_table(rows):
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    marks = {"yes": " class='yes'", "NO": " class='no'"}
    body = "".join("<tr>" + "".join(f"<td{marks.get(c, '')}>{escape(c)}</td>" for c in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def html(found):
    kinds = "".join(f"<li><b>{k}</b>: {escape(v)}</li>" for k, v in ABOUT.items())
    body = (f"<h1>Connecting, between all kinds of networks</h1><p>{escape(where(found))}; {found['machine']['when']}, "
            f"Warren at {escape(found['commit'] or '?')}.</p><div style='max-width:50rem'>{svg(found['cells'])}</div>"
            "<p>D direct, d not always, R by relay, X not always connected. Below: milliseconds p50 / p95, of D until "
            f"the path was direct, of R until the first packet arrived.</p><ul>{kinds}</ul>"
            f"<h2>Targets</h2>{html_table(target_rows(found['targets']))}")
    for part in [cell_table(found["cells"])[-1], *event_table(found["events"])[-1:]]:
        body += f"<pre>{escape(part)}</pre>"
    return ("<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
            "content='width=device-width, initial-scale=1'><title>Connecting</title>"
            f"<style>{page.STYLE}</style></head><body>{body}</body></html>\n")
