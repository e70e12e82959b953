"""UDP packets a second that arrive, by build/release/bench/flood: many flows, as fast as the sender
gets rid of them."""
import json
import time

from .measurement import Measurement
from .testbed import check

PORT = 5211
PROGRAM = "release/bench/flood"
IP_AND_UDP = 28


class Packets(Measurement):
    """`size` is that of the IPv4 packet inside the tunnel."""

    FLOWS = 64

    def __init__(self, name, about, size):
        self.name, self.about, self.size = name, about, size
        self.figures = (name, f"{name}_reordered", f"{name}_lost")

    def measure(self, pair, tunnel, seconds):
        program = pair.bed.built(PROGRAM)
        receiver = pair.start("b", f"{self.name}-receive", program, "receive", PORT)
        receiver.wait_log("ready")
        sender = pair.start("a", f"{self.name}-send", program, "send", tunnel.target, PORT, "--flows",
                            self.FLOWS, "--payload", self.size - IP_AND_UDP, "--seconds", seconds)
        try:
            status = sender.wait(seconds + 10)
            check(status == 0, f"flood: {sender.log().strip()[-200:]}")
            time.sleep(0.3)  # what is still on its way
        finally:
            sender.kill()
            receiver.terminate()
        sent = json.loads(sender.log())
        got = json.loads(receiver.log().replace("ready", "", 1))
        check(got["packets"] > 0 and got["seconds"] > 0, "flood: nothing arrived")
        return {self.name: got["packets"] / got["seconds"] / 1000,
                f"{self.name}_reordered": got["reordered"],
                f"{self.name}_lost": 100 * max(0, sent["sent"] - got["packets"]) / sent["sent"],
                f"{self.name}_offered": sent["sent"] / sent["seconds"] / 1000}


ALL = (
    Packets("udp1400", "UDP packets of 1400 bytes in 64 flows", 1400),
    Packets("udp64", "UDP packets of 64 bytes in 64 flows", 64),
)
