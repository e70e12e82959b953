#!/usr/bin/env python3
"""Stands before a relay and does to its datagrams what a relay must not do.

    lying_relay.py ADDRESS PORT RELAY_PORT

A word on standard input says what happens from now on:

    honest    everything passes
    shuffle   every third datagram comes twice, every fifth after the next one
    truncate  data loses its second half
    garble    data has random bytes in it
    swap      data comes by the channel of another peer
    swallow   data vanishes; all that is asked of the relay is answered

Data is ChannelData, and STUN messages that carry data (methods 6 and 7 of RFC 8656).
"""

import os
import select
import socket
import sys

SIZE = 65535
WORDS = ("honest", "shuffle", "truncate", "garble", "swap", "swallow")


def is_data(datagram):
    if len(datagram) < 4:
        return False
    if 0x40 <= datagram[0] <= 0x4F:
        return True
    return int.from_bytes(datagram[:2], "big") & 0x3EEF in (0x0006, 0x0007)


class Liar:
    def __init__(self):
        self.word = "honest"
        self.count = 0
        self.held = None
        self.channels = []

    def swapped(self, datagram):
        """Under the channel that other data came by last."""
        channel = datagram[:2]
        if not 0x40 <= datagram[0] <= 0x4F:
            return datagram
        if channel not in self.channels:
            self.channels.append(channel)
        return self.channels[(self.channels.index(channel) + 1) % len(self.channels)] + datagram[2:]

    def shuffled(self, datagram):
        self.count += 1
        if self.count % 5 == 0 and self.held is None:
            self.held = datagram
            return []
        out = [datagram, datagram] if self.count % 3 == 0 else [datagram]
        if self.held is not None:
            out, self.held = out + [self.held], None
        return out

    def pass_on(self, datagram):
        """The datagrams that become of one."""
        if self.word == "shuffle":
            return self.shuffled(datagram)
        if self.word == "honest" or not is_data(datagram):
            return [datagram]
        if self.word == "truncate":
            return [datagram[:len(datagram) // 2]]
        if self.word == "garble":
            return [datagram[:8] + os.urandom(len(datagram) - 8)]
        if self.word == "swap":
            return [self.swapped(datagram)]
        return []


def main():
    address, port, relay_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind((address, port))
    backs, clients = {}, {}  # a socket of its own for each client, so that the relay tells them apart
    liar = Liar()
    print("ready", file=sys.stderr, flush=True)
    while True:
        for source in select.select([sys.stdin, front, *clients], [], [])[0]:
            if source is sys.stdin:
                word = sys.stdin.readline().strip()
                if not word:
                    return
                liar.word = word if word in WORDS else liar.word
            elif source is front:
                datagram, client = front.recvfrom(SIZE)
                if client not in backs:
                    backs[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    backs[client].connect((address, relay_port))
                    clients[backs[client]] = client
                try:
                    backs[client].send(datagram)
                except OSError:
                    pass
            else:
                try:
                    datagram = source.recv(SIZE)
                except OSError:
                    continue
                for out in liar.pass_on(datagram):
                    front.sendto(out, clients[source])


main()
