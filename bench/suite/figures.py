"""Every figure that is reported: what it is called, its unit, and the group whose table it is in."""


class Figure:
    """`better`: "more" or "less"; `scale`: what the raw value is divided by for people; `ratios`: whether
    its ratio to another contender's says something."""

    def __init__(self, key, group, title, unit, better, digits=2, scale=1, ratios=True):
        self.key, self.group, self.title, self.unit = key, group, title, unit
        self.better, self.digits, self.scale, self.ratios = better, digits, scale, ratios

    def text(self, value):
        return "-" if value is None else f"{value / self.scale:.{self.digits}f}"

    def heading(self):
        return f"{self.title}, {self.unit}" if self.unit else self.title


GROUPS = {
    "tcp": "TCP, iperf3",
    "cpu": "CPU time by TCP",
    "udp": "UDP, 64 flows, as fast as the sender can",
    "rtt": "Round trips of small packets, nothing else in the tunnel",
    "load": "Round trips beside saturating TCP",
    "scale": "Many peers",
}

FIGURES = {f.key: f for f in (
    Figure("tcp1", "tcp", "1 stream", "Gbit/s", "more"),
    Figure("tcp1-both", "tcp", "1 each way", "Gbit/s", "more"),
    Figure("tcp8", "tcp", "8 streams", "Gbit/s", "more"),
    Figure("tcp8-both", "tcp", "8 each way", "Gbit/s", "more"),
    Figure("cpu_daemon", "cpu", "daemons, 1 stream", "s/GB", "less"),
    Figure("cpu_system", "cpu", "system, 1 stream", "s/GB", "less"),
    Figure("cpu8_daemon", "cpu", "daemons, 8 each way", "s/GB", "less"),
    Figure("cpu8_system", "cpu", "system, 8 each way", "s/GB", "less"),
    Figure("udp1400", "udp", "1400 B delivered", "1000/s", "more", 1),
    Figure("udp1400_lost", "udp", "1400 B lost", "%", "less", 1, ratios=False),
    Figure("udp1400_reordered", "udp", "1400 B reordered", "packets", "less", 0, ratios=False),
    Figure("udp64", "udp", "64 B delivered", "1000/s", "more", 1),
    Figure("udp64_lost", "udp", "64 B lost", "%", "less", 1, ratios=False),
    Figure("udp64_reordered", "udp", "64 B reordered", "packets", "less", 0, ratios=False),
    Figure("rtt_p50", "rtt", "p50", "us", "less", 0),
    Figure("rtt_p99", "rtt", "p99", "us", "less", 0),
    Figure("rtt_p999", "rtt", "p99.9", "us", "less", 0),
    Figure("added_p50", "rtt", "added p50", "us", "less", 0),
    Figure("added_p99", "rtt", "added p99", "us", "less", 0),
    Figure("rtt1_p50", "load", "p50, 1 stream", "ms", "less", 2, 1000),
    Figure("rtt1_p99", "load", "p99, 1 stream", "ms", "less", 2, 1000),
    Figure("rtt8_p50", "load", "p50, 8 streams", "ms", "less", 2, 1000),
    Figure("rtt8_p99", "load", "p99, 8 streams", "ms", "less", 2, 1000),
    Figure("handshakes", "scale", "handshakes", "/s/core", "more", 0),
    Figure("memory_1", "scale", "memory, 1 peer", "MiB", "less", 1),
    Figure("memory_1000", "scale", "1,000 peers", "MiB", "less", 1),
    Figure("memory_10000", "scale", "10,000 peers", "MiB", "less", 1),
    Figure("memory_peer", "scale", "a peer of 10,000", "KiB", "less", 2),
    Figure("idle_cpu", "scale", "idle CPU, 10,000 peers", "s/min", "less", 3),
)}
