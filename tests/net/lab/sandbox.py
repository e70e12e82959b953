"""Process, mount and network namespaces around everything the lab makes: nothing of the host is
touched, and the kernel removes it all when the first process ends, however it ends."""

import os
import subprocess
import sys

from .command import tool

_MARK = "WARREN_LAB_INSIDE"


def wrap(argv):
    """The command line that runs argv as process 1 of namespaces of its own."""
    return [tool("unshare"), "--mount", "--pid", "--net", "--fork", "--kill-child=KILL",
            "--mount-proc", *argv]


def prepare():
    """Called first inside: a /run of our own, so that parallel runs do not meet."""
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "tmpfs", "/run"]):
        subprocess.run(command, check=True)
    for folder in ("netns", "sshd", "warren", "wireguard"):
        os.mkdir(os.path.join("/run", folder))


def why_not():
    """Why no lab can be made here, and what to do; None if it can."""
    if os.geteuid() != 0:
        return "needs root to create network namespaces; run it with sudo"
    tried = subprocess.run(wrap(["true"]), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespaces here ({tried.stderr.strip()}); in a container, give it all privileges"
    return None


def enter(who):
    """For a program that is one lab: starts itself again inside, unless it is there already."""
    if os.environ.pop(_MARK, None):
        prepare()
        return
    trouble = why_not()
    if trouble:
        print(f"{who}: {trouble}", file=sys.stderr)
        sys.exit(1)
    argv = wrap([sys.executable, "-B", *sys.argv])
    os.execve(argv[0], argv, {**os.environ, _MARK: "1"})
