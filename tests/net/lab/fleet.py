"""A coordinator on loopback, and a crowd of nodes played by bench/coord_load."""

import json
import os
import select
import subprocess
import time

from .command import CheckFailed, Process, check, die_with_parent, run

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
COORD = os.path.join(TOP, "build/bin/warren-coord")
LOAD = os.path.join(TOP, "build/release/bench/coord_load")
ADDRESS, PORT = "127.0.0.1", 8443
TICKS = os.sysconf("SC_CLK_TCK")


def group_policy(groups):
    """Everybody reaches everybody of the same group over SSH, HTTPS and ICMP; nobody else."""
    rules = [{"allow": [f"group:g{i}"], "to": [f"group:g{i}:tcp/22,443", f"group:g{i}:icmp"]} for i in range(groups)]
    return json.dumps({"rules": rules}, indent=1)


class Coordinator:
    """One network in a folder, and its server."""

    def __init__(self, folder, options=()):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.options = list(options)
        self.process = None
        self.starts = 0
        run([COORD, "init", "--data", self.data, "--public", f"{ADDRESS}:{PORT}"])

    def command(self, *words, stdin=None):
        return run([COORD, *words, "--data", self.data], timeout_s=60, stdin=stdin).stdout

    def start(self, timeout_s=10):
        self.starts += 1
        self.process = Process("coord", [COORD, "serve", "--data", self.data, "--listen", f"{ADDRESS}:{PORT}",
                                         "--relay-listen", f"{ADDRESS}:3478", *self.options],
                               os.path.join(self.folder, f"log-{self.starts}"))
        self.process.wait_log(" ready ", timeout_s)

    @property
    def pid(self):
        return self.process.popen.pid

    def end(self, signum):
        """Sends the signal; says how long the process took to end."""
        begin = time.monotonic()
        self.process.popen.send_signal(signum)
        self.process.popen.wait(30)
        return time.monotonic() - begin

    def memory(self):
        """Kilobytes of the process, as the kernel counts them."""
        figures = {}
        for name, fields in (("status", ("VmRSS",)), ("smaps_rollup", ("Pss", "Private_Dirty"))):
            with open(f"/proc/{self.pid}/{name}", encoding="ascii") as file:
                for line in file:
                    word = line.split(":")[0]
                    if word in fields:
                        figures[word] = int(line.split()[1])
        return figures

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def set_policy(self, text):
        path = os.path.join(self.folder, "policy")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        self.command("policy", "set", path)

    def tokens(self, groups):
        """A file of reusable keys, one for each group."""
        path = os.path.join(self.folder, "tokens")
        with open(path, "w", encoding="ascii") as file:
            for i in range(groups):
                file.write(self.command("key", "create", "--reusable", "--group", f"g{i}").strip().split("\n")[-1]
                           + "\n")
        return path


class Fleet:
    """bench/coord_load: commands in, one object for each out."""

    def __init__(self, tokens, nodes_max, log):
        self.log = log
        with open(log, "wb") as errors:
            self.popen = subprocess.Popen([LOAD, ADDRESS, str(PORT), tokens, str(nodes_max)], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=errors, preexec_fn=die_with_parent)

    def tell(self, command):
        self.popen.stdin.write((command + "\n").encode())
        self.popen.stdin.flush()

    def answer(self, timeout_s):
        ready, _, _ = select.select([self.popen.stdout], [], [], timeout_s)
        if not ready:
            raise CheckFailed(f"the nodes did not answer within {timeout_s} s")
        line = self.popen.stdout.readline()
        check(line, "the program that plays the nodes ended")
        return json.loads(line)

    def ask(self, command, timeout_s=120):
        self.tell(command)
        return self.answer(timeout_s)

    def cpu_s(self):
        with open(f"/proc/{self.popen.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def close(self):
        self.popen.kill()
        self.popen.wait()
