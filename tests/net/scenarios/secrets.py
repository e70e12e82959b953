"""No secret is in a log, a process list, an environment or a file that others may read, whatever is asked
and however wrongly, with everything said that can be.

    alice ── internet ── coord (with relay and API)
"""

import json
import os
import stat

from lab.command import check
from lab.warren import Node, coordinator

CANARY = "canary-3f9c1b7e-do-not-tell"


def secret_file(name, text):
    path = f"/run/{name}.canary"
    with open(path, "w", encoding="ascii") as file:
        file.write(text + "\n")
    os.chmod(path, 0o600)
    return path


def call(coord, path, token=None, body=None, headers=None):
    """The status of a request to the API, from the coordinator's own namespace, as curl does it."""
    config = f"url = https://{coord.ns.address(4)}{path}\ninsecure\nsilent\nwrite-out = \"%{{http_code}}\"\noutput = /dev/null\n"
    for name, value in {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}.items():
        config += f'header = "{name}: {value}"\n'
    if body is not None:
        config += 'header = "Content-Type: application/json"\ndata = "' + body.replace('"', '\\"') + '"\n'
    return coord.ns.run("curl", "-K", "-", stdin=config).stdout


def key_texts(folder):
    """Every key and secret in the data folder, in the forms in which it could be told."""
    found = []
    for name in ("coordinator.key", "authority.key"):
        with open(os.path.join(folder, name), encoding="ascii") as file:
            found.append(file.read().strip().rstrip("="))
    return found


def processes():
    """What others on this machine can see of each process, and its environment."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    yield f"/proc/{pid}/{name}", file.read()
            except OSError:
                pass


def readable_by_others(*folders):
    for folder in folders:
        for top, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(top, name)
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode) and mode & 0o077:
                    yield path


def scenario(lab):
    coord = coordinator(lab, options=("--verbose",))
    secrets = [coord.token, coord.token[-40:]] + key_texts(coord.data)
    alice = Node(lab, lab.server("alice"), start=False)
    alice.start("--log-level", "debug")
    alice.up(coord.token)

    # Tokens of all kinds, used rightly, wrongly, and after their end.
    admin = coord.admin("api-token", "create", "--name", "ci").stdout.strip().splitlines()[-1]
    viewer = coord.admin("api-token", "create", "--name", "look", "--role", "viewer").stdout.strip().splitlines()[-1]
    join = coord.key("--reusable")
    secrets += [admin, viewer, join, join[-40:], CANARY]
    check(call(coord, "/api/v1/nodes", admin) == "200", "the admin's token")
    check(call(coord, "/api/v1/nodes", CANARY) == "401", "a wrong token")
    check(call(coord, "/api/v1/keys", viewer, "{}") == "403", "a viewer who changes something")
    for body in ("{}", json.dumps({"token": CANARY}), json.dumps({"token": admin}), "{" + CANARY):
        call(coord, "/api/v1/login", body=body)
    call(coord, f"/api/v1/nodes?token={CANARY}", admin, headers={"Cookie": f"session={CANARY}", "X-Secret": CANARY})
    call(coord, f"/{CANARY}", headers={"Authorization": f"Basic {CANARY}"})
    for secret, options in ((secret_file("relay", CANARY + "-of-relay"), ()), (secret_file("turn", CANARY), ("--turn",))):
        coord.admin("relay", "add", "extra" + str(len(options)), "192.0.2.77:3478", "--secret-file", secret, *options)
    coord.admin("oidc", "set", "--issuer", "https://127.0.0.1:1/", "--client-id", "warren", "--client-secret-file",
                secret_file("oidc", CANARY), expect=None)
    coord.admin("oidc", "show", expect=None)
    wrong = join[:-3] + ("aaa" if not join.endswith("aaa") else "bbb")
    secrets.append(wrong[-40:])
    bob = Node(lab, lab.server("bob"), start=False)
    bob.start("--log-level", "debug")
    bob.up(wrong, expect=None)
    bob.up(coord.token, expect=None)  # good for one machine, which alice is
    said = alice.ctl("bugreport").stdout + alice.ctl("status", "--json").stdout + coord.admin("audit", "list", "--json").stdout
    said += coord.admin("key", "list", "--json").stdout + coord.admin("relay", "list", "--json").stdout

    for secret in secrets:
        for program in (coord, alice, bob):
            check(secret not in program.process.log(), f"{secret[:12]}… is in the log of {program.ns.name}")
        check(secret not in said, f"{secret[:12]}… is in what a command says")
        for path, seen in processes():
            check(secret.encode() not in seen, f"{secret[:12]}… is in {path}")
        for path in readable_by_others(coord.data, alice.state, bob.state):
            with open(path, "rb") as file:
                check(secret.encode() not in file.read(), f"{secret[:12]}… is in {path}, which others may read")
    print(f"{len(secrets)} secrets looked for in logs, process lists and files")
