"""The results as text: tables that are Markdown as well."""
from .figures import FIGURES, GROUPS

WORDS = {True: "yes", False: "NO", None: "not measured"}


def table(rows):
    """Aligned Markdown; the first row is the heading, the first column is left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(cells) + " |")
        if number == 0:
            lines.append("|" + "|".join(("-" * (w + 2)) if i == 0 else "-" * (w + 1) + ":"
                                        for i, w in enumerate(widths)) + "|")
    return "\n".join(lines)


def value_cell(key, figure):
    if figure is None:
        return "-"
    text = FIGURES[key].text
    middle = text(figure["median"])
    return middle if figure["min"] == figure["max"] else f"{middle} [{text(figure['min'])} {text(figure['max'])}]"


def ratio_cell(figure):
    ratios = [figure and figure[word] for word in ("to_newest", "to_probe")]
    return "-" if ratios == [None, None] else " / ".join("-" if r is None else f"{r:.2f}" for r in ratios)


def group_tables(results, group, failed=()):
    """The values of a group, and how they relate to the newest wireguard-go and to probe."""
    keys = [f.key for f in FIGURES.values()
            if f.group == group and any(f.key in figures for figures in results.values())]
    if not keys:
        return []
    head = [FIGURES[k].heading() for k in keys]
    rows = {name + " (failed)" * (name in failed): figures for name, figures in results.items()
            if any(k in figures for k in keys)}
    values = [["", *head]] + [[n, *(value_cell(k, f.get(k)) for k in keys)] for n, f in rows.items()]
    keys = [k for k in keys if FIGURES[k].ratios]
    ratios = [["ratios", *(FIGURES[k].title for k in keys)]]
    ratios += [[n, *(ratio_cell(f.get(k)) for k in keys)] for n, f in rows.items()]
    found = [f"### {GROUPS[group]}", table(values)]
    if any(cell != "-" for row in ratios[1:] for cell in row[1:]):
        found.append(table(ratios))
    return found


def daemon_table(rounds):
    """CPU time a GB of each daemon by itself, medians over the rounds."""
    rows = [["daemon", "s/GB"]]
    for name in dict.fromkeys(name for r in rounds for name in r):
        parts = [r[name]["cpu_roles"] for r in rounds if "cpu_roles" in r.get(name, {})]
        for role in parts[0] if parts else ():
            ordered = sorted(p[role] for p in parts)
            rows.append([f"{name}, {role}", f"{ordered[len(ordered) // 2]:.2f}"])
    return ["### Each daemon, one TCP stream", table(rows)] if len(rows) > 1 else []


def target_table(targets):
    rows = [["target", "bound", "reached", "met"]]
    for t in targets:
        reached = "-" if t["reached"] is None else f"{t['reached']:.2f}"
        rows.append([t["title"], t["target"], reached, WORDS[t["met"]]])
    return ["### Targets", table(rows)]


def report(summary):
    """Everything that was measured, for a terminal and for RESULTS.md."""
    results, failed = summary["results"], {e["contender"] for e in summary["errors"]}
    count = len(summary["rounds"])
    parts = [f"Median of {count} rounds [least greatest]; ratios to the newest wireguard-go / to probe are "
             "medians of the rounds' own."] if count else []
    for group in GROUPS:
        parts += group_tables(results, group, failed)
        if group == "cpu":
            parts += daemon_table(summary["rounds"])
    for beside in summary.get("companions", {}).values():
        parts += [f"### `{beside['command']}`", f"```\n{beside['text']}\n```"]
    parts += target_table(summary["targets"])
    parts += [f"left out: {name}: {why}" for name, why in summary.get("left_out", {}).items()]
    parts += [f"failed: {e['contender']}, {e['measurement']}, round {e['round']}: {e['why']}"
              for e in summary["errors"]]
    return "\n\n".join(parts)
