"""A gateway that says it opens ports, and lies: lying_mapper.py MODE LAN-ADDRESS WAN-ADDRESS

    private    its address outside is a private one
    foreign    ... is somebody else's
    closed     all is right, but nothing is opened
    flood      thousands of answers: old, cut, enormous, with epochs that jump
    hang       a UPnP device that takes connections and says nothing
    babble     ... whose answers never end
    elsewhere  ... whose description lies at WAN-ADDRESS
"""

import socket
import struct
import sys
import threading
import time

MODE, LAN, WAN = sys.argv[1:4]
PORT = 5000


def external():
    return {"private": "10.9.8.7", "foreign": "198.51.250.9"}.get(MODE, WAN)


def pcp(request, epoch, result=0, lifetime=7200):
    """The answer to a MAP request, RFC 6887 section 11.1."""
    head = bytes([2, 0x80 | request[1], 0, result]) + struct.pack(">II", lifetime, epoch) + bytes(12)
    return head + request[24:42] + request[40:42] + bytes(10) + b"\xff\xff" + socket.inet_aton(external())


def natpmp(request, epoch):
    head = bytes([0, 0x80 | request[1], 0, 0]) + struct.pack(">I", epoch)
    if request[1] == 0:
        return head + socket.inet_aton(external())
    return head + request[4:6] + request[4:6] + struct.pack(">I", 7200)


def answers(request):
    """What is sent back for one request."""
    build = pcp if request[0] == 2 and len(request) >= 60 else natpmp
    if MODE in ("hang", "babble", "elsewhere"):
        return
    if MODE == "flood":
        for i in range(5000):
            good = build(request, i * 1000003 & 0xffffffff)
            yield good[:i % len(good)] if i % 3 else good + bytes(1400)
            yield bytes([2, 0x81, 0, 0]) + bytes(56)
    yield build(request, int(time.time()) & 0xffffff)


def serve_pcp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LAN, 5351))
    while True:
        request, who = sock.recvfrom(2048)
        for answer in answers(request):
            sock.sendto(answer, who)


def serve_search():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LAN, 1900))
    host = WAN if MODE == "elsewhere" else LAN
    while True:
        _, who = sock.recvfrom(2048)
        sock.sendto(f"HTTP/1.1 200 OK\r\nLOCATION: http://{host}:{PORT}/rootDesc.xml\r\n\r\n".encode(), who)


def serve_http():
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((WAN if MODE == "elsewhere" else LAN, PORT))
    sock.listen(64)
    kept = []
    while True:
        conn, who = sock.accept()
        print("connection from", who, flush=True)
        kept.append(conn)
        if MODE == "babble":
            threading.Thread(target=babble, args=(conn,), daemon=True).start()


def babble(conn):
    try:
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n<root>")
        while True:
            conn.sendall(b"<service><serviceType>x" * 3)
            time.sleep(0.001)
    except OSError:
        pass


for serve in [serve_pcp] + ([serve_search, serve_http] if MODE in ("hang", "babble", "elsewhere") else []):
    threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
