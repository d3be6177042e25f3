"""An application of somebody else's: logs a user in with Authlib and nothing of ours.

Arguments: the issuer, a confidential client that has http://127.0.0.1/callback registered, how it authenticates, its
secret or its private key as a JWK, a user name, a password. Prints one line of JSON: what the client saw.
"""

import json
import sys

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from browser import Browser

issuer, client_id, method, secret, username, password = sys.argv[1:]
redirect_uri = "http://127.0.0.1:51004/callback"  # nobody listens: the browser only reads where it is sent


SECRETS = {
    "client_secret_basic": str,
    "client_secret_jwt": OctKey.import_key,
    "private_key_jwt": lambda jwk: ECKey.import_key(json.loads(jwk)),
}


def main():
    metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()
    session = OAuth2Session(
        client_id,
        SECRETS[method](secret),
        token_endpoint_auth_method=method,
        scope="openid profile offline_access",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
    )
    # Both put what they are given into `aud`, and only the issuer may stand there.
    session.register_client_auth_method(ClientSecretJWT(issuer))
    session.register_client_auth_method(PrivateKeyJWT(issuer, alg="ES256"))
    verifier, nonce = generate_token(48), generate_token(20)
    url, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    back = Browser(issuer, username, password).authorize(url)
    tokens = session.fetch_token(
        metadata["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
    )
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=30).json())
    claims = jwt.decode(
        tokens["id_token"], keys, algorithms=metadata["id_token_signing_alg_values_supported"]
    ).claims
    essential = {"essential": True}
    jwt.JWTClaimsRegistry(
        iss=essential | {"value": issuer}, aud=essential | {"value": client_id}, nonce=essential | {"value": nonce}
    ).validate(claims)
    info = session.get(metadata["userinfo_endpoint"]).json()
    refreshed = session.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
    answer = {
        "sub": claims["sub"],
        "infoSub": info["sub"],
        "username": info["preferred_username"],
        "rotated": refreshed["refresh_token"] != tokens["refresh_token"],
    }
    print(json.dumps(answer))


main()
