#!/usr/bin/python3
"""A CONNECT proxy that opens TLS with a certificate of its own, as some companies' do.

    opening_proxy.py PORT FOLDER FILE

Makes its certificate in FOLDER; appends everything it can read, both ways, to FILE.
"""

import asyncio
import os
import ssl
import subprocess
import sys

BUFFER = 65536


def certificate(folder):
    os.makedirs(folder, exist_ok=True)
    key, cert = f"{folder}/key.pem", f"{folder}/cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/O=Lab Inspection/CN=opener", "-keyout", key,
                    "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def pump(reader, writer, seen):
    try:
        while data := await reader.read(BUFFER):
            seen.write(data)
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def asked_for(reader):
    """HOST, PORT of the CONNECT request."""
    request = await reader.readuntil(b"\r\n\r\n")
    method, where, _ = request.split(b"\r\n")[0].decode().split(" ")
    if method != "CONNECT":
        raise ValueError(f"{method} is not CONNECT")
    host, port = where.rsplit(":", 1)
    return host.strip("[]"), int(port)


async def serve(reader, writer, context, seen):
    try:
        host, port = await asked_for(reader)
        outside = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outside.check_hostname = False
        outside.verify_mode = ssl.CERT_NONE
        far_reader, far_writer = await asyncio.open_connection(host, port, ssl=outside)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        await writer.start_tls(context)
        await asyncio.gather(pump(reader, far_writer, seen), pump(far_reader, writer, seen))
    except (OSError, ValueError, EOFError) as error:
        print("connection ended:", error, file=sys.stderr)
    finally:
        writer.close()


async def main():
    port, folder, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    context = certificate(folder)
    with open(path, "ab", buffering=0) as seen:
        server = await asyncio.start_server(lambda r, w: serve(r, w, context, seen), "0.0.0.0", port)
        await server.serve_forever()


asyncio.run(main())
