"""Prepares Glewlwyd in a folder: its configuration, a store in SQLite, and a sheet for the bench.

Arguments: the folder, a port, and the root below which Debian's package lies (`/`, or where it was unpacked). One plugin
instance for each algorithm, because an instance has one key by default; refresh tokens are for one use, as in the other
servers that are compared.
"""

import gzip
import http.cookiejar
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time
import urllib.request

import sheet

PROGRAM = "usr/bin/glewlwyd"
SCHEMA = "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"
# What the schema's administrator logs in with.
ADMINISTRATOR = {"username": "admin", "password": "password"}
KEYS = {
    "ES256": ("ecdsa", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    "EdDSA": ("eddsa", ["ED25519"]),
    "RS256": ("rsa", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
}


def main(folder, port, root):
    folder, root = pathlib.Path(folder), pathlib.Path(root)
    if not (root / PROGRAM).exists():
        sys.exit(f"there is no {root / PROGRAM}; Debian: `apt-get install glewlwyd`, or unpack it and name the folder")
    configuration = folder / "glewlwyd.conf"
    configuration.write_text(settings(folder, port, root))
    with sqlite3.connect(folder / "store.db") as store:
        store.executescript(gzip.open(root / SCHEMA, "rt").read())
    start = ["env", *libraries(root), str(root / PROGRAM), f"--config-file={configuration}"]
    server = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        configure(f"http://127.0.0.1:{port}/api", folder)
    finally:
        server.terminate()
        server.wait()
    sheet.write(folder, describe(folder, port, start))


def libraries(root):
    """Where a package that was only unpacked keeps its libraries."""
    if root == pathlib.Path("/"):
        return []
    return [f"LD_LIBRARY_PATH={path}" for path in root.glob("usr/lib/*-linux-gnu")]


def settings(folder, port, root):
    modules = {
        "user_module_path": "user",
        "client_module_path": "client",
        "user_auth_scheme_module_path": "scheme",
        "plugin_module_path": "plugin",
    }
    lines = [f'{name}="{root}/usr/lib/glewlwyd/{kind}"' for name, kind in modules.items()]
    return "\n".join(
        lines
        + [
            f"port={port}",
            'bind_address="127.0.0.1"',
            f'external_url="http://127.0.0.1:{port}"',
            'login_url="login.html"',
            'api_prefix="api"',
            'log_mode="console"',
            'log_level="ERROR"',
            'cookie_domain="127.0.0.1"',
            "cookie_secure=0",
            'session_key="GLEWLWYD2_SESSION_ID"',
            "session_expiration=2419200",
            'admin_scope="g_admin"',
            'profile_scope="g_profile"',
            "login_api_enabled=true",
            'hash_algorithm="SHA512"',
            f'database={{ type="sqlite3"; path="{folder}/store.db"; }};',
        ]
    )


def configure(api, folder):
    """A scope, a user, a client and the three instances, through the administrator's API."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def post(path, value):
        body, kind = json.dumps(value).encode(), {"content-type": "application/json"}
        with opener.open(urllib.request.Request(f"{api}{path}", body, kind)) as answer:
            answer.read()

    deadline = time.monotonic() + 20
    while True:
        try:
            post("/auth/", ADMINISTRATOR)
            break
        except urllib.error.HTTPError:
            raise
        except OSError:  # it does not listen yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    post("/scope/", {"name": "orders", "display_name": "orders", "password_required": False})
    post("/user/", {"username": sheet.USER, "password": sheet.PASSWORD, "enabled": True, "scope": ["openid", "orders"]})
    post(
        "/client/",
        {
            "client_id": sheet.CLIENT,
            "name": "bench",
            "confidential": True,
            "client_secret": sheet.SECRET,
            "password": sheet.SECRET,
            "enabled": True,
            "scope": ["orders"],
            "redirect_uri": ["https://client.example/callback"],
            "token_endpoint_auth_method": ["client_secret_basic"],
            "authorization_type": ["client_credentials", "password", "refresh_token"],
        },
    )
    for alg in sheet.ALGORITHMS:
        post("/mod/plugin/", instance(alg, folder))


def instance(alg, folder):
    kind, generation = KEYS[alg]
    key = folder / f"{alg}.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", *generation, "-out", key], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
    on = ["allow-non-oidc", "auth-type-client-enabled", "auth-type-password-enabled", "auth-type-refresh-enabled"]
    on += ["jwks-show", "introspection-revocation-allowed", "introspection-revocation-allow-target-client"]
    parameters = {
        "iss": f"https://{alg.lower()}.bench.example",
        "jwt-type": kind,
        "jwt-key-size": "256",
        "key": key.read_text(),
        "cert": public,
        "access-token-duration": 900,
        "refresh-token-duration": 86400,
        "code-duration": 600,
        "refresh-token-rolling": True,
        "refresh-token-one-use": "always",
        **{name: True for name in on},
    }
    return {"module": "oidc", "name": alg.lower(), "display_name": alg, "enabled": True, "parameters": parameters}


def describe(folder, port, start):
    def token(alg, body):
        return sheet.request(f"/api/{alg.lower()}/token", body)

    return {
        "name": "Glewlwyd 2.7",
        "start": start,
        "address": f"127.0.0.1:{port}",
        "jwk_set": "/api/es256/jwks",
        "discovery": "/api/es256/.well-known/openid-configuration",
        "client_credentials": {
            alg: token(alg, "grant_type=client_credentials&scope=orders") for alg in sheet.ALGORITHMS
        },
        "login": token("ES256", sheet.password_grant("orders")),
        "refresh": token("ES256", "grant_type=refresh_token&refresh_token="),
        "introspection": sheet.request("/api/es256/introspect", "token="),
        "revocation": sheet.request("/api/es256/revoke", "token="),
        "store": [str(folder / "store.db"), str(folder / "store.db-journal")],
        "hash": "PBKDF2",
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
