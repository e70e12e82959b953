"""A direct path dies without a word, both ways or one: the relay takes over at once, direct comes back
later, and a TCP connection inside goes through all of it whole.

    alice ── router A ── internet (drops UDP between the homes) ── router A ── bob
                            └── coord (with relay)
"""

import socket
import threading
import time

from lab.command import check
from lab.warren import Stream, two_homes

LIMIT_S = 0.8  # 0.4 at 40 ms is the aim, on a machine that does nothing else

BLOCK = """table ip broken {
    chain forward {
        type filter hook forward priority 0;
        ip saddr %s ip daddr %s meta l4proto udp drop
    }
}
"""
ALICE, BOB, BOTH = "198.51.2.2", "198.51.3.2", "{ 198.51.2.2, 198.51.3.2 }"


class Conversation:
    """One TCP connection on which numbers come back, every 20 ms."""

    def __init__(self, source, target):
        listener = target.ns.socket(kind=socket.SOCK_STREAM)
        listener.bind((target.address(), 7018))
        listener.listen(1)
        self.client = source.ns.socket(kind=socket.SOCK_STREAM)
        self.client.settimeout(15)
        threading.Thread(target=self._echo, args=(listener,), daemon=True).start()
        self.client.connect((target.address(), 7018))
        self.said, self.error, self.running = 0, None, True
        self.thread = threading.Thread(target=self._talk, daemon=True)
        self.thread.start()

    @staticmethod
    def _echo(listener):
        peer, _ = listener.accept()
        with peer:
            while data := peer.recv(4096):
                peer.sendall(data)

    def _talk(self):
        try:
            while self.running:
                said = self.said.to_bytes(8, "big")
                self.client.sendall(said)
                heard = b""
                while len(heard) < 8:
                    heard += self.client.recv(8 - len(heard)) or b"closed!!"
                if heard != said:
                    raise OSError(f"{heard} came back for {said}")
                self.said += 1
                time.sleep(0.02)
        except OSError as error:
            self.error = error

    def end(self):
        """How many numbers came back, all of them right."""
        self.running = False
        self.thread.join(20)
        self.client.close()
        check(self.error is None and self.said, f"the connection broke: {self.error}")
        return self.said


def lost(lab, alice, bob, rules):
    alice.wait_path(bob, "direct", 60)
    bob.wait_path(alice, "direct", 60)
    time.sleep(1.2)
    stream = Stream(alice, bob)
    since = time.time()
    lab.internet.nft(rules)
    time.sleep(2)
    gap = stream.gap_s(since)
    check(gap < LIMIT_S, f"{gap:.2f} s without an answer after the direct path died")
    for node, other in ((alice, bob), (bob, alice)):
        check(node.wait_path(other, "relay")["reason"] == "silence", "not for silence")
    lab.internet.run("nft", "delete", "table", "ip", "broken")
    stream.stop()
    return gap


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    talk = Conversation(alice, bob)
    for title, source, target in (("both ways", BOTH, BOTH), ("there", ALICE, BOB), ("back", BOB, ALICE)):
        gap = lost(lab, alice, bob, BLOCK % (source, target))
        print(f"{title}: {gap:.2f} s until the relay carried it")
    alice.wait_path(bob, "direct", 60)
    print(f"{talk.end()} numbers came back by TCP")
