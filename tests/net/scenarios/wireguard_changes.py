"""What happens to a running WireGuard tunnel when things around it change: addresses, keys, ports,
allowed-ips, peers; and what strangers get who send to its port: nothing.

    left ── internet ── right, third
      warrend             wireguard-go and warrend
"""

import os
import re
import socket
import time

from lab.command import check, for_everybody, wait_until
from lab.wireguard import Device, bracketed, genkey

TIMEOUT_S = 150
PORT = 51820


def handshakes_again(device, other, before):
    wait_until("a new handshake", lambda: device.peer(other)["handshake"] > before)


def roam(lab, left, right, family, what):
    """Left moves to another address of the same network; right follows its packets."""
    ns, mask = left.ns, 24 if family == 4 else 64
    old = left.outer(family)
    site = lab.roam_site = getattr(lab, "roam_site", 10) + 1
    net = old.rsplit("." if family == 4 else ":", 1)[0]
    new = f"{net}.{site}" if family == 4 else f"{net}:{site}"
    gateway = f"{net}.1" if family == 4 else f"{net}:1"
    ns.ip(f"addr del {old}/{mask} dev wan")
    ns.ip(f"addr add {new}/{mask} dev wan" + (" nodad" if family == 6 else ""))
    ns.ip(f"{'-6 ' if family == 6 else ''}route replace default via {gateway}")
    left.check_ping(right, f"{what}: after the move")
    check(right.peer(left)["endpoint"] == bracketed(new, PORT),
          f"{what}: right has {right.peer(left)['endpoint']}, not {new}")


def key_change(left, right, what):
    before = right.public
    left.private, left.public = genkey()
    old = [line.split("\t")[0] for line in right.wg("show", right.tun, "dump").stdout.splitlines()[1:]]
    left.set("private-key", left.file("key", left.private))
    right.set("peer", old[0], "remove")
    right.add(left)
    left.check_ping(right, f"{what}: after a new private key", count=3)
    check(right.public == before, "the other side's key stays")
    check(right.peer(left)["handshake"] > 0, f"{what}: no handshake under the new key")


def moved_allowed_ip(left, right, third, what):
    """An address given to another peer no longer comes from, nor goes to, the first."""
    left.add(third, bracketed(third.outer(4), PORT), allowed=third.inner)
    third.add(left)
    left.check_ping(third, what)
    seen = left.peer(right)["rx"]
    left.set("peer", third.public, "allowed-ips", ",".join(third.inner + [right.inner[0]]))
    check(not left.ns.ping(right.inner[0]), f"{what}: traffic to the moved address still answers")
    check(not right.ns.ping(left.inner[0]), f"{what}: the old owner may still send from it")
    check(left.ns.ping(right.inner[1], timeout_s=3), f"{what}: the other address went too")
    check(left.peer(right)["rx"] > seen, f"{what}: packets of the old owner are not counted")
    left.set("peer", right.public, "allowed-ips", ",".join(right.inner))
    check(left.ns.ping(right.inner[0], timeout_s=3), f"{what}: moved back, but no answer")
    left.set("peer", third.public, "remove")


def removal(left, right, what):
    """Without a peer for it, a packet is answered with ICMP unreachable at once."""
    left.set("peer", right.public, "remove")
    for address in right.inner:
        said = left.ns.run("ping", "-n", "-c", "1", "-W", "2", address, expect=None)
        check(re.search("nreachable", said.stdout), f"{what}: no ICMP after removal: {said.stdout}")
    check(left.peer(right) is None, f"{what}: still shown")
    left.add(right, bracketed(right.outer(4), PORT))
    left.check_ping(right, f"{what}: added again", count=3)


def no_endpoint(left, right, what):
    left.set("peer", genkey()[1], "allowed-ips", "10.99.0.1/32")
    left.ns.ip(f"route replace 10.99.0.1 dev {left.tun}")
    said = left.ns.run("ping", "-n", "-c", "1", "-W", "2", "10.99.0.1", expect=None)
    check(re.search("nreachable", said.stdout), f"{what}: peer without endpoint: {said.stdout}")


def garbage(lab, left, right, what):
    """Everything that is not authentic is answered by silence, and harms nothing."""
    sock = right.ns.socket()
    target = (left.outer(4), PORT)
    sock.bind(("0.0.0.0", 0))
    sock.settimeout(0.2)
    messages = [lab.random.randbytes(n) for n in (0, 1, 3, 4, 15, 16, 31, 32, 64, 92, 148, 1400)]
    for kind, size in ((1, 148), (2, 92), (3, 64), (4, 32), (4, 16), (4, 128)):
        for cut in (size, size - 1, size + 1):
            messages.append(bytes([kind, 0, 0, 0]) + lab.random.randbytes(max(cut - 4, 0)))
        messages.append(bytes([kind, 1, 0, 0]) + lab.random.randbytes(size - 4))
    for _ in range(5):
        for message in messages:
            try:
                sock.sendto(message, target)
            except ConnectionRefusedError:
                check(False, f"{what}: the port is closed")
    try:
        answer, _ = sock.recvfrom(2048)
        # A STUN server shares the port in the mesh, not here.
        check(False, f"{what}: answered {answer.hex()}")
    except socket.timeout:
        pass
    left.check_ping(right, f"{what}: after garbage")


