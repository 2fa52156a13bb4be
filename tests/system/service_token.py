"""Service tokens made by hand, good ones and others: JWT, ES256, signed by openssl with the keys of a running system."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
import time


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_of(system, service):
    with open(os.path.join(system.folder, ".ecom", "secrets", f"{service}.jwk")) as file:
        return json.load(file)


def public_pem(system, service):
    """As somebody would use it who hopes that a public key passes for a secret."""
    jwk = key_of(system, service)
    der = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\x04" + unb64(jwk["x"]) + unb64(jwk["y"])
    body = base64.encodebytes(der).decode().replace("\n", "")
    lines = "\n".join(body[at:at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n".encode()


def sign_es256(jwk, data):
    """r and s, of 32 bytes each, from the DER that openssl writes."""
    d, x, y = (unb64(jwk[name]) for name in "dxy")
    der = bytes.fromhex("30770201010420") + d + bytes.fromhex("a00a06082a8648ce3d030107a14403420004") + x + y
    with tempfile.NamedTemporaryFile() as key:
        key.write(der)
        key.flush()
        command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-sign", key.name]
        out = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    numbers, at = [], 2
    for _ in range(2):
        numbers.append(int.from_bytes(out[at + 2:at + 2 + out[at + 1]], "big"))
        at += 2 + out[at + 1]
    return b"".join(n.to_bytes(32, "big") for n in numbers)


def service_token(system, caller, callee, key=None, alg="ES256", head=None, **claims):
    """A good one, unless told otherwise. key: whose it is signed with."""
    now = int(time.time())
    header = {"alg": alg, "typ": "ecom-service+jwt", "kid": caller, **(head or {})}
    body = {"iss": caller, "aud": callee, "iat": now, "exp": now + 60, **claims}
    data = f"{b64(json.dumps(header).encode())}.{b64(json.dumps({k: v for k, v in body.items() if v is not None}).encode())}"
    if alg == "none":
        return data + "."
    if alg == "HS256":
        return f"{data}.{b64(hmac.new(public_pem(system, caller), data.encode(), hashlib.sha256).digest())}"
    return f"{data}.{b64(sign_es256(key_of(system, key or caller), data.encode()))}"
