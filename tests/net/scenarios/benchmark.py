"""The benchmark measures, writes all it promises, and counts what fails as failed.

    A (sends) ──── veth ──── B (receives)          bench/run makes its own
"""

import json
import os
import re
import shutil
import xml.etree.ElementTree

from lab.command import check, run
from lab.world import ROOT

OUT = os.path.join(ROOT, "build", "net", "benchmark", "out")
FILES = {name: os.path.join(OUT, f"results.{name}") for name in ("json", "html", "markdown")}
SHORT = ["--rounds", "1", "--seconds", "1", "--only", "veth", "warrend"]
REMARK = "A remark that somebody wrote.\n"
# Both ends of a measurement that cannot be had.
FAKE = """#!/bin/sh
case $1 in
-s) echo "Server listening"; exec sleep 30 ;;
*) echo '{"error": "no luck today"}'; exit 1 ;;
esac
"""


def bench(*words, **options):
    return run([os.path.join(ROOT, "bench", "run"), *SHORT, *words], timeout_s=100, **options)


def results(metric, path=None):
    """A short run; its exit status and what it wrote as JSON."""
    files = [word for name, file in FILES.items() for word in (f"--{name}", file)]
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    done = bench(*files, "--metrics", *metric, expect=None, env=env)
    with open(FILES["json"], encoding="utf-8") as file:
        return done, json.load(file)


def check_figures(found):
    ours = found["results"]["warrend"]
    for key in ("tcp1", "cpu_daemon", "cpu_system", "rtt1_p99", "udp64", "rtt_p50", "rtt_p99"):
        check(ours[key]["median"] > 0, f"{key}: {ours.get(key)}")
    check(ours["udp64_reordered"]["max"] == 0, f"reordered: {ours['udp64_reordered']}")
    check("cpu_daemon" not in found["results"]["veth"], "a cable has no daemon")
    judged = {t["key"]: t["met"] for t in found["targets"]}
    check(judged["udp64_reordered"] is True and judged["handshakes"] is None, f"targets: {judged}")


def check_page():
    with open(FILES["html"], encoding="utf-8") as file:
        page = file.read()
    charts = re.findall(r"<svg.*?</svg>", page, re.S)
    check(len(charts) >= 8, f"{len(charts)} charts")
    for chart in charts:
        xml.etree.ElementTree.fromstring(chart)
        check("veth" in chart or "warrend" in chart, f"a chart of nobody: {chart[:200]}")
    check("<script" not in page and not re.search(r"(src|href)=", page), "the page needs other files")


def scenario(_lab):
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    with open(FILES["markdown"], "w", encoding="utf-8") as file:
        file.write("# What was measured\n\n" + REMARK)
    done, found = results(("tcp1", "udp64", "rtt"))
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr[-800:]}")
    check_figures(found)
    check_page()
    fake = os.path.join(OUT, "fake")
    os.mkdir(fake)
    with open(os.path.join(fake, "iperf3"), "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o755)) as file:
        file.write(FAKE)
    done, found = results(("tcp1", "rtt"), fake)
    check(done.returncode == 1, f"iperf3 failed and the status is {done.returncode}")
    check({e["contender"] for e in found["errors"]} == {"veth", "warrend"}, f"errors: {found['errors']}")
    check("no luck today" in done.stdout, "the table does not say why")
    check("tcp1" not in found["results"]["warrend"], "a failure was counted as a figure")
    check("rtt_p50" in found["results"]["warrend"], "a failure took another metric with it")
    with open(FILES["markdown"], encoding="utf-8") as file:
        text = file.read()
    check(text.count("### Targets") == 1 and text.count(REMARK) == 1, "remarks or tables are lost or doubled")
    for words in (["--rounds", "0"], ["--metrics", "speed"], ["--only", "nobody"], ["--json", "/run/x"]):
        done = bench(*words, expect=None)
        check(done.returncode in (1, 2) and len(done.stderr.strip().splitlines()[-1]) < 300,
              f"{words}: {done.returncode}: {done.stderr}")
