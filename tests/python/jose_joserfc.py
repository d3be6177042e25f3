"""joserfc as a peer of gatepass-jose: makes what the library reads and reads what it makes.

One JSON request a line on standard input, one JSON answer a line on standard output. Binary values are base64url;
`form` is compact, flattened or general, and `token` in the last two a JSON object.

    {"op": "algs"}                                             -> {"sign": [...], "manage": [...], "content": [...]}
    {"op": "sign", "form", "alg", "key", "payload"}            -> {"token"}
    {"op": "verify", "form", "alg", "key", "token"}            -> {"payload"}
    {"op": "encrypt", "form", "alg", "enc", "key", "plaintext"} -> {"token"}
    {"op": "decrypt", "form", "alg", "enc", "key", "token"}    -> {"plaintext"}
"""

import base64
import json
import sys
import warnings

from joserfc import jwe, jwk, jws
from joserfc.jwe import FlattenedJSONEncryption, GeneralJSONEncryption, JWERegistry
from joserfc.jws import JWSRegistry


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(request: dict, key):
    header = {"alg": request["alg"], "kid": request["key"]["kid"]}
    payload, algorithms = decode(request["payload"]), [request["alg"]]
    match request["form"]:
        case "compact":
            return jws.serialize_compact(header, payload, key, algorithms=algorithms)
        case "flattened":
            return jws.serialize_json({"protected": header}, payload, key, algorithms=algorithms)
        case "general":
            return jws.serialize_json([{"protected": header}], payload, key, algorithms=algorithms)
    raise ValueError(request["form"])


def verify(request: dict, key) -> bytes:
    token, algorithms = request["token"], [request["alg"]]
    if request["form"] == "compact":
        return jws.deserialize_compact(token, key, algorithms=algorithms).payload
    return jws.deserialize_json(token, key, algorithms=algorithms).payload


def encrypt(request: dict, key):
    alg, enc = ({name: request[name]} for name in ("alg", "enc"))
    plaintext, algorithms = decode(request["plaintext"]), [request["alg"], request["enc"]]
    match request["form"]:
        case "compact":
            header = alg | enc | {"kid": request["key"]["kid"]}
            return jwe.encrypt_compact(header, plaintext, key, algorithms=algorithms)
        case "flattened":
            message = FlattenedJSONEncryption(alg | enc, plaintext)
            message.add_recipient(None, key)  # joserfc writes the key's `kid` here by itself
        case "general":
            message = GeneralJSONEncryption(enc, plaintext)
            message.add_recipient(alg, key)
        case form:
            raise ValueError(form)
    return jwe.encrypt_json(message, None, algorithms=algorithms)


def decrypt(request: dict, key) -> bytes:
    token, algorithms = request["token"], [request["alg"], request["enc"]]
    if request["form"] == "compact":
        return jwe.decrypt_compact(token, key, algorithms=algorithms).plaintext
    return jwe.decrypt_json(token, key, algorithms=algorithms).plaintext


def answer(request: dict) -> dict:
    if request["op"] == "algs":
        manage, content = (sorted(JWERegistry.algorithms[kind]) for kind in ("alg", "enc"))
        return {"sign": sorted(set(JWSRegistry.algorithms) - {"none"}), "manage": manage, "content": content}
    key = jwk.import_key(request["key"])
    match request["op"]:
        case "sign":
            return {"token": sign(request, key)}
        case "verify":
            return {"payload": encode(verify(request, key))}
        case "encrypt":
            return {"token": encrypt(request, key)}
        case "decrypt":
            return {"plaintext": encode(decrypt(request, key))}
    raise ValueError(request["op"])


def main() -> None:
    warnings.simplefilter("ignore")  # joserfc discourages some of the algorithms that both sides have
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # whatever the library raises is its answer
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
