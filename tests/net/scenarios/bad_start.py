"""Starting where it cannot work: one line that says what, why and what to do, and status 1 or 2.

    left (warrend in every kind of trouble)
"""

import os

from lab.command import check, run


def refused(ns, what, *argv, words=()):
    """The command must end by itself, with one line on standard error that has these words."""
    done = ns.run(*argv, expect=None, timeout_s=10)
    said = done.stderr.strip()
    check(done.returncode in (1, 2), f"{what}: status {done.returncode}: {said}")
    check(len(said.splitlines()) == 1, f"{what}: not one line: {said!r}")
    for word in words:
        check(word in said, f"{what}: does not name {word}: {said}")
    print(f"{what}: {said}")


def trouble_with_device(left, name, argv):
    """What both ways of running have in common."""
    powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", *argv]
    refused(left, f"{name}, without privileges", *powerless)

    left.ip("link add wg0 type veth peer name other")
    refused(left, f"{name}, device name taken", *argv, words=["wg0"])
    left.ip("link del wg0")

    refused(left, f"{name}, no such option", *argv, "--frobnicate", words=["frobnicate"])
    refused(left, f"{name}, device name too long", *argv, "--tun", "a" * 16)

    run(["mount", "--bind", "/run/empty", "/dev/net"])
    refused(left, f"{name}, no /dev/net/tun", *argv, words=["/dev/net/tun"])
    run(["umount", "/dev/net"])

    first = left.start(f"first-{name}", *argv)
    first.wait_log("ready")
    refused(left, f"{name}, already running", *argv)
    check(first.running(), "the second start hurt the first daemon")
    first.terminate()


def trouble_with_configuration(left, argv):
    with left.socket() as holder:
        holder.bind(("0.0.0.0", 41641))
        refused(left, "port taken", *argv, "--port", "41641", words=["41641"])
    refused(left, "port out of range", *argv, "--port", "65536", words=["--port", "65535"])
    with open("/run/broken.conf", "w", encoding="ascii") as file:
        file.write("port = 41641\nworkers = many\n")
    refused(left, "broken configuration", *argv, "--config", "/run/broken.conf", words=["2", "workers"])
    refused(left, "no configuration", *argv, "--config", "/run/nowhere.conf", words=["/run/nowhere.conf"])


def trouble_with_state(left, argv):
    """One identity, two daemons: the second may not even start."""
    first = left.start("first-state", *argv)
    first.wait_log("ready")
    elsewhere = ["--socket", "/run/other.sock", "--tun", "wg1"]
    refused(left, "state in use", *argv, *elsewhere, words=["/run/state", "--state"])
    first.kill()
    second = left.start("second-state", *argv, *elsewhere)
    second.wait_log("ready")  # what was killed holds nothing
    second.terminate()


def scenario(lab):
    left = lab.host("left")
    warrend = lab.bin("warrend")
    mesh = [warrend, "--state", "/run/state", "--socket", "/run/w.sock", "--tun", "wg0"]
    os.makedirs("/run/empty")
    trouble_with_device(left, "standalone", [warrend, "--standalone", "--tun", "wg0"])
    trouble_with_device(left, "mesh", mesh)
    trouble_with_configuration(left, mesh)
    trouble_with_state(left, mesh)
