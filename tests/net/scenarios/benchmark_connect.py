"""The benchmark of connecting measures, and writes all it promises.

    left-KIND ── home ── internet ── home ── right-KIND          bench/connect makes its own
"""

import json
import os
import shutil
import xml.etree.ElementTree

from lab.command import check, run
from lab.world import ROOT

TIMEOUT_S = 150
OUT = os.path.join(ROOT, "build", "net", "benchmark_connect", "out")
FILES = {name: os.path.join(OUT, f"connect.{name}") for name in ("json", "html", "svg", "markdown")}
PAIRS = {"A×A": ("D", None), "A×U": ("R", "udp-blocked"), "A×v6": ("R", "no-family")}
RUNS = 2


def bench(*words, **options):
    return run([os.path.join(ROOT, "bench", "connect"), *words], timeout_s=100, **options)


def check_cells(cells):
    found = {"×".join(cell["kinds"]): cell for cell in cells}
    check(set(found) == set(PAIRS), f"measured {sorted(found)}")
    for name, cell in found.items():
        kind, reason = PAIRS[name]
        check(cell["runs"] == RUNS and cell["share_connected"] == 1, f"{name}: {cell}")
        check(cell["share_direct"] == (kind == "D") and cell["reason"] == reason, f"{name}: {cell}")
        # Light takes 60 ms for a handshake and a packet, so less was not measured.
        check(0.06 < cell["first"]["p50"] < 5 and cell["cold"]["p50"] > 0.06, f"{name}: {cell}")


def check_events(events):
    for name in ("switch", "switch-direct"):
        check(events[name]["spread"]["runs"] >= RUNS, f"{name}: {events[name]}")


def check_picture(path, cells):
    squares = [g for g in xml.etree.ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}g")]
    check(len(squares) == cells, f"{len(squares)} squares instead of {cells}")
    letters = sorted(next(g.iter("{http://www.w3.org/2000/svg}text")).text for g in squares)
    check(letters == ["D", "R", "R", "R", "R"], f"without colours the picture says {letters}")


def scenario(_lab):
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    files = [word for name, file in FILES.items() for word in (f"--{name}", file)]
    done = bench("--runs", RUNS, "--only", *PAIRS, "switch", *files, expect=None)
    check(done.returncode == 0, f"status {done.returncode}: {done.stdout[-600:]} {done.stderr[-600:]}")
    with open(FILES["json"], encoding="utf-8") as file:
        found = json.load(file)
    check_cells(found["cells"])
    check_events(found["events"])
    check_picture(FILES["svg"], 5)
    judged = {t["title"]: t["met"] for t in found["targets"]}
    check(judged["connects"] is True and judged["port mapping made, p95"] is None, f"targets: {judged}")
    with open(FILES["html"], encoding="utf-8") as file:
        check("<script" not in file.read(), "the page has a script")
    with open(FILES["markdown"], encoding="utf-8") as file:
        check("### The matrix" in file.read(), "no tables in the record")
    for words in (["--runs", "0"], ["--only", "AxQ"], ["--json", "/run/x"]):
        done = bench(*words, expect=None)
        check(done.returncode == 2 and len(done.stderr.strip().splitlines()[-1]) < 300,
              f"{words}: {done.returncode}: {done.stderr}")
