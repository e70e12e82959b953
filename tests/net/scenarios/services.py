"""Programs people use: iperf3, ssh and curl through the tunnel, direct and by relay.

    alice ── router A ── internet ── server
                            └── coord (with relay)
"""

import json
import os

from lab.command import check, run, tool
from lab.warren import coordinator, join, transfer

TIMEOUT_S = 180


def iperf(source, target, *options):
    server = target.ns.start("iperf-server", "iperf3", "-s", "-1", "-B", target.address(), "--forceflush")
    server.wait_log("listening")
    said = source.ns.run("iperf3", "-c", target.address(), "-J", "-t", "3", *options).stdout
    server.wait()
    return json.loads(said)["end"]


def try_ssh(source, target):
    keys = "/run/ssh-test"
    os.mkdir(keys, 0o700)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{keys}/host"])
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{keys}/user"])
    run(["cp", f"{keys}/user.pub", f"{keys}/authorized"])
    server = target.ns.start("sshd", tool("sshd"), "-D", "-e", "-f", "/dev/null", "-h", f"{keys}/host",
                             "-o", f"ListenAddress={target.address()}:22", "-o", "StrictModes=no",
                             "-o", f"AuthorizedKeysFile={keys}/authorized", "-o", "UsePAM=no",
                             "-o", "PermitRootLogin=yes", "-o", "PidFile=none")
    server.wait_log("Server listening")
    said = source.ns.run("ssh", "-F", "/dev/null", "-i", f"{keys}/user", "-o", "BatchMode=yes",
                         "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={keys}/known",
                         f"root@{target.address()}", "echo", "$SSH_CONNECTION").stdout.split()
    check(said and said[0] == source.address(), f"sshd saw {said}, not {source.address()}")
    server.kill()


def scenario(lab):
    coord = coordinator(lab)
    alice, server = join(lab, coord, lab.home("home", "A").host("alice"), lab.server("server"))
    alice.reaches(server)
    for path in ("relay", "direct"):
        alice.ctl("set", "path", "server", "relay" if path == "relay" else "auto")
        if path == "direct":
            alice.ping(server, until_direct=True, timeout_s=15)
        alice.wait_path(server, path)
        tcp = iperf(alice, server)["sum_received"]["bits_per_second"] / 1e6
        back = iperf(alice, server, "-R")["sum_received"]["bits_per_second"] / 1e6
        udp = iperf(alice, server, "-u", "-b", "20M")["sum"]
        print(f"{path}: TCP {tcp:.0f} Mbit/s up, {back:.0f} down; UDP lost {udp['lost_percent']:.1f} %; "
              f"curl {transfer(alice, server, 16):.0f} MiB/s")
        check(tcp > 10 and back > 10, f"{path}: only {tcp:.1f} and {back:.1f} Mbit/s")
        check(udp["lost_percent"] < 5, f"{path}: {udp['lost_percent']} % of a slow UDP stream lost")
        check(alice.peer(server)["path"] == path, f"the path did not stay {path}")
    try_ssh(alice, server)
