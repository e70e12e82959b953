"""Garbage, truncated, replayed and oversized input on every port: silence, no crash, no harm.

    alice ── internet ── bob
                 ├────── coord (443/tcp, 3478/udp)
                 └────── mallory, who sends whatever she likes
"""

import random
import socket
import ssl
import struct
import time

from lab.command import check
from lab.warren import Coordinator, Stream, join

DATAGRAMS = 2000
# How protocols that share the ports begin: WireGuard 1 to 4, STUN with its cookie, ChannelData, TLS.
STARTS = [struct.pack("<I", kind) for kind in (1, 2, 3, 4)] + [
    struct.pack("!HHI", kind, 8, 0x2112A442) for kind in (1, 3, 0x0101, 0x0016, 0x0017, 0x0009)] + [
    struct.pack("!HH", 0x4000, 1000), b"\x16\x03\x01", b"", b"\xff"]
HTTP = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 3000, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
        b"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: warren.control.1\r\n\r\n" + b"\x82\xff" + struct.pack("!Q", 1 << 62),
        b"GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: warren.relay.1\r\n\r\n" + b"\x82\xfe\x10\x00abcd" + bytes(4096),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"{" * 65536]


def flood(ns, address, port, rng):
    """Datagrams of every kind and length; returns bytes sent and bytes that came back."""
    sent = got = 0
    with ns.socket() as mouth:
        mouth.setblocking(False)
        for _ in range(DATAGRAMS):
            data = rng.choice(STARTS) + rng.randbytes(rng.choice((0, 4, 28, 60, 88, 144, 1000, 1400)))
            mouth.sendto(data, (address, port))
            sent += len(data)
        time.sleep(0.3)
        try:
            while True:
                got += len(mouth.recv(65536))
        except BlockingIOError:
            pass
    return sent, got


def capture(ns, victim_ns, seconds):
    """The UDP payloads of real traffic that arrive at a host within some seconds."""
    raw = victim_ns.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((ns, 0x0800))
    raw.settimeout(0.1)
    end, frames = time.monotonic() + seconds, []
    while time.monotonic() < end and len(frames) < 200:
        try:
            frame = raw.recv(2000)
        except TimeoutError:
            continue
        if len(frame) > 42 and frame[23] == 17:
            frames.append(frame[42:])
    raw.close()
    return frames


def talk(ns, address, data, tls):
    """One TCP connection with this to say; what comes back does not matter."""
    plain = ns.socket(kind=socket.SOCK_STREAM)
    plain.settimeout(1)
    try:
        plain.connect((address, 443))
        if tls:
            context = ssl._create_unverified_context()
            plain = context.wrap_socket(plain, server_hostname="x")
        plain.sendall(data)
        plain.recv(65536)
    except OSError:
        pass
    finally:
        plain.close()


def scenario(lab):
    rng = random.Random(lab.seed)
    coord = Coordinator(lab, lab.server("coord"))
    alice, bob = join(lab, coord, lab.server("alice", v6=False),
                      lab.server("bob", v6=False))
    mallory = lab.server("mallory")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    endpoint = alice.wait_path(bob, "direct")["endpoint"]
    host, port = endpoint.rsplit(":", 1)
    stream = Stream(alice, bob)

    for name, address, target in (("node", host, int(port)), ("relay", coord.ns.address(4), 3478)):
        sent, got = flood(mallory, address, target, rng)
        print(f"{name}: {got} bytes of answer to {sent} bytes of garbage")
        check(got < sent / 10, f"{name} answers garbage with {got} bytes")
    frames = capture("wan", bob.ns, 2)
    check(len(frames) > 20, f"only {len(frames)} packets of real traffic captured")
    before = stream.lost()
    with mallory.socket() as mouth:
        for frame in frames * 3:
            mouth.sendto(frame, (host, int(port)))
            mouth.sendto(frame[:rng.randrange(len(frame))], (host, int(port)))
    time.sleep(1)
    check(alice.wait_path(bob, "direct")["endpoint"] == endpoint, "a replay moved the path")
    check("(DUP!)" not in stream.process.log(), "a replayed packet was delivered again")
    for data in HTTP + [rng.randbytes(5000)]:
        for tls in (False, True):
            talk(mallory, coord.ns.address(4), data, tls)
    for what in (coord, alice, bob):
        check(what.process.running(), f"{what.ns.name} ended")
    check(alice.status()["coordinator"]["state"] == "ok", "alice lost her coordinator")
    check(stream.lost() - before < 20, f"{stream.lost() - before} packets of the tunnel lost to it")
    alice.reaches(bob)
    stream.stop()
