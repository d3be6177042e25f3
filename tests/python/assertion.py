"""A workload that has an identity elsewhere: PyJWT makes its assertion, Authlib trades it for a token, and requests shows
the assertion a second time.

Arguments: the token endpoint, the private key as a JWK, the client, the claims of the assertion as JSON. Prints one line of
JSON: what the workload saw.
"""

import json
import sys
import time

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session

endpoint, key, client_id, claims = sys.argv[1:]
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def main():
    jwk = json.loads(key)
    now = int(time.time())
    claims_ = {"iat": now, "exp": now + 120, **json.loads(claims)}
    private = jwt.PyJWK(jwk).key
    assertion = jwt.encode(claims_, private, algorithm=jwk["alg"], headers={"kid": jwk["kid"]})
    session = OAuth2Session(client_id, token_endpoint_auth_method="none")
    tokens = session.fetch_token(endpoint, grant_type=GRANT, assertion=assertion)
    form = {"grant_type": GRANT, "assertion": assertion, "client_id": client_id}
    again = requests.post(endpoint, data=form, timeout=30)
    print(json.dumps({"tokens": tokens, "again": [again.status_code, again.json()["error"]]}))


main()
