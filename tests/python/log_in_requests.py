"""An application of somebody else's: logs a user in with requests-oauthlib, verifies the ID token with PyJWT, and has
nothing of ours.

Arguments: the issuer, a confidential client that has http://127.0.0.1/callback registered, its secret, a user name, a
password. Prints one line of JSON: what the client saw.
"""

import json
import os
import sys

import jwt
import requests
from oauthlib.oauth2 import InvalidGrantError
from requests_oauthlib import OAuth2Session

from browser import Browser

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the server under test has no TLS in front
issuer, client_id, secret, username, password = sys.argv[1:]


def main():
    metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()
    session = OAuth2Session(
        client_id,
        redirect_uri="http://127.0.0.1:51004/callback",  # nobody listens: the browser only reads where it is sent
        scope=["openid", "profile", "offline_access"],
        pkce="S256",
    )
    url, _ = session.authorization_url(metadata["authorization_endpoint"], nonce="n-0")
    back = Browser(issuer, username, password).authorize(url)
    auth = requests.auth.HTTPBasicAuth(client_id, secret)
    tokens = session.fetch_token(metadata["token_endpoint"], authorization_response=back, auth=auth)
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(tokens["id_token"])
    algorithms = metadata["id_token_signing_alg_values_supported"]
    claims = jwt.decode(tokens["id_token"], key, algorithms=algorithms, audience=client_id, issuer=issuer)
    info = session.get(metadata["userinfo_endpoint"]).json()
    refreshed = session.refresh_token(metadata["token_endpoint"], auth=auth)
    try:
        session.fetch_token(metadata["token_endpoint"], authorization_response=back, auth=auth)
        replay = "taken"
    except InvalidGrantError as refused:
        replay = refused.error
    answer = {
        "sub": claims["sub"],
        "nonce": claims["nonce"],
        "infoSub": info["sub"],
        "username": info["preferred_username"],
        "rotated": refreshed["refresh_token"] != tokens["refresh_token"],
        "replay": replay,
    }
    print(json.dumps(answer))


main()
