"""HTTP proxies for CONNECT: Debian's, one that opens TLS, one that never answers."""

import os
import shutil
import socket
import threading

from .command import run, wait_until

PORT = 3128


def _listens(ns, port):
    return str(port) in ns.run("ss", "-Hltn", f"sport = :{port}").stdout


def _wait(ns, port=PORT):
    wait_until(f"a proxy listens in {ns.name}", lambda: _listens(ns, port))


def tinyproxy(ns, credentials=None):
    """credentials: "user:password" or none asked for."""
    config = f"/run/tinyproxy-{ns.name}.conf"
    lines = [f"Port {PORT}", "Timeout 60", "MaxClients 50", "ConnectPort 443", "LogLevel Connect",
             "Allow 0.0.0.0/0"]
    if credentials:
        lines.append("BasicAuth " + credentials.replace(":", " "))
    with open(config, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    process = ns.start(f"tinyproxy-{ns.name}", "tinyproxy", "-d", "-c", config)
    _wait(ns)
    return process


def squid(ns, credentials):
    """Asks for these credentials ("user:password")."""
    folder = f"/run/squid-{ns.name}"
    os.makedirs(folder)
    shutil.chown(folder, "proxy")  # squid refuses to run as root
    user, password = credentials.split(":", 1)
    hashed = run(["openssl", "passwd", "-apr1", password]).stdout.strip()
    with open(f"{folder}/users", "w", encoding="ascii") as file:
        file.write(f"{user}:{hashed}\n")
    with open(f"{folder}/squid.conf", "w", encoding="ascii") as file:
        file.write(f"""http_port {PORT}
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
auth_param basic realm lab
acl known proxy_auth REQUIRED
acl tls port 443
http_access deny !tls
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log {folder}/cache.log
pid_filename {folder}/pid
coredump_dir {folder}
shutdown_lifetime 0 seconds
dns_nameservers 127.0.0.1
pinger_enable off
""")
    process = ns.start(f"squid-{ns.name}", "squid", "-N", "-f", f"{folder}/squid.conf")
    _wait(ns)
    return process


def opening(ns, lab):
    """Ends TLS with a certificate of its own and dials TLS again. Everything that it could read is
    in the file whose name is returned."""
    seen = lab.log_path(f"opened-{ns.name}")
    open(seen, "wb").close()
    tool = os.path.join(os.path.dirname(os.path.dirname(__file__)), "tools", "opening_proxy.py")
    ns.start(f"opening-{ns.name}", "python3", tool, PORT, f"/run/opening-{ns.name}", seen)
    _wait(ns)
    return seen


def hanging(ns):
    """Takes connections and says nothing. Returns the number taken so far as a function."""
    listener = ns.socket(kind=socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", PORT))
    listener.listen(16)
    taken = []

    def accept():
        while True:
            taken.append(listener.accept())
    threading.Thread(target=accept, daemon=True).start()
    return lambda: len(taken)
