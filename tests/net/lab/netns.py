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
        self.files = None
        run(["ip", "netns", "add", name])
        self.ip("link set lo up")

    def command(self, argv):
        files = [f"--mount={self.files}"] if self.files else []
        return ["nsenter", f"--net={self.path}", *files, "--"] + [str(a) for a in argv]

    def own_files(self, resolv_conf):
        """From now on this machine has an /etc, and sockets of the system's daemons, of its own;
        files in the rest of /run are still everybody's."""
        folder = f"/run/{self.name}-files"
        os.makedirs(f"{folder}/etc")
        holder = self.start(f"{self.name}-files", "unshare", "--mount", "--propagation", "private",
                            "sh", "-c", "echo ready; exec sleep infinity")
        holder.wait_log("ready")
        self.files = f"/proc/{holder.popen.pid}/ns/mnt"
        run(["cp", "-a", "/etc/.", f"{folder}/etc"])
        self.run("mount", "--bind", f"{folder}/etc", "/etc")
        for daemon in ("dbus", "systemd", "NetworkManager"):
            self.run("mkdir", "-p", f"/run/{daemon}")
            self.run("mount", "-t", "tmpfs", "tmpfs", f"/run/{daemon}")
        self.run("rm", "-f", "/etc/resolv.conf")
        self.write("/etc/resolv.conf", resolv_conf)
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")

    def write(self, path, text):
        """A file as this machine sees it."""
        self.run("sh", "-c", 'cat >"$0"', path, stdin=text)

    def read(self, path):
        return self.run("cat", path).stdout

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
