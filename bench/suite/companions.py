"""Benchmarks of their own that belong to the record: programs beside bench/run with tables of their
own, run after it."""
import json
import os
import sys

from .testbed import BUILD, TOP, check, run


class Companion:
    """`words` makes the command line's rest for a run of so many rounds; `figures`: whether the program
    knows --json."""

    def __init__(self, name, about, words, timeout_s, figures=False):
        self.name, self.about, self.words, self.timeout_s = name, about, words, timeout_s
        self.figures = figures
        self.program = os.path.join(TOP, "bench", name)

    def there(self):
        return os.access(self.program, os.X_OK)

    def run(self, rounds):
        """What it prints, and its figures."""
        words, path = self.words(rounds), os.path.join(BUILD, f"{self.name}.json")
        done = run([sys.executable, "-B", self.program, *words, *(["--json", path] if self.figures else [])],
                   expect=None, timeout_s=self.timeout_s)
        check(done.returncode == 0, f"bench/{self.name} ended with {done.returncode}: {done.stderr[-400:]}")
        found = {"command": " ".join(map(str, ("bench/" + self.name, *words))), "text": done.stdout.strip()}
        if self.figures:
            with open(path, encoding="utf-8") as file:
                found["figures"] = json.load(file)
        return found


def at_most(limit):
    return lambda rounds: ["--rounds", min(rounds, limit)]


ALL = {c.name: c for c in (
    Companion("relay", "warren-relay beside coturn", lambda rounds: [
        *at_most(3)(rounds), "--cases", "8:64:plain,8:1400:plain,64:1400:gso"], 400, True),
    Companion("scaling", "one worker and two, lanes", lambda rounds: [
        *at_most(2)(rounds), "--seconds", 1, "--metrics", "tcp8-both", "udp1400"], 400),
) if c.there()}
