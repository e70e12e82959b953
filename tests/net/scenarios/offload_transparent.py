"""What two routers with all offloads carry through their tunnel comes out as it went in: every byte and
bit but the hops, the order of each flow, and packets that are wrong stay wrong. With packets made by hand,
of all kinds that a router may meet, then under load with loss on the way.

    a ── ra ═══ tunnel ═══ rb ── b

Nothing is offloaded on the LANs' far ends, so that whole packets are seen there. The routers' devices
write merged packets, which the kernel cuts; later the routers also merge what comes in (GRO), so that their
devices give packets to be cut.
"""

import collections
import random
import re
import socket
import struct
import time

from lab import packets
from lab.command import check
from lab.packets import TCP, UDP, ICMP, ICMPV6, Wire
from lab.wireguard import Device, bracketed

TIMEOUT_S = 180
PACKETS = 4000
BURST = 50
PAYLOAD_MAX = 1300
HOPS = 2
BULK = "8M"
ADDRESSES = {4: ("10.1.0.2", "10.2.0.99"), 6: ("fd01::2", "fd02::99")}


def lan(lab, router, number, name):
    """A host behind a router, both without offloads towards one another."""
    host = lab.host(name)
    lab.link(host, "eth0", router, "lan")
    for ns, dev, last in ((router, "lan", 1), (host, "eth0", 2)):
        ns.ip_batch([f"addr add 10.{number}.0.{last}/24 dev {dev}",
                     f"addr add fd0{number}::{last}/64 dev {dev} nodad", f"link set {dev} mtu 1420"])
        ns.run("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "tx-udp-segmentation", "off")
    host.ip_batch([f"route add default via 10.{number}.0.1", f"route add default via fd0{number}::1"])
    router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0")
    return host


def receive_offload(router):
    """Merges what comes in from the LAN; packets sent one by one never meet without waiting for more."""
    router.run("ethtool", "-K", "lan", "gro", "on", "rx-udp-gro-forwarding", "on")
    router.run("unshare", "--mount", "sh", "-c", "mount -t sysfs sysfs /sys && "
               "echo 1000000 >/sys/class/net/lan/gro_flush_timeout")


class Walk:
    """One flow that goes on as a sender would, and now and then does something else."""

    def __init__(self, rng, number, orderly):
        """orderly: nothing that the kernel's own GRO, on the way in, changes (fixed ids of UDP) or lets
        overtake what it holds."""
        self.orderly = orderly
        self.rng, self.v6, self.proto = rng, number % 2, UDP if number & 2 else TCP
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        self.ends = [socket.inet_pton(family, a) for a in ADDRESSES[6 if self.v6 else 4]]
        self.ports = (2000 + number, 3000)
        self.seq, self.ack, self.ident = rng.getrandbits(32), rng.getrandbits(32), rng.getrandbits(16)
        self.size, self.ttl, self.tos, self.df, self.label = rng.choice((100, 700, PAYLOAD_MAX)), 64, 0, 0x4000, number
        self.options, self.ids = b"", self.any_ids(1, 1, 1, 0)

    def any_ids(self, *steps):
        return 1 if self.orderly and self.proto == UDP else self.rng.choice(steps)

    def vary(self):
        """Changes that stay for a while."""
        rng = self.rng
        kind = rng.randrange(7)
        if kind == 0:
            self.size = rng.choice((0, 1, 2, 33, 700, PAYLOAD_MAX))
        elif kind == 1:
            self.ttl = rng.choice((3, 64, 255))
        elif kind == 2:
            self.tos = rng.getrandbits(8)
        elif kind == 3:
            self.df ^= 0x4000
        elif kind == 4:
            stamps = struct.pack("!BBBBII", 1, 1, 8, 10, rng.getrandbits(32), 7)
            sack = struct.pack("!BBBBII", 1, 1, 5, 10, rng.getrandbits(32), rng.getrandbits(32))
            self.options = rng.choice((b"", stamps, stamps + sack, b"\x01" * 4))
        elif kind == 5:
            self.ident, self.ids = rng.getrandbits(16), self.any_ids(0, 1, 1, 2)
        elif not self.orderly:
            self.label = rng.getrandbits(20)

    def transport(self):
        rng = self.rng
        least = 1 if self.orderly and self.proto == UDP else 0
        data = rng.randbytes(max(least, self.size) if rng.randrange(15) else max(least, rng.randrange(self.size + 1)))
        flags, urgent = 0x010, 0
        if rng.randrange(8) == 0:
            flags = rng.choice((0x018, 0x011, 0x090, 0x050, 0x110, 0xE10, 0x030, 0x004, 0x002, rng.getrandbits(12)))
            urgent = rng.getrandbits(16) if flags & 0x20 else 0
        if rng.randrange(30) == 0:
            self.seq -= rng.randrange(3000)
        if self.proto == UDP:
            segment = packets.udp(self.ports, data)
        else:
            segment = packets.tcp(self.ports, self.seq, self.ack, flags, data, 500, urgent, self.options)
        self.seq += len(data)
        segment = packets.seal(*self.ends, self.proto, segment)
        wrong = 2 if self.orderly else rng.randrange(40)
        if wrong == 0:  # and stays so
            segment = segment[:-1] + bytes([segment[-1] ^ 1])
        elif wrong == 1 and self.proto == UDP:
            segment = segment[:6] + b"\0\0" + segment[8:]
        return segment

    def next(self):
        rng = self.rng
        if rng.randrange(20) == 0:
            self.vary()
        self.ident = (self.ident + self.ids) & 0xFFFF
        other = rng.randrange(60)
        proto, segment = self.proto, self.transport()
        if other == 0:
            proto = ICMPV6 if self.v6 else ICMP
            segment = struct.pack("!BBHHH", 200, 0, 0, 1, 2) + segment
            if self.v6:
                segment = packets.seal(*self.ends, ICMPV6, segment)
            else:
                segment = segment[:2] + struct.pack("!H", packets.checksum(segment)) + segment[4:]
        if self.v6:
            if other == 1:
                proto, segment = packets.DESTINATION_OPTIONS, bytes((proto, 0, 1, 4, 0, 0, 0, 0)) + segment
            elif other == 2:
                proto, segment = packets.FRAGMENT, struct.pack("!BBHI", proto, 0, 1, self.ident) + segment
            return packets.ipv6(*self.ends, proto, segment, self.ttl, self.tos, self.label)
        flags, options = self.df, b""
        if other == 1:
            options = b"\x01" * 4
        elif other == 2:
            segment, flags = segment[:len(segment) & ~7 or 8], 0x2000
        elif other == 3:
            flags = 0x0010
        elif other == 4:
            flags |= 0x8000
        return packets.ipv4(*self.ends, proto, segment, self.ttl, self.tos, self.ident, flags, options)


def by_flow(all_packets):
    flows = collections.defaultdict(list)
    for packet in all_packets:
        flows[packets.flow(packet)].append(packet)
    return flows


def compare(sent, came, what):
    """Each of came is the next one of its flow in sent that equals it. Returns how many are missing."""
    flows, missing = by_flow(sent), 0
    for key, arrived in by_flow(came).items():
        check(key in flows, f"{what}: a flow nobody sent: {key}")
        expected, at = flows.pop(key), 0
        for packet in arrived:
            check(packets.headers_hold(packet), f"{what}: a wrong IPv4 header came: {packet.hex()}")
            start = at
            while at < len(expected) and packets.without_hops(expected[at]) != packets.without_hops(packet):
                at += 1
            check(at < len(expected), f"{what}: changed, or overtaken (after {start} of its flow): {packet.hex()}, "
                  f"next was {expected[min(start, len(expected) - 1)].hex()}")
            check(packets.hops(packet) == packets.hops(expected[at]) - HOPS, f"{what}: hops of {packet.hex()}")
            at += 1
        missing += len(expected) - len(arrived)
    return missing + sum(len(rest) for rest in flows.values())


def crossings(router, tun):
    """Packets that the device gave to the daemon, and got from it."""
    text = router.run("ip", "-s", "-s", "link", "show", tun).stdout
    received, sent = re.findall(r"[RT]X:.*\n\s*\d+ +(\d+)", text)[:2]
    return int(sent), int(received)


def made_by_hand(lab, near, far, gateway, orderly):
    rng = random.Random(lab.seed)
    walks = [Walk(rng, number, orderly) for number in range(12)]
    sent = []
    while len(sent) < PACKETS:
        walk = rng.choice(walks)
        for _ in range(rng.randrange(1, BURST)):
            sent.append(walk.next())
            near.send(gateway, sent[-1])
        time.sleep(0.004)
    time.sleep(0.5)
    near.taken()
    _, came = far.taken()
    mine = {bytes(walk.ends[1]) for walk in walks}
    came = [p for p in came if (p[16:20] if p[0] >> 4 == 4 else p[24:40]) in mine]
    check(max(map(len, came)) <= 1420, "larger packets came than were sent")
    missing = compare(sent, came, f"by hand, seed {lab.seed}")
    check(missing == 0, f"by hand, seed {lab.seed}: {missing} of {len(sent)} packets are missing")
    return len(sent)


def under_load(a, b, near, far):
    """TCP with timestamps, and SACK, because some of the tunnel's packets are lost."""
    sizes = []
    for options in (("-4", "-c", "10.2.0.2"), ("-6", "-c", "fd02::2")):
        server = b.start(f"iperf{options[0]}", "iperf3", "-s", "-1", "--forceflush")
        server.wait_log("Server listening")
        a.run("iperf3", *options, "-n", BULK, "-P", "2", timeout_s=60)
        server.wait()
        (sent, back), (answers, came) = near.taken(), far.taken()
        for one, other, what in ((sent, came, "there"), (answers, back, "back")):
            ours = [p for p in one if packets.flow(p)[1] == TCP]
            arrived = [p for p in other if packets.flow(p)[1] == TCP]
            missing = compare(ours, arrived, f"under load {options[0]} {what}")
            check(missing < len(ours) / 4, f"under load {what}: {missing} of {len(ours)} did not come")
            sizes.append((len(ours), missing))
            check(max(map(len, arrived)) <= 1420, "larger packets came than were sent")
    return sizes


def scenario(lab):
    ra, rb = lab.server("ra"), lab.server("rb")
    a, b = lan(lab, ra, 1, "a"), lan(lab, rb, 2, "b")
    left = Device(lab, ra, "wgl", "warren", 51820, ["10.9.1.1", "fd09:1::1"])
    right = Device(lab, rb, "wgr", "warren", 51820, ["10.9.2.1", "fd09:2::1"])
    right.add(left, bracketed(left.outer(4), 51820), left.inner + ["10.1.0.0/24", "fd01::/64"])
    left.add(right, bracketed(right.outer(4), 51820), right.inner + ["10.2.0.0/24", "fd02::/64"])
    near, far = Wire(a, "eth0"), Wire(b, "eth0")
    gateway = Wire(ra, "lan").mac
    mac = ":".join(f"{byte:02x}" for byte in far.mac)
    for address in (ADDRESSES[4][1], ADDRESSES[6][1]):
        rb.ip(f"neigh replace {address} lladdr {mac} dev lan nud permanent")
    check(a.ping("10.2.0.2", count=2, timeout_s=3) and a.ping("fd02::2", count=2, timeout_s=3), "no way")
    near.taken(), far.taken()
    for orderly in (False, True):
        before = crossings(ra, "wgl")[0], crossings(rb, "wgr")[1]
        count = made_by_hand(lab, near, far, gateway, orderly)
        given, written = crossings(ra, "wgl")[0] - before[0], crossings(rb, "wgr")[1] - before[1]
        print(f"by hand: {count} packets in {given} reads and {written} writes, none changed or overtaken")
        check(written < count * 0.9, "nothing was merged: the device got them one by one")
        if not orderly:
            receive_offload(ra)
            receive_offload(rb)
    check(given < count * 0.9, "nothing was cut: the device gave them one by one")
    rb.nft("table inet loss { chain in { type filter hook prerouting priority 0; "
           "udp dport 51820 numgen random mod 300 0 drop; }; }")
    for (sent, missing), what in zip(under_load(a, b, near, far), ("v4 there", "v4 back", "v6 there", "v6 back")):
        print(f"under load, {what}: {sent} packets, {missing} lost, none changed")
