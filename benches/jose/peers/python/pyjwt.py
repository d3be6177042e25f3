"""PyJWT as its documentation uses it: keys parsed once, `decode_complete` with every check it knows.

How a contestant sits the exam, see the crate gatepass-bench-exam. `typ` is compared by hand.
"""

import itertools
import json
import sys
import time
from dataclasses import dataclass, fields
from operator import itemgetter

import jwt

# The interpreter adapts to what it has seen.
WARM_UP_SECONDS = 0.1


@dataclass(slots=True)
class AccessClaims:
    iss: str
    sub: str
    aud: str
    exp: int
    iat: int
    nbf: int
    jti: str
    client_id: str
    scope: str
    sid: str
    roles: list[str]


# Other claims are nobody's business here.
KNOWN = itemgetter(*(field.name for field in fields(AccessClaims)))


def verifier(exam, subject):
    key = jwt.PyJWK(subject["key"]["public_jwk"]).key
    algorithms, typ = [subject["alg"]], exam["typ"]
    checks = {"audience": exam["audience"], "issuer": exam["issuer"], "leeway": 60}
    options = {"require": ["exp", "iss", "aud"]}

    def take(token):
        decoded = jwt.decode_complete(token, key, algorithms=algorithms, options=options, **checks)
        if decoded["header"].get("typ") != typ:
            raise ValueError("another typ")
        return AccessClaims(*KNOWN(decoded["payload"]))

    return take


def signer(exam, subject):
    key, alg = jwt.PyJWK(subject["key"]["private_jwk"]).key, subject["alg"]
    headers = {"typ": exam["typ"], "kid": exam["kid"]}
    return lambda claims: jwt.encode(claims, key, algorithm=alg, headers=headers)


def measure(task, inputs, calls):
    before = time.thread_time_ns()
    for given in itertools.islice(itertools.cycle(inputs), calls):
        task(given)
    return time.thread_time_ns() - before


def attempt(task, operation, subject, inputs):
    if operation == "sign":
        answer = {"answer": "made", "token": task(inputs[0])}
    else:
        for token in subject["tokens"]:
            task(token)
        answer = {"answer": "takes", "bad": [bad["name"] for bad in subject["bad"] if takes(task, bad["token"])]}
    end = time.monotonic() + WARM_UP_SECONDS
    while time.monotonic() < end:
        measure(task, inputs, 20)
    return answer


def takes(task, token):
    try:
        task(token)
        return True
    except Exception:  # whatever it is, the token is refused
        return False


def answer(exam, tasks, question):
    operation, alg, calls = question["operation"], question["alg"], question["calls"]
    make = {"verify": verifier, "sign": signer}.get(operation)
    subject = next((subject for subject in exam["signatures"] if subject["alg"] == alg), None)
    if make is None or subject is None or alg not in jwt.algorithms.get_default_algorithms():
        return {"answer": "unsupported"}
    inputs = subject["claims"] if operation == "sign" else subject["tokens"]
    if calls is None:
        task = tasks[operation, alg] = make(exam, subject)
        return attempt(task, operation, subject, inputs)
    return {"answer": "used", "amount": measure(tasks[operation, alg], inputs, calls)}


def main():
    exam = json.loads(sys.stdin.readline())
    tasks = {}
    for line in sys.stdin:
        try:
            answered = answer(exam, tasks, json.loads(line))
        except Exception as error:
            answered = {"answer": "failed", "why": str(error)}
        print(json.dumps(answered), flush=True)


main()
