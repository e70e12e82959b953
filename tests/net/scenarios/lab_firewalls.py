"""What the routers that are no NAT, or that block UDP, let through.

    client ── router (U, P, none, open) ── internet ── server
                                              └────── other
"""

import socket
import threading

from lab.command import check


def echo(server, kind):
    """A server that answers once, on port 7000."""
    listener = server.socket(kind=kind)
    listener.bind((server.address(4), 7000))
    if kind == socket.SOCK_STREAM:
        listener.listen(8)

    def serve():
        while True:
            if kind == socket.SOCK_STREAM:
                peer, _ = listener.accept()
                peer.close()
            else:
                listener.sendto(b"answer", listener.recvfrom(100)[1])

    threading.Thread(target=serve, daemon=True).start()


def udp_answers(source, target):
    with source.socket() as client:
        client.settimeout(0.5)
        client.sendto(b"question", (target, 7000))
        try:
            return client.recv(100) == b"answer"
        except TimeoutError:
            return False


def tcp_connects(source, target):
    with source.socket(kind=socket.SOCK_STREAM) as client:
        client.settimeout(0.5)
        return client.connect_ex((target, 7000)) == 0


def scenario(lab):
    server, other = lab.server("server"), lab.server("other")
    for host in (server, other):
        echo(host, socket.SOCK_DGRAM)
        echo(host, socket.SOCK_STREAM)
    here, there = server.address(4), other.address(4)

    # kind, UDP out, TCP to the proxy (here), TCP elsewhere, UDP from outside
    for kind, *wanted in (("A", True, True, True, False), ("U", False, True, True, False),
                          ("P", False, True, False, False), ("none", True, True, True, False),
                          ("open", True, True, True, True)):
        client = lab.home(f"home{kind}", kind, proxy=here).host(f"client{kind}")
        echo(client, socket.SOCK_DGRAM)
        inside = client.address(4)
        if kind not in ("none", "open"):
            inside = f"198.51.{lab.sites}.2"
        seen = [udp_answers(client, there), tcp_connects(client, here), tcp_connects(client, there),
                udp_answers(other, inside)]
        print(f"{kind}: UDP out, TCP to proxy, TCP elsewhere, UDP in: {seen}")
        check(seen == wanted, f"{kind}: {seen} instead of {wanted}")
