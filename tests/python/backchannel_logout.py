"""An application of somebody else's that is told of logouts, and verifies what it is told with PyJWT.

Arguments: the port to listen on, the issuer, the application's client id, how many requests it fails first. Prints a line
of JSON for each logout token that it takes.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import jwt

port, issuer, client_id, failures = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def verify(token):
    """What OpenID Connect Back-Channel Logout 1.0 section 2.6 asks for."""
    if jwt.get_unverified_header(token)["typ"] != "logout+jwt":
        raise ValueError("typ")
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["RS256"],
        audience=client_id,
        issuer=issuer,
        options={"require": ["iss", "aud", "iat", "exp", "jti", "events"]},
    )
    if claims["events"].get(EVENT) != {} or "nonce" in claims or not (claims.get("sub") and claims.get("sid")):
        raise ValueError("no logout")
    return claims


class Application(BaseHTTPRequestHandler):
    def do_POST(self):
        global failures
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if failures > 0:
            failures -= 1
            status = 503
        else:
            try:
                claims = verify(form["logout_token"][0])
                print(json.dumps({"path": self.path, "sub": claims["sub"], "sid": claims["sid"]}), flush=True)
                status = 200
            except Exception as problem:
                print(json.dumps({"error": repr(problem)}), flush=True)
                status = 400
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", port), Application).serve_forever()
