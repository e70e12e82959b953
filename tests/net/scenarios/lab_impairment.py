"""The impairment router does what its settings say, as ping and a UDP counter measure it.

    left ── impair ── internet ── impair-free ── right
"""

import socket
import struct
import threading
import time

from lab.command import check

COUNT = 2000


class Counter:
    """Counts numbered datagrams that arrive at a host."""

    def __init__(self, ns):
        self.socket = ns.socket()
        self.socket.bind((ns.address(4), 7000))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.settimeout(0.5)
        self.got, self.times = [], []
        self.thread = threading.Thread(target=self._read)

    def _read(self):
        try:
            while True:
                data = self.socket.recv(2000)
                self.times.append(time.monotonic())
                self.got.append(struct.unpack("!I", data[:4])[0])
        except TimeoutError:
            pass


def burst(source, target, count=COUNT, size=200, pause_s=0.0002):
    """Sends count numbered datagrams and returns what arrived, in order of arrival."""
    counter = Counter(target)
    counter.thread.start()
    address = (target.address(4), 7000)
    with source.socket() as sender:
        for number in range(count):
            sender.sendto(struct.pack("!I", number) + bytes(size - 4), address)
            if pause_s and number % 5 == 0:
                time.sleep(pause_s * 5)
    counter.thread.join()
    counter.socket.close()
    return counter


def rtt_ms(source, target, count=10):
    out = source.run("ping", "-n", "-q", "-c", count, "-i", "0.05", target.address(4)).stdout
    low, mean, high = out.split("mdev = ")[1].split("/")[:3]
    return float(low), float(mean), float(high)


def between(what, value, low, high):
    print(f"{what}: {value:.4g} (wanted {low:g} to {high:g})")
    check(low <= value <= high, f"{what}: {value:.4g} is not within {low:g} to {high:g}")


def scenario(lab):
    left, right = lab.host("left"), lab.server("right")
    wire = lab.attach(left, impair="delay_ms=0")
    clean = burst(left, right)
    check(clean.got == list(range(COUNT)), "a wire without settings lost or reordered something")
    wire.write("delay_ms=30")
    left.ping(right.address(4))
    between("delay 30 ms each way: least RTT, ms", rtt_ms(left, right)[0], 60, 66)
    wire.write("delay_ms=30 jitter_ms=10")
    low, _, high = rtt_ms(left, right, 40)
    between("jitter 10 ms each way: spread of RTT, ms", high - low, 12, 60)
    check(burst(left, right, 500).got == list(range(500)), "jitter alone reordered")
    wire.write("delay_ms=0 jitter_ms=0 ab.loss=20")
    between("loss 20 %: lost, %", 100 - len(burst(left, right).got) * 100 / COUNT, 16, 24)
    between("no loss the other way, lost", COUNT - len(burst(right, left).got), 0, 0)
    wire.write("loss=0 duplicate=10")
    between("duplicate 10 %: more, %", len(burst(left, right).got) * 100 / COUNT - 100, 7, 13)
    wire.write("duplicate=0 reorder=5")
    got = burst(left, right).got
    behind = sum(1 for i, number in enumerate(got) if i and number < max(got[max(0, i - 200):i]))
    between("reorder 5 %: late, %", behind * 100 / COUNT, 3, 7.5)
    wire.write("reorder=0 ab.corrupt=10")
    # The receiver's checksums find every flipped bit; those that hit an address go astray.
    between("corrupt 10 %: refused, %", 100 - len(burst(left, right).got) * 100 / COUNT, 7, 13)
    wire.write("ab.corrupt=0 ab.rate_mbit=8 queue_ms=2000")
    paced = burst(left, right, 500, 1000, 0)
    seconds = paced.times[-1] - paced.times[0]
    between("rate 8 Mbit/s: measured, Mbit/s", 499 * 1042 * 8 / 1e6 / seconds, 7.4, 8.6)
    tcp_survives(left, right, wire)


def tcp_survives(left, right, wire):
    """TCP over everything at once arrives whole: corrupted segments are dropped, not delivered."""
    wire.write("rate_mbit=0 loss=1 duplicate=1 reorder=1 corrupt=1 delay_ms=2")
    listener = right.socket(kind=socket.SOCK_STREAM)
    listener.bind((right.address(4), 7001))
    listener.listen(1)
    sent = bytes(range(256)) * 8192

    def serve():
        peer, _ = listener.accept()
        peer.sendall(sent)
        peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    received = bytearray()
    with left.socket(kind=socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect((right.address(4), 7001))
        while data := client.recv(65536):
            received += data
    thread.join()
    check(bytes(received) == sent, "TCP delivered something else than was sent")
    print(f"TCP under all of it: {len(received)} bytes whole")
