"""An OpenID provider that answers whatever a test wants: right, wrong or not at all."""

import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key, made by openssl."""

    def __init__(self, folder, kid, bits=2048):
        self.kid, self.path = kid, os.path.join(folder, f"{kid}-{bits}.pem")
        subprocess.run(["openssl", "genrsa", "-out", self.path, str(bits)], check=True,
                       capture_output=True)
        said = subprocess.run(["openssl", "rsa", "-in", self.path, "-noout", "-modulus"], check=True,
                              capture_output=True, text=True).stdout
        self.modulus = bytes.fromhex(said.strip().split("=")[1])

    def jwk(self):
        return {"kty": "RSA", "use": "sig", "kid": self.kid, "n": b64(self.modulus), "e": "AQAB"}

    def sign(self, data):
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=data,
                              check=True, capture_output=True).stdout


class Provider:
    """On 127.0.0.1; what it does is in its attributes, which tests change as they go."""

    def __init__(self, folder, port):
        self.port, self.issuer = port, f"http://127.0.0.1:{port}"
        self.keys = [Key(folder, "one")]
        self.signer = self.keys[0]
        self.claims = {}     # laid over the right ones; None takes one away
        self.header = {}     # likewise
        self.twist = None    # changes the finished token
        self.answers = {}    # path: (status, body), in place of the right answer
        self.device = ["authorization_pending"]  # what the device flow says, one after the other
        self.asked = []      # (path, form) of every request
        self.nonces = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.answer(self, {})

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                provider.answer(self, dict(urllib.parse.parse_qsl(body)))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self):
        self.claims, self.header, self.twist, self.answers = {}, {}, None, {}
        self.signer = self.keys[0]

    def token(self, nonce):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "warren", "sub": "1", "iat": now, "exp": now + 300,
                  "email": "frank@example.com", "email_verified": True, "nonce": nonce, **self.claims}
        header = {"alg": "RS256", "kid": self.signer.kid, **self.header}
        parts = [b64(json.dumps({k: v for k, v in part.items() if v is not None}).encode())
                 for part in (header, claims)]
        signed = ".".join(parts)
        token = signed + "." + b64(self.signer.sign(signed.encode()))
        return self.twist(token) if self.twist else token

    def right(self, path, query, form):
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize",
                    "token_endpoint": self.issuer + "/token", "jwks_uri": self.issuer + "/jwks",
                    "device_authorization_endpoint": self.issuer + "/device"}
        if path == "/jwks":
            return {"keys": [key.jwk() for key in self.keys]}
        if path == "/device":
            return {"device_code": "canary-device-code", "user_code": "WXYZ-1234", "expires_in": 60,
                    "verification_uri": self.issuer + "/verify", "interval": 1}
        if path == "/token" and "device_code" in form:
            word = self.device.pop(0) if len(self.device) > 1 else self.device[0]
            if word != "token":
                return {"error": word}
            return {"id_token": self.token(None), "token_type": "Bearer", "access_token": "x"}
        if path == "/token":
            return {"id_token": self.token(self.nonces.get(form.get("code"))), "token_type": "Bearer"}
        return None

    def answer(self, request, form):
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.asked.append((url.path, form))
        if url.path == "/authorize":
            code = f"canary-code-{len(self.nonces)}"
            self.nonces[code] = query["nonce"]
            request.send_response(302)
            request.send_header("Location", query["redirect_uri"] + "?" + urllib.parse.urlencode(
                {"code": code, "state": query["state"]}))
            request.end_headers()
            return
        status, body = self.answers.get(url.path, (200, None))
        if body is None:
            body = self.right(url.path, query, form)
            status = 404 if body is None else 400 if "error" in body else status
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            pass
