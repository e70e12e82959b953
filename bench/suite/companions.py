"""Benchmarks of their own that belong to the record: programs beside bench/run with tables of their
own, run after it."""
import os
import sys

from .testbed import TOP, check, run


class Companion:
    """`words` makes the command line's rest for a run of so many rounds."""

    def __init__(self, name, about, words, timeout_s):
        self.name, self.about, self.words, self.timeout_s = name, about, words, timeout_s
        self.program = os.path.join(TOP, "bench", name)

    def there(self):
        return os.access(self.program, os.X_OK)

    def run(self, rounds):
        """What it prints."""
        words = self.words(rounds)
        done = run([sys.executable, "-B", self.program, *words], expect=None, timeout_s=self.timeout_s)
        check(done.returncode == 0, f"bench/{self.name} ended with {done.returncode}: {done.stderr[-400:]}")
        return {"command": " ".join(map(str, ("bench/" + self.name, *words))), "text": done.stdout.strip()}


def at_most(limit):
    return lambda rounds: ["--rounds", min(rounds, limit)]


ALL = {c.name: c for c in (
    Companion("relay", "warren-relay beside coturn", lambda rounds: [
        *at_most(2)(rounds), "--cases", "8:64:plain,8:1400:plain,64:1400:gso"], 400),
    Companion("scaling", "one worker and two, lanes", lambda rounds: [
        *at_most(2)(rounds), "--seconds", 1, "--metrics", "tcp8-both", "udp1400"], 400),
) if c.there()}
