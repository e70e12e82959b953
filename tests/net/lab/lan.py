"""What stands in a LAN and runs nothing of ours: real servers, and plain sockets."""

import os
import re
import socket
import struct
import threading

from .command import check, run, tool, wait_until
from .packets import IPPROTO_SCTP, crc32c
from .world import ROOT

TEXT = "a page behind the router\n"


def nginx(ns, port=80):
    """Serves TEXT at every path; its log has a line with the client's address for each request."""
    folder = f"/run/nginx-{ns.name}"
    os.makedirs(f"{folder}/www")
    with open(f"{folder}/www/index.html", "w", encoding="ascii") as page:
        page.write(TEXT)
    with open(f"{folder}/www/big", "wb") as file:
        file.write(os.urandom(8 << 20))
    with open(f"{folder}/conf", "w", encoding="ascii") as file:
        file.write(f"""daemon off; master_process off; user root; pid {folder}/pid; error_log stderr;
events {{}}
http {{
	log_format who '$remote_addr $uri'; access_log {folder}/access who;
	client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
	uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
	server {{ listen {port}; listen [::]:{port}; root {folder}/www; }}
}}
""")
    ns.start(f"nginx-{ns.name}", tool("nginx"), "-c", f"{folder}/conf", "-e", "stderr")
    wait_until("nginx listens", lambda: f":{port} " in ns.run("ss", "-ltn").stdout)
    return f"{folder}/access"


def clients(log):
    """Who asked nginx, in order."""
    with open(log, encoding="ascii") as file:
        return [line.split()[0] for line in file]


def bracket(address):
    return f"[{address}]" if ":" in address else address


def fetch(ns, address, path="", expect=0, timeout_s=5):
    return ns.run("curl", "-sSf", "--max-time", timeout_s, f"http://{bracket(address)}/{path}", expect=expect,
                  timeout_s=timeout_s + 5)


def fetches(ns, address):
    done = fetch(ns, address, expect=None, timeout_s=2)
    return done.returncode == 0 and done.stdout == TEXT


class Ssh:
    """OpenSSH's server on every address of a machine."""

    def __init__(self, ns):
        self.keys = f"/run/ssh-{ns.name}"
        os.mkdir(self.keys, 0o700)
        for name in ("host", "user"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.keys}/{name}"])
        server = ns.start(f"sshd-{ns.name}", tool("sshd"), "-D", "-e", "-f", "/dev/null", "-h", f"{self.keys}/host",
                          "-o", "StrictModes=no", "-o", f"AuthorizedKeysFile={self.keys}/user.pub", "-o", "UsePAM=no",
                          "-o", "PermitRootLogin=yes", "-o", "PidFile=none")
        server.wait_log("Server listening")

    def client_seen(self, ns, address):
        """Logs in and returns what the server says of where from."""
        said = ns.run("ssh", "-F", "/dev/null", "-i", f"{self.keys}/user", "-o", "BatchMode=yes", "-o",
                      "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.keys}/known", f"root@{address}",
                      "echo", "$SSH_CONNECTION").stdout.split()
        check(said, "ssh said nothing")
        return said[0]


def postgresql(ns):
    """PostgreSQL on every address of a machine, for everybody."""
    folder = f"/run/pg-{ns.name}"
    script = os.path.join(ROOT, "tests", "support", "postgres")
    run([script, "start", folder], timeout_s=40)
    run([script, "stop", folder])
    with open(f"{folder}/data/pg_hba.conf", "a", encoding="ascii") as file:
        file.write("host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n")
    found = [os.path.join(base, "postgres") for base, _, names in os.walk("/usr/lib/postgresql") if "postgres" in names]
    ns.start(f"postgres-{ns.name}", "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
             sorted(found)[-1], "-D", f"{folder}/data", "-c", "listen_addresses=*")
    wait_until("PostgreSQL listens", lambda: ":5432 " in ns.run("ss", "-ltn").stdout)


def query(ns, address):
    """What a client of the database is told its own address is."""
    return ns.run("psql", "-h", address, "-U", "postgres", "-d", "postgres", "-Atc",
                  "select host(inet_client_addr())").stdout.strip()


def vsftpd(ns):
    """An FTP server that opens the data connection itself when the client wants that."""
    folder = f"/run/ftp-{ns.name}"
    os.makedirs(f"{folder}/root")
    os.makedirs(f"{folder}/empty")
    with open(f"{folder}/root/file", "w", encoding="ascii") as file:
        file.write(TEXT)
    os.chmod(f"{folder}/root", 0o555)
    with open(f"{folder}/conf", "w", encoding="ascii") as file:
        file.write(f"""listen=YES
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={folder}/root
secure_chroot_dir={folder}/empty
connect_from_port_20=YES
pasv_enable=NO
port_enable=YES
seccomp_sandbox=NO
""")
    ns.start(f"vsftpd-{ns.name}", tool("vsftpd"), f"{folder}/conf")
    wait_until("vsftpd listens", lambda: ":21 " in ns.run("ss", "-ltn").stdout)


