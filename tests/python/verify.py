"""An independent service: verifies tokens with PyJWT, decrypts them with joserfc, and has nothing of ours.

Arguments: the JWK Set's URL, the issuer, the audience, and for tokens that are encrypted a file with the service's private
JWK. One token a line on standard input, one JSON answer a line on
standard output: {"claims": {...}} or {"error": "the exception's name"}.
"""

import json
import sys

import jwt
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import import_key

REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti"]


def verify(client: jwt.PyJWKClient, token: str, issuer: str, audience: str) -> dict:
    """RFC 9068 section 4, with the library's own means."""
    key = client.get_signing_key_from_jwt(token)
    decoded = jwt.decode_complete(
        token,
        key,
        algorithms=["ES256"],
        issuer=issuer,
        audience=audience,
        options={"require": REQUIRED},
    )
    if decoded["header"]["typ"] != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return decoded["payload"]


def open_with(path: str, token: str) -> str:
    """The signed token in an encrypted one."""
    with open(path, encoding="utf-8") as file:
        jwk = json.load(file)
    # The library refuses header parameters that it does not know, against RFC 7516 section 4, unless it is told.
    registry = jwe.JWERegistry(algorithms=[jwk["alg"], "A256GCM"], strict_check_header=False)
    message = jwe.decrypt_compact(token, import_key(jwk), registry=registry)
    if message.headers()["cty"] != "JWT" or message.headers()["kid"] != jwk["kid"]:
        raise jwt.InvalidTokenError("another message")
    return message.plaintext.decode()


def main() -> None:
    jwks_uri, issuer, audience, *key_file = sys.argv[1:]
    client = jwt.PyJWKClient(jwks_uri)
    for line in sys.stdin:
        try:
            token = open_with(key_file[0], line.strip()) if key_file else line.strip()
            answer = {"claims": verify(client, token, issuer, audience)}
        except (jwt.PyJWTError, JoseError) as error:
            answer = {"error": type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
