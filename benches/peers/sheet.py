"""What the scripts of this folder share: the sheet on which a server to compare with is described."""

import base64
import json
import pathlib
import urllib.parse

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
CLIENT = "bench-client"
SECRET = "a-secret-of-one-run"
USER = "bench"
PASSWORD = "correct horse battery"


def request(path, body, client=CLIENT):
    """A form that a client sends; what differs from request to request is appended to it."""
    basic = base64.b64encode(f"{client}:{SECRET}".encode()).decode()
    return {"path": path, "authorization": f"Basic {basic}", "body": body}


def password_grant(scope):
    """The body of a login with a password."""
    fields = {"grant_type": "password", "username": USER, "password": PASSWORD, "scope": scope}
    return urllib.parse.urlencode(fields)


def write(folder, sheet):
    """Leaves the sheet where the bench looks for it."""
    pathlib.Path(folder, "sheet.json").write_text(json.dumps(sheet, indent=2))
