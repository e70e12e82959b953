"""The results as one self-contained HTML page: bars with their spread in inline SVG, no script."""
from html import escape

from .figures import FIGURES, GROUPS
from .summary import NEWEST, YARDSTICK
from .tables import WORDS
from .targets import OURS

WIDTH, ROW, LABEL, VALUE = 380, 24, 132, 58  # of a chart, in its own units
PLOT = WIDTH - LABEL - VALUE

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #626c78; --line: #dfe3e8;
  --card: #f6f7f9; --ours: #0b6e4f; --newest: #c2571a; --other: #9aa5b1; --good: #0b6e4f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e6e9ec; --soft: #9aa5b1;
  --line: #31373d; --card: #1d2125; --ours: #3ecf9a; --newest: #f08a4b; --other: #66717c;
  --good: #3ecf9a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 84rem; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p, ul { color: var(--soft); margin: .3rem 0; } ul { padding-left: 1.2rem; }
.charts { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; padding: .7rem .8rem; background: var(--card); border-radius: .5rem; }
figcaption { font-weight: 600; } figcaption small { font-weight: 400; color: var(--soft); }
svg { display: block; width: 100%; height: auto; margin-top: .4rem; }
svg text { fill: var(--text); font: 12px system-ui, sans-serif; }
svg .value { text-anchor: end; font-variant-numeric: tabular-nums; }
.bar { fill: var(--other); } .ours .bar { fill: var(--ours); } .newest .bar { fill: var(--newest); }
.ours text { font-weight: 700; } .spread { stroke: var(--text); stroke-width: 1.3; opacity: .75; }
.axis { stroke: var(--line); }
pre { overflow-x: auto; padding: .7rem .8rem; background: var(--card); border-radius: .5rem; font-size: 12px; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); }
td, th { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:nth-child(n+2) { font-variant-numeric: tabular-nums; } td:last-child { color: var(--soft); }
.yes { color: var(--good); font-weight: 700; } .no { color: var(--bad); font-weight: 700; }
"""


def class_of(name):
    return {OURS: "ours", NEWEST: "newest"}.get(name, "other")


def reach(named):
    """Where the bars end: at what matters, or at most at twice that; what goes beyond is cut, its number
    stands beside it."""
    names = [n for n in (OURS, NEWEST, YARDSTICK) if n in named] or list(named)
    core = max(named[n]["max"] for n in names)
    return max(row["max"] for row in named.values() if row["max"] <= 2 * core or row["max"] == core) * 1.05


def bar(figure, name, row, y, limit):
    """One contender's line of a chart."""
    def x(value):
        return LABEL + PLOT * min(max(value, 0), limit) / limit if limit > 0 else LABEL

    middle, least, most = (x(row[k]) for k in ("median", "min", "max"))
    text = figure.text(row["median"])
    ratio = f", {row['to_newest']:.2f} times {NEWEST}" if row["to_newest"] is not None else ""
    about = (f"{name}: {text} {figure.unit}, {figure.text(row['min'])} to {figure.text(row['max'])} in "
             f"{len(row['rounds'])} rounds{ratio}")
    parts = [f"<g class='{class_of(name)}'><title>{escape(about)}</title>",
             f"<text x='0' y='{y + 16}'>{escape(name)}</text>",
             f"<rect class='bar' x='{LABEL}' y='{y + 4}' width='{max(middle - LABEL, 1):.1f}' height='15' rx='2'/>"]
    if row["median"] > limit:
        end = LABEL + PLOT
        parts.append(f"<path class='bar' d='M{end} {y + 4} l7 7.5 l-7 7.5z'/>")
    elif row["max"] > row["min"]:
        mid = y + 11.5
        parts.append(f"<path class='spread' fill='none' d='M{least:.1f} {mid}H{most:.1f}M{least:.1f} {mid - 3.5}v7"
                     f"M{most:.1f} {mid - 3.5}v7'/>")
    parts.append(f"<text class='value' x='{WIDTH}' y='{y + 16}'>{text}</text></g>")
    return "".join(parts)


def chart(figure, named):
    """A figure of all contenders that have it."""
    limit = reach(named)
    bars = "".join(bar(figure, name, row, i * ROW, limit) for i, (name, row) in enumerate(named.items()))
    height = ROW * len(named)
    return (f"<figure><figcaption>{escape(figure.heading())} <small>{figure.better} is better</small></figcaption>"
            f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(figure.heading(), quote=True)}'>"
            f"<path class='axis' d='M{LABEL} 0V{height}'/>{bars}</svg></figure>")


def charts(results, group):
    found = []
    for figure in FIGURES.values():
        named = {n: f[figure.key] for n, f in results.items() if figure.key in f}
        # Nothing to compare where nobody has anything.
        if figure.group == group and named and any(row["max"] for row in named.values()):
            found.append(chart(figure, named))
    return f"<h2>{escape(GROUPS[group])}</h2><div class='charts'>{''.join(found)}</div>" if found else ""


def target_table(targets):
    rows = []
    for t in targets:
        reached = "-" if t["reached"] is None else f"{t['reached']:.2f}"
        mark = {True: "yes", False: "no", None: ""}[t["met"]]
        rows.append(f"<tr><td>{escape(t['title'])}</td><td>{reached}</td><td class='{mark}'>"
                    f"{WORDS[t['met']]}</td><td>{escape(t['target'])}</td></tr>")
    return ("<h2>Targets</h2><table><tr><th>what</th><th>reached</th><th>met</th><th>bound</th></tr>"
            f"{''.join(rows)}</table>")


def listed(title, lines):
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if lines else ""


def page(summary):
    machine, options = summary["machine"], summary["options"]
    where = (f"{machine['cores']} cores of {machine['cpu']}, {machine['kernel']}, {machine['when']}. Medians of "
             f"{options['rounds']} alternating rounds, {options['seconds']} s a measurement; the thin lines go "
             "from the least to the greatest round. A bar with a point goes on beyond the chart.")
    body = [f"<h1>Tunnels side by side</h1><p>{escape(where)}</p>", target_table(summary["targets"])]
    body += [charts(summary["results"], group) for group in GROUPS]
    body += [f"<h2>{escape(b['command'])}</h2><pre>{escape(b['text'])}</pre>"
             for b in summary["companions"].values()]
    body.append(listed("Failed", [f"{e['contender']}: {e['measurement']}: {e['why']}" for e in summary["errors"]]))
    body.append(listed("Left out", [f"{n}: {why}" for n, why in summary["left_out"].items()]))
    body.append(listed("Versions", [f"{n}: {v}" for n, v in summary["versions"].items()]))
    return ("<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width, initial-scale=1'><title>Tunnels side by side</title>"
            f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n")
