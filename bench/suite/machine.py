"""The machine a run took place on, and the versions of what took part."""
import os
import platform
import shutil
import time

from .contenders import ALL, packaged
from .testbed import run


def first(path, prefix):
    try:
        with open(path, encoding="utf-8") as file:
            return next((line.split(":", 1)[-1].strip() for line in file if line.startswith(prefix)), None)
    except OSError:
        return None


def system_name():
    return (first("/etc/os-release", "PRETTY_NAME") or "").split("=")[-1].strip('"') or platform.system()


def describe():
    memory = first("/proc/meminfo", "MemTotal:")
    return {
        "cpu": first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "virtual": " hypervisor " in (first("/proc/cpuinfo", "flags") or "") + " ",
        "memory_gib": round(int(memory.split()[0]) / 2**20, 1) if memory else None,
        "kernel": f"Linux {os.uname().release}",
        "system": system_name(),
        "packages": {name: version for name in ("libipsec-mb1", "libssl3", "libsodium23", "iperf3", "gcc-12")
                     if shutil.which("dpkg-query") and (version := packaged(name))},
        "load_average": os.getloadavg(),
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def commit(top):
    if not shutil.which("git"):
        return None
    done = run(["git", "-c", "safe.directory=*", "-C", top, "describe", "--always", "--dirty"], expect=None)
    return done.stdout.strip() or None


def versions(names):
    return {name: ALL[name].version() for name in names if ALL[name].version()}


def text(machine, found):
    """Lines for people."""
    kind = "virtual, " if machine["virtual"] else ""
    lines = [f"- Machine: {kind}{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB",
             f"- System: {machine['system']}, {machine['kernel']}; "
             + ", ".join(f"{n} {v}" for n, v in machine["packages"].items()),
             f"- {machine['when']}, load average before it "
             + " ".join(f"{x:.1f}" for x in machine["load_average"])]
    return "\n".join(lines + [f"- {name}: {version}" for name, version in found.items()])
