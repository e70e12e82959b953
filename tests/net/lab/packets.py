"""Packets made by hand, and what passed an interface, for comparing byte by byte."""

import socket
import struct

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
BUFFER = 64 << 20
FRAME_MAX = 65536
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FRAGMENT, DESTINATION_OPTIONS = 44, 60


def checksum(data):
    """The Internet checksum (RFC 1071) of bytes."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, proto, payload, ttl=64, tos=0, ident=0, flags=0x4000, options=b""):
    """flags: DF and so on, with the fragment's offset, as they stand in the header."""
    length = 20 + len(options) + len(payload)

    def header(value):
        return struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, tos, length, ident, flags, ttl, proto,
                           value) + source + destination + options
    return header(checksum(header(0))) + payload


def ipv6(source, destination, proto, payload, ttl=64, tos=0, label=0):
    return struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(payload), proto, ttl) + source + destination + payload


def seal(source, destination, proto, segment):
    """TCP, UDP or ICMPv6 with its checksum put in."""
    at = {TCP: 16, UDP: 6, ICMPV6: 2}[proto]
    segment = segment[:at] + b"\0\0" + segment[at + 2:]
    value = checksum(source + destination + struct.pack("!II", len(segment), proto) + segment)
    if proto == UDP and not value:
        value = 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def tcp(ports, seq, ack, flags, payload, window=500, urgent=0, options=b""):
    """flags: the low 12 bits behind the data offset."""
    offset = (20 + len(options)) // 4
    return struct.pack("!HHIIHHHH", *ports, seq & 0xFFFFFFFF, ack, offset << 12 | flags, window, 0, urgent) + options + payload


def udp(ports, payload):
    return struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload


def flow(packet):
    """What keeps its order: addresses, protocol, and ports where they can be seen."""
    if packet[0] >> 4 == 4:
        plain = packet[0] == 0x45 and not struct.unpack("!H", packet[6:8])[0] & 0x3FFF
        return packet[12:20], packet[9], packet[20:24] if plain and packet[9] in (TCP, UDP) else b""
    return packet[8:40], packet[6], packet[40:44] if packet[6] in (TCP, UDP) else b""


def hops(packet):
    return packet[8] if packet[0] >> 4 == 4 else packet[7]


def without_hops(packet):
    """All that no router may change."""
    if packet[0] >> 4 == 4:
        return packet[:8] + b"\0" + packet[9:10] + b"\0\0" + packet[12:]
    return packet[:7] + b"\0" + packet[8:]


def headers_hold(packet):
    """An IPv4 header's checksum."""
    return packet[0] >> 4 == 6 or checksum(packet[:4 * (packet[0] & 15)]) == 0


class Wire:
    """What passes an interface of a namespace: frames in, frames out."""

    def __init__(self, ns, dev):
        self.ns, self.dev = ns, dev
        self.socket = ns.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.bind((dev, ETH_P_ALL))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]

    def send(self, destination, packet):
        kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        self.socket.send(destination + self.mac + kind + packet)

    def taken(self):
        """All IP packets since the last call: those that left, and those that came."""
        out, came = [], []
        while True:
            try:
                frame, address = self.socket.recvfrom(FRAME_MAX)
            except BlockingIOError:
                return out, came
            if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                continue
            packet = frame[14:]
            length = struct.unpack("!H", packet[2:4])[0] if packet[0] >> 4 == 4 else \
                40 + struct.unpack("!H", packet[4:6])[0]
            (out if address[2] == socket.PACKET_OUTGOING else came).append(packet[:length])

IPPROTO_SCTP = 132


def crc32c(data):
    """Castagnoli's checksum, as SCTP wants it (RFC 9260, appendix A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return ~value & 0xFFFFFFFF
