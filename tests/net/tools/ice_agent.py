#!/usr/bin/python3
"""An ICE agent nobody here wrote (Debian's python3-aioice), to tell what a pair of networks allows.

    ice_agent.py STUN_ADDRESS controlling|controlled

Prints a JSON line with its candidates, reads the other's from standard input, then prints
`connected LOCAL REMOTE` or `failed`.
"""

import asyncio
import json
import sys

import aioice


async def main(stun, role):
    connection = aioice.Connection(ice_controlling=role == "controlling", components=1,
                                   stun_server=(stun, 3478), use_ipv6=False)
    await connection.gather_candidates()
    print(json.dumps({"user": connection.local_username, "password": connection.local_password,
                      "candidates": [c.to_sdp() for c in connection.local_candidates]}), flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    other = json.loads(line)
    connection.remote_username, connection.remote_password = other["user"], other["password"]
    for candidate in other["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    await connection.add_remote_candidate(None)
    try:
        await asyncio.wait_for(connection.connect(), 12)
    except (ConnectionError, asyncio.TimeoutError):
        print("failed", flush=True)
        return
    pair = connection._nominated[1]
    print("connected", pair.local_candidate.host, pair.remote_candidate.host, flush=True)
    await asyncio.sleep(2)


asyncio.run(main(*sys.argv[1:]))
