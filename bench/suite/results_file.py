"""A Markdown file of which one part is what a run found and the rest is somebody's remarks."""
import os

from . import machine, tables

BEGIN = "<!-- written by {} --markdown: from here -->"
END = "<!-- to here; remarks go outside -->"
NEW = "# What was measured\n\n"


def section(summary):
    options = summary["options"]
    command = f"bench/run --rounds {options['rounds']} --seconds {options['seconds']}"
    minutes = summary["duration_s"] / 60
    return "\n\n".join((
        f"## Tunnels side by side: `{command}`",
        machine.text(summary["machine"], summary["versions"])
        + f"\n- Warren at {summary['commit']}; the run took {minutes:.0f} minutes",
        tables.report(summary)))


def update(path, written_section, program):
    """Replaces the part of an earlier run; without one, the file begins with it."""
    mark = BEGIN.format(program)
    text = NEW
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        before, after = NEW, "\n" + text.removeprefix(NEW)
    written = f"{before}{mark}\n\n{written_section}\n\n{END}{after}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(written if written.endswith("\n") else written + "\n")
