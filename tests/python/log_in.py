"""An application of somebody else's: logs a user in with Authlib and nothing of ours.

Arguments: the issuer, a confidential client that has http://127.0.0.1/callback registered, how it authenticates, its
secret or its private key as a JWK, a user name, a password. Prints one line of JSON: what the client saw.
"""

import html
import json
import re
import sys

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

issuer, client_id, method, secret, username, password = sys.argv[1:]
redirect_uri = "http://127.0.0.1:51004/callback"  # nobody listens: the browser only reads where it is sent


SECRETS = {
    "client_secret_basic": str,
    "client_secret_jwt": OctKey.import_key,
    "private_key_jwt": lambda jwk: ECKey.import_key(json.loads(jwk)),
}


class Browser:
    """As much of one as the login pages need. Cookies are kept by hand: the jar would keep secure ones from plain HTTP."""

    def __init__(self):
        self.cookies = {}

    def open(self, url, fields=None):
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        method = "GET" if fields is None else "POST"
        answer = requests.request(
            method, url, data=fields, headers={"Cookie": cookie}, allow_redirects=False, timeout=30
        )
        for line in answer.raw.headers.getlist("Set-Cookie"):
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return answer

    def authorize(self, url):
        answer = self.open(url)
        while answer.status_code == 200:
            page = answer.text
            attribute = lambda tag, name: html.unescape(re.search(rf' {name}="([^"]*)"', tag)[1])
            hidden = re.findall(r'<input type="hidden"[^>]*>', page)
            fields = {attribute(tag, "name"): attribute(tag, "value") for tag in hidden}
            action = attribute(re.search("<form[^>]*>", page)[0], "action")
            is_login = 'name="password"' in page
            fields |= {"username": username, "password": password} if is_login else {"decision": "allow"}
            answer = self.open(issuer + action, fields)
        return answer.headers["Location"]


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
    back = Browser().authorize(url)
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
