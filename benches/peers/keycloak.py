"""Prepares Keycloak in a folder: a store in its H2 file, a realm, and a sheet for the bench.

Arguments: the folder, a port, and where its distribution lies. One client for each algorithm, because that is where Keycloak
has it; refresh tokens are for one use, as in the other servers that are compared.
"""

import json
import pathlib
import subprocess
import sys

import sheet

REALM = "bench"
KEYS = {
    "ecdsa-generated": {"ecdsaEllipticCurveKey": ["P-256"]},
    "eddsa-generated": {"eddsaEllipticCurveKey": ["Ed25519"]},
    "rsa-generated": {"keySize": ["2048"]},
}


def main(folder, port, home):
    folder, program = pathlib.Path(folder), pathlib.Path(home, "bin/kc.sh")
    if not program.exists():
        sys.exit(f"there is no {program}; unpack the distribution (Maven: org.keycloak:keycloak-quarkus-dist, a zip)")
    store = f"--db-url=jdbc:h2:file:{folder}/store;NON_KEYWORDS=VALUE"
    realm_file = folder / "realm.json"
    realm_file.write_text(json.dumps(realm()))
    take = [program, "import", "--optimized", f"--file={realm_file}", store]
    if subprocess.run(take, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        # It was never built for this kind of store.
        subprocess.run([program, "build", "--db=dev-file"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(take, check=True, stdout=subprocess.DEVNULL)
    start = [str(program), "start", "--optimized", store, "--http-enabled=true", "--http-host=127.0.0.1"]
    start += [f"--http-port={port}", f"--hostname=http://127.0.0.1:{port}", "--cache=local", "--log-level=error"]
    sheet.write(folder, describe(folder, port, start))


def realm():
    clients = [
        {
            "clientId": alg.lower(),
            "secret": sheet.SECRET,
            "serviceAccountsEnabled": True,
            "directAccessGrantsEnabled": True,
            "standardFlowEnabled": False,
            "attributes": {"access.token.signed.response.alg": alg},
        }
        for alg in sheet.ALGORITHMS
    ]
    user = {
        "username": sheet.USER,
        "enabled": True,
        "email": "bench@client.example",
        "emailVerified": True,
        "firstName": "Bench",
        "lastName": "Bench",
        "credentials": [{"type": "password", "value": sheet.PASSWORD}],
    }
    keys = [
        {"name": provider, "providerId": provider, "config": {"active": ["true"], "enabled": ["true"], **config}}
        for provider, config in KEYS.items()
    ]
    return {
        "realm": REALM,
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": 900,
        "ssoSessionIdleTimeout": 86400,
        "ssoSessionMaxLifespan": 86400,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "clients": clients,
        "users": [user],
        "components": {"org.keycloak.keys.KeyProvider": keys},
    }


def describe(folder, port, start):
    base = f"/realms/{REALM}"
    protocol = f"{base}/protocol/openid-connect"

    def token(alg, body):
        return sheet.request(f"{protocol}/token", body, client=alg.lower())

    return {
        "name": "Keycloak 26",
        "start": start,
        "address": f"127.0.0.1:{port}",
        "jwk_set": f"{protocol}/certs",
        "discovery": f"{base}/.well-known/openid-configuration",
        "client_credentials": {alg: token(alg, "grant_type=client_credentials") for alg in sheet.ALGORITHMS},
        "login": token("ES256", sheet.password_grant("profile")),
        "refresh": token("ES256", "grant_type=refresh_token&refresh_token="),
        "introspection": sheet.request(f"{protocol}/token/introspect", "token=", client="es256"),
        "revocation": sheet.request(f"{protocol}/revoke", "token=", client="es256"),
        "store": [str(folder / "store.mv.db")],
        "warm_up_seconds": 10,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
