"""Pairs of namespaces, one pair a contender, inside the sandbox of the lab:

    A (sends) ──── veth ──── B (receives)

Each pair has the same addresses and knows nothing of the others, so that all tunnels can stand at
once and take turns figure by figure.
"""
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "net"))

from lab import sandbox  # noqa: E402,F401 (found only after the line above)
from lab.command import CheckFailed, check, run, tool, wait_until  # noqa: E402,F401
from lab.netns import Netns  # noqa: E402
from lab.warren import Coordinator, Node  # noqa: E402,F401
from lab.wireguard import Device  # noqa: E402,F401
from lab.world import Lab  # noqa: E402

BUILD = os.path.join(TOP, "build", "bench")
OUTER = {"a": "10.99.71.1", "b": "10.99.71.2"}
INNER = {"a": "10.99.72.1", "b": "10.99.72.2"}
OTHER = {"a": "b", "b": "a"}
TUNNEL_MTU = 1420


class Testbed(Lab):
    """Where a run takes place; `stop` ends every process that was started on it."""

    def __init__(self):
        super().__init__(os.path.join(BUILD, "logs"), seed=1)
        self.pairs = 0

    def pair(self, name):
        self.pairs += 1
        return Pair(self, name, self.pairs)


class Pair:
    """Two namespaces, their cable, and the processes of one contender in them."""

    def __init__(self, bed, name, number):
        self.bed, self.name, self.number = bed, name, number
        self.first_process = len(bed.processes)
        self.side = {s: Netns(bed, f"{name}-{number}{s}") for s in "ab"}
        # One folder holds the wg(8) sockets of all devices, so the names differ.
        self.tun = {s: f"t{number}{s}" for s in "ab"}
        bed.link(self.side["a"], "veth0", self.side["b"], "veth0")
        for s in "ab":
            self.side[s].ip(f"addr add {OUTER[s]}/24 dev veth0")

    def start(self, side, role, *argv, **options):
        return self.side[side].start(f"{self.name}-{role}", *argv, **options)

    def wait_devices(self):
        for s in "ab":
            wait_until(f"{self.tun[s]} appears", lambda s=s: self.side[s].device_exists(self.tun[s]))

    def address_devices(self):
        for s in "ab":
            self.side[s].ip_batch([f"addr add {INNER[s]}/24 dev {self.tun[s]}",
                                   f"link set {self.tun[s]} mtu {TUNNEL_MTU} up"])

    def remove(self):
        """Ends this contender's processes, and the namespaces with them."""
        mine = [p for p in self.bed.processes[self.first_process:]
                if any(f"--net={ns.path}" in p.argv for ns in self.side.values())]
        for process in mine:
            if process.running():
                process.popen.terminate()
        for process in mine:
            try:
                process.wait(5)
            except CheckFailed:
                process.kill()
        for ns in self.side.values():
            run(["ip", "netns", "del", ns.name], expect=None)


def one_line(error):
    return " ".join(str(error).split())
