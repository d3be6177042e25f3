"""A machine with a TLS certificate: gets a token with requests, through a proxy that asks for certificates, and calls an
API with it.

Arguments: the token endpoint, the API, the client, a file with its certificate and key, another such file, and the
certificate of both servers. Prints one line of JSON: what the machine saw.
"""

import json
import sys

import requests

endpoint, api, client_id, own, other, servers = sys.argv[1:]


def main():
    form = {"grant_type": "client_credentials", "client_id": client_id}
    ask = lambda cert: requests.post(endpoint, data=form, cert=cert, verify=servers, timeout=30)
    answer = ask(own).json()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    call = lambda cert: requests.get(api, headers=headers, cert=cert, verify=servers, timeout=30).status_code
    saw = {
        "tokens": answer,
        "other": [ask(other).status_code, ask(other).json()["error"]],
        "without": ask(None).status_code,
        "api": [call(own), call(other), call(None)],
    }
    print(json.dumps(saw))


main()
