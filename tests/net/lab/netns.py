"""A network namespace: a machine of the lab."""

import ctypes
import os
import socket

from .command import Process, check, run

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


class Netns:
    """A namespace with loopback up. Interfaces are added by Lab.link and the like."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.path = f"/run/netns/{name}"
        run(["ip", "netns", "add", name])
        self.ip("link set lo up")

    def command(self, argv):
        return ["nsenter", f"--net={self.path}", "--"] + [str(a) for a in argv]

    def run(self, *argv, **options):
        return run(self.command(argv), **options)

    def ip(self, words):
        return self.run("ip", *words.split())

    def ip_batch(self, lines, family=()):
        run(self.command(["ip", *family, "-batch", "-"]), stdin="\n".join(lines) + "\n")

    def nft(self, rules):
        run(self.command(["nft", "-f", "-"]), stdin=rules)

    def sysctl(self, *settings):
        """Settings like net.ipv4.ip_forward=1."""
        self.run("sysctl", "-qw", *settings)

    def start(self, name, *argv, stdin=False, env=None):
        """A background program with a log file of its own, ended with the scenario."""
        process = Process(name, self.command(argv), self.lab.log_path(name), stdin, env)
        self.lab.processes.append(process)
        return process

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM, proto=0):
        """A Python socket that lives in this namespace."""
        _setns(self.path)
        try:
            return socket.socket(family, kind, proto)
        finally:
            _setns("/proc/1/ns/net")

    def address(self, family=4, dev=None):
        """The first global address."""
        words = ["ip", "-o", f"-{family}", "addr", "show", "scope", "global"]
        out = self.run(*words, *(["dev", dev] if dev else [])).stdout.split()
        check("inet" in out or "inet6" in out, f"{self.name} has no v{family} address on {dev}")
        return out[out.index("inet" if family == 4 else "inet6") + 1].split("/")[0]

    def device_exists(self, dev):
        return self.run("ip", "link", "show", dev, expect=None).returncode == 0

    def ping(self, address, count=1, timeout_s=1, dev=None):
        """Whether an answer to ICMP echo comes."""
        words = ["ping", "-n", "-q", "-c", count, "-i", "0.2", "-W", timeout_s]
        done = self.run(*words, *(["-I", dev] if dev else []), address, expect=None,
                        timeout_s=count * timeout_s + 10)
        return done.returncode == 0