def ftp_active(ns, address):
    """Fetches a file with PORT: the server calls back."""
    return ns.run("curl", "-sSvf", "--max-time", 8, "--ftp-port", "-", "--disable-eprt", f"ftp://{address}/file",
                  expect=None, timeout_s=15)


class Echo:
    """UDP that is answered with the address it came from."""

    def __init__(self, ns, address, port=7000):
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.address, self.port = address, port
        self.server = ns.socket(self.family)
        self.server.bind((address, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            data, peer = self.server.recvfrom(65535)
            self.server.sendto(peer[0].encode() + b" " + data, peer)

    def ask(self, ns, address=None, size=10, tries=8):
        """The address that the server saw, or None. Either end may have to learn first what fits."""
        said = None
        with ns.socket(self.family) as client:
            client.settimeout(0.5)
            for _ in range(tries):
                try:
                    client.sendto(b"x" * size, (address or self.address, self.port))
                    said = client.recv(65535)
                    break
                except OSError:  # nothing came, or what came is an error of ICMP
                    continue
        if said is None:
            return None
        seen, data = said.split(b" ", 1)
        check(data == b"x" * size, "an echo came back changed")
        return seen.decode()


def _sctp(ports, tag, chunk):
    packet = struct.pack("!HHII", *ports, tag, 0) + chunk
    return packet[:8] + struct.pack("<I", crc32c(packet)) + packet[12:]


def sctp_handshake(client_ns, server_ns, address, expect=True):
    """INIT to a server made of raw sockets, INIT ACK back, COOKIE ECHO, COOKIE ACK (RFC 9260). Kernels
    without SCTP do as well. Returns the address the server saw, or None."""
    server = server_ns.socket(socket.AF_INET, socket.SOCK_RAW, IPPROTO_SCTP)
    client = client_ns.socket(socket.AF_INET, socket.SOCK_RAW, IPPROTO_SCTP)
    seen = []

    def serve():
        server.settimeout(4)
        try:
            while True:
                packet, peer = server.recvfrom(65535)
                body = packet[4 * (packet[0] & 15):]
                source, target, tag = struct.unpack("!HHI", body[:8])
                if target != 5000:
                    continue
                check(_sctp((source, target), tag, body[12:]) == body, "SCTP arrived with a wrong checksum")
                kind = body[12]
                if kind == 1:  # INIT
                    (theirs,) = struct.unpack("!I", body[16:20])
                    ack = struct.pack("!BBHIIHHI", 2, 0, 28, 0x5678, 65536, 1, 1, 1) + struct.pack("!HHI", 7, 8, 42)
                    server.sendto(_sctp((5000, source), theirs, ack), peer)
                elif kind == 10:  # COOKIE ECHO
                    seen.append(peer[0])
                    server.sendto(_sctp((5000, source), 0x1234, struct.pack("!BBH", 11, 0, 4)), peer)
        except (TimeoutError, OSError):
            return

    def answer(kind):
        client.settimeout(2)
        while True:
            packet = client.recv(65535)
            body = packet[4 * (packet[0] & 15):]
            source, target, tag = struct.unpack("!HHI", body[:8])
            if source == 5000 and target == 6000 and tag == 0x1234:
                check(_sctp((source, target), tag, body[12:]) == body, "SCTP came back with a wrong checksum")
                return body[12] == kind

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        init = struct.pack("!BBHIIHHI", 1, 0, 20, 0x1234, 65536, 1, 1, 1)
        client.sendto(_sctp((6000, 5000), 0, init), (address, 0))
        good = answer(2)
        client.sendto(_sctp((6000, 5000), 0x5678, struct.pack("!BBHI", 10, 0, 8, 42)), (address, 0))
        good = good and answer(11)
    except TimeoutError:
        good = False
    server.close()
    client.close()
    check(good or not expect, "no SCTP association")
    return seen[0] if good and seen else None


def hop(ns, address, ttl, port=33434):
    """Who answers a datagram with so few hops, as traceroute asks: the address, or None."""
    words = ["ping", "-n", "-c", "1", "-W", "2", "-t", ttl, address]
    said = ns.run(*words, expect=None).stdout
    found = re.search(r"From (\S+?):? icmp_seq=\d+ Time (?:to live )?exceeded", said)
    return found.group(1) if found else None
