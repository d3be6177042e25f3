"""An independent service: verifies tokens with PyJWT and nothing of ours.

Arguments: the JWK Set's URL, the issuer, the audience. One token a line on standard input, one JSON answer a line on
standard output: {"claims": {...}} or {"error": "the exception's name"}.
"""

import json
import sys

import jwt

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


def main() -> None:
    jwks_uri, issuer, audience = sys.argv[1:]
    client = jwt.PyJWKClient(jwks_uri)
    for line in sys.stdin:
        try:
            answer = {"claims": verify(client, line.strip(), issuer, audience)}
        except jwt.PyJWTError as error:
            answer = {"error": type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
