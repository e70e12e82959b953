"""What the daemon keeps is damaged, file by file: refused or repaired from the coordinator, and the
identity is never quietly made anew.

    alice ── internet ── coord
"""

import os

from lab.command import check
from lab.warren import Node, coordinator


def damage(whole, how):
    middle = len(whole) // 2
    if how == "cut":
        return whole[:middle]
    if how == "empty":
        return b""
    return whole[:middle] + bytes([whole[middle] ^ 0x40]) + whole[middle + 1:]


def start_on(alice, what):
    """Starts the daemon on what is there. True: it runs; False: it refused with one line."""
    process = alice.ns.start(f"alice-{what}", alice.lab.bin("warrend"), "--state", alice.state,
                             "--socket", alice.control, "--tun", alice.tun)
    while process.running() and "ready" not in process.log():
        pass
    if process.running():
        alice.process = process
        return True
    said = process.log().strip()
    check(process.popen.returncode == 1, f"{what}: status {process.popen.returncode}: {said}")
    check(len(said.splitlines()) == 1, f"{what}: not one line: {said!r}")
    print(f"{what}: {said}")
    return False


def alone_with_membership(alice):
    """The identity is missing: said in one line, and what is left of the state stays as it is."""
    identity, membership = (os.path.join(alice.state, name) for name in ("identity", "membership"))
    os.rename(identity, identity + ".away")
    with open(membership, "rb") as file:
        whole = file.read()
    check(start_on(alice, "identity-missing"), "refused to start without an identity")
    lines = [line for line in alice.process.log().splitlines() if "identity-missing" in line]
    check(len(lines) == 1, f"said about it: {lines}")
    check(alice.status()["state"] == "needs-login", alice.status()["state"])
    alice.up(expect=4)
    alice.process.terminate()
    with open(membership, "rb") as file:
        check(file.read() == whole, "the membership was touched")
    check(not os.path.exists(identity), "a new identity was made")
    os.rename(identity + ".away", identity)


def scenario(lab):
    coord = coordinator(lab)
    alice = Node(lab, lab.server("alice"))
    alice.up(coord.token)
    identity = alice.status()["self"]["public_key"]
    alice.process.terminate()
    names = sorted(os.path.join(folder, name) for folder, _, files in os.walk(alice.state) for name in files)
    check(names, "the daemon wrote no state")
    for name in names:
        with open(name, "rb") as file:
            whole = file.read()
        if not whole:
            continue
        for how in ("flipped", "cut", "empty"):
            what = f"{os.path.relpath(name, alice.state).replace('/', '-')} {how}"
            with open(name, "wb") as file:
                file.write(damage(whole, how))
            if start_on(alice, what.replace(" ", "-")):
                now = alice.status()
                print(f"{what}: runs, {now['state']}")
                check(now["self"]["public_key"] in (identity, None), f"{what}: another identity")
                alice.process.terminate()
            with open(name, "wb") as file:
                file.write(whole)
    alone_with_membership(alice)
    alice.start()
    check(alice.status()["self"]["public_key"] == identity, "another identity in the end")
    alice.up()
