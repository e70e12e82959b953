"""CPU time: of processes from /proc/PID/stat, of the machine from /proc/stat.

The machine's busy time is everything but idle, waiting for disks and what the hypervisor took
(steal), of all cores together: tunnels, kernel, iperf3 or whatever else measures, and anything else
that runs. Nothing is subtracted, so that the kernel's part of a tunnel is in it whoever it is booked
to.
"""
import os

TICKS = os.sysconf("SC_CLK_TCK")


def process_seconds(process):
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_seconds():
    """(busy, stolen) since the machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


class Usage:
    """What was used since this was made."""

    def __init__(self, processes):
        self.processes = processes
        self.before = {role: process_seconds(p) for role, p in processes.items()}
        self.machine = machine_seconds()

    def daemons(self):
        return {role: process_seconds(p) - self.before[role] for role, p in self.processes.items()}

    def system(self):
        return machine_seconds()[0] - self.machine[0]

    def stolen(self):
        return machine_seconds()[1] - self.machine[1]

    def per_gb(self, size):
        """CPU seconds a GB (10^9 bytes) that arrived: {"daemon": None without one, "system", "roles"}."""
        roles = {role: used / (size / 1e9) for role, used in self.daemons().items()}
        return {"daemon": sum(roles.values()) if roles else None,
                "system": self.system() / (size / 1e9), "roles": roles}
