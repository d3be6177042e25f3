"""PyJWT as a peer of gatepass-jose: makes what the library reads and reads what it makes.

One JSON request a line on standard input, one JSON answer a line on standard output. Binary values are base64url.

    {"op": "algs"}                                        -> {"sign": [...], "manage": [], "content": []}
    {"op": "sign", "alg", "key", "payload"}               -> {"token"}
    {"op": "verify", "alg", "key", "token"}               -> {"payload"}
"""

import base64
import json
import sys

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from jwt.algorithms import Algorithm, get_default_algorithms


class MlDsa(Algorithm):
    """ML-DSA (RFC 9964): the frame is PyJWT's, the primitive that of `cryptography`."""

    KEYS = {
        "ML-DSA-44": (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
        "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
        "ML-DSA-87": (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
    }

    def __init__(self, alg: str) -> None:
        self.private_key, self.public_key = self.KEYS[alg]

    def prepare_key(self, key: dict):
        if "priv" in key:
            return self.private_key.from_seed_bytes(decode(key["priv"]))
        return self.public_key.from_public_bytes(decode(key["pub"]))

    def sign(self, msg: bytes, key) -> bytes:
        return key.sign(msg)

    def verify(self, msg: bytes, key, sig: bytes) -> bool:
        try:
            key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj, as_dict: bool = False):
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk):
        raise NotImplementedError


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_of(request: dict):
    """The key in the form in which PyJWT takes it."""
    jwk = request["key"]
    return jwk if request["alg"] in MlDsa.KEYS else jwt.PyJWK(jwk, algorithm=request["alg"]).key


def answer(jws: jwt.PyJWS, request: dict) -> dict:
    alg = request.get("alg")
    match request["op"]:
        case "algs":
            names = set(get_default_algorithms()) | set(MlDsa.KEYS)
            return {"sign": sorted(names - {"none"}), "manage": [], "content": []}
        case "sign":
            headers = {"kid": request["key"]["kid"]}
            token = jws.encode(decode(request["payload"]), key_of(request), algorithm=alg, headers=headers)
            return {"token": token}
        case "verify":
            payload = jws.decode(request["token"], key_of(request), algorithms=[alg])
            return {"payload": encode(payload)}
    raise ValueError(request["op"])


def main() -> None:
    jws = jwt.PyJWS()
    for alg in MlDsa.KEYS:
        jws.register_algorithm(alg, MlDsa(alg))
    for line in sys.stdin:
        try:
            reply = answer(jws, json.loads(line))
        except Exception as error:  # whatever the library raises is its answer
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