def ports(left, right, what):
    """A new listen port and a firewall mark, with the tunnel up."""
    left.set("listen-port", "40001")
    left.check_ping(right, f"{what}: after a new port")
    wait_until("right follows the port",
               lambda: right.peer(left)["endpoint"].endswith(":40001"), 3)
    left.set("listen-port", str(PORT))
    left.set("fwmark", "0x1234")
    check("0x1234" in left.wg("show", left.tun, "fwmark").stdout, f"{what}: fwmark is not shown")
    left.check_ping(right, f"{what}: after a mark")
    left.set("fwmark", "0")
    taken = left.ns.socket()
    taken.bind(("0.0.0.0", 40002))
    done = left.wg("set", left.tun, "listen-port", "40002", expect=None)
    check(done.returncode != 0, f"{what}: a taken port was accepted")
    taken.close()
    left.check_ping(right, f"{what}: after a taken port was refused")


def configurations(left, right, what):
    """setconf, syncconf and showconf; syncconf keeps the session that is there."""
    conf = left.wg("showconf", left.tun).stdout
    path = left.file("conf", conf)
    left.check_ping(right, what)
    handshake = left.peer(right)["handshake"]
    left.wg("syncconf", left.tun, path)
    check(left.peer(right)["handshake"] == handshake, f"{what}: syncconf ended the session")
    left.check_ping(right, f"{what}: after syncconf")
    left.wg("setconf", left.tun, path)
    left.check_ping(right, f"{what}: after setconf", count=3)
    big = conf + "".join(f"\n[Peer]\nPublicKey = {genkey()[1]}\nAllowedIPs = " + ", ".join(
        f"172.{16 + i}.{j}.0/24" for j in range(197)) for i in range(30))
    left.wg("syncconf", left.tun, left.file("conf", big))
    shown = left.wg("show", left.tun, "allowed-ips").stdout
    check(shown.count(".0/24") == 30 * 197, f"{what}: {shown.count('.0/24')} of {30 * 197} shown")
    left.check_ping(right, f"{what}: with a large configuration")
    left.wg("syncconf", left.tun, left.file("conf", conf))
    check(len(left.wg("show", left.tun, "peers").stdout.split()) == 1, f"{what}: peers remain")
    left.check_ping(right, f"{what}: with the small one again")


def errors(lab, left, what):
    """One clear line for a name and a port that are taken, without rights, without the device."""
    warrend = lab.bin("warrend")
    fresh = [warrend, "--standalone", "--tun", "wgother", "--port", "40003"]
    hidden = "mount -t tmpfs none /dev/net && exec " + " ".join(fresh)
    for words, said in (([warrend, "--standalone", "--tun", left.tun, "--port", "40003"], left.tun),
                        ([warrend, "--standalone", "--tun", "wgother", "--port", str(PORT)], str(PORT)),
                        (["setpriv", "--reuid", "65534", "--clear-groups", for_everybody(warrend), *fresh[1:]], "root"),
                        (["unshare", "--mount", "sh", "-c", hidden], "/dev/net/tun")):
        done = left.ns.run(*words, expect=1)
        check(len(done.stderr.strip().splitlines()) == 1 and said in done.stderr,
              f"{what}: {words}: {done.stderr!r}")
        check(not left.ns.device_exists("wgother"), f"{what}: {words}: wgother is left behind")


def restart(left, right, what):
    """The program is killed and started again; the other side takes its handshakes at once, also
    with the timestamps of a state directory, which is refused when it is damaged."""
    state = f"/run/{left.tun}-state"
    for _ in range(2):
        left.process.kill()
        fresh = Device(left.lab, left.ns, left.tun, left.kind, left.port, left.inner,
                       options=("--state", state))
        fresh.private, fresh.public = left.private, left.public
        fresh.set("private-key", fresh.file("key", fresh.private))
        fresh.add(right, bracketed(right.outer(4), PORT))
        fresh.check_ping(right, f"{what}: after a kill and restart", count=3)
        left = fresh
    damaged = f"/run/{left.tun}-damaged"
    left.ns.run("cp", "-r", state, damaged)
    with open(f"{damaged}/timestamp", "r+b") as file:
        file.seek(20)
        byte = file.read(1)
        file.seek(20)
        file.write(bytes([byte[0] ^ 1]))
    done = left.ns.run(left.lab.bin("warrend"), "--standalone", "--tun", "wgother", "--state", damaged,
                       expect=1)
    check("damaged" in done.stderr and len(done.stderr.strip().splitlines()) == 1,
          f"{what}: a damaged state: {done.stderr!r}")
    return left


def scenario(lab):
    third = Device(lab, lab.server("third"), "wgthird", "warren", PORT, ["10.9.3.1", "fd09:3::1"])
    for kind in ("go", "warren"):
        left = Device(lab, lab.server(f"left{kind}"), f"wgl{kind}", "warren", PORT,
                      ["10.9.1.1", "fd09:1::1"])
        right = Device(lab, lab.server(f"right{kind}"), f"wgr{kind}", kind, PORT,
                       ["10.9.2.1", "fd09:2::1"])
        what = f"warren to {kind}"
        right.add(left)
        left.add(right, bracketed(right.outer(4), PORT))
        left.check_ping(right, what)
        garbage(lab, left, right, what)
        roam(lab, left, right, 4, what)
        key_change(left, right, what)
        ports(left, right, what)
        configurations(left, right, what)
        moved_allowed_ip(left, right, third, what)
        removal(left, right, what)
        no_endpoint(left, right, what)
        left.set("peer", right.public, "endpoint", bracketed(right.outer(6), PORT))
        left.check_ping(right, f"{what}: over v6")
        roam(lab, left, right, 6, what)
        errors(lab, left, what)
        left = restart(left, right, what)
        before = left.process
        code = before.terminate()
        check(code == 0, f"{what}: ended with {code}")
        check(not left.ns.device_exists(left.tun), f"{what}: the interface is left behind")
        check(not os.path.exists(f"/run/wireguard/{left.tun}.sock"), f"{what}: the socket is left")
        right.process.terminate()
        time.sleep(0.1)
