"""Process, mount and network namespaces around everything the lab makes: nothing of the host is
touched, and the kernel removes it all when the first process ends, however it ends."""

import os
import signal
import subprocess
import sys

from .command import die_with_parent, tool

_MARK = "WARREN_LAB_INSIDE"


def wrap(argv):
    """The command line that runs argv as process 1 of namespaces of its own."""
    return [tool("unshare"), "--mount", "--pid", "--net", "--fork", "--kill-child=KILL",
            "--mount-proc", *argv]


def prepare():
    """Called first inside: a /run of our own, so that parallel runs do not meet, and an /etc to which
    daemons may write, since they look after resolv.conf."""
    for command in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "tmpfs", "/run"],
                    ["mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]):
        subprocess.run(command, check=True)
    for folder in ("netns", "sshd", "warren", "wireguard", "etc", "etc.work"):
        os.mkdir(os.path.join("/run", folder))
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    "lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc.work", "/etc"], check=True)


def why_not():
    """Why no lab can be made here, and what to do; None if it can."""
    if os.geteuid() != 0:
        return "needs root to create network namespaces; run it with sudo"
    tried = subprocess.run(wrap(["true"]), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespaces here ({tried.stderr.strip()}); in a container, give it all privileges"
    return None


def enter(who):
    """For a program that is one lab: starts itself again inside, unless it is there already. This
    process waits outside; when it is told to end, or is killed, everything inside is killed too."""
    if os.environ.pop(_MARK, None):
        prepare()
        return
    trouble = why_not()
    if trouble:
        print(f"{who}: {trouble}", file=sys.stderr)
        sys.exit(1)
    # unshare itself ignores what would end it.
    inside = subprocess.Popen(wrap([sys.executable, "-B", *sys.argv]), env={**os.environ, _MARK: "1"},
                              preexec_fn=die_with_parent)
    told = []

    def end(signum, _frame):
        told.append(signum)
        inside.kill()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, end)
    status = inside.wait()
    if told:
        print(f"\n{who}: ended by {signal.Signals(told[0]).name}; nothing is left behind", file=sys.stderr)
    sys.exit(128 + told[0] if told else status if status >= 0 else 128 - status)
