"""How schemathesis stays fruitful at the admin API: the administrator whose tokens it uses remains one, and users that it makes
have names that are free and passwords that are good, which no JSON Schema can tell."""

import itertools
import os

import schemathesis

ADMIN = os.environ["ADMIN_ID"]
PASSWORD = os.environ["ADMIN_PASSWORD"]
NUMBER = itertools.count()


@schemathesis.hook
def filter_case(context, case):
    if case.method == "GET":
        return True
    names = case.path_parameters or {}
    return names.get("id") != ADMIN and names.get("name") != "admin"


@schemathesis.hook
def map_body(context, body):
    # Texts within the schema become other texts within the schema: what is wrong on purpose stays wrong.
    if not isinstance(body, dict) or not is_text(body.get("password"), 8, 1024):
        return body
    body = {**body, "password": PASSWORD}
    if is_text(body.get("password_hash"), 0, 512):
        del body["password_hash"]
    if is_text(body.get("username"), 1, 128):
        body["username"] = f"user {next(NUMBER)}"
    if is_text(body.get("name"), 1, 128):
        body["name"] = "Somebody"
    return body


def is_text(value, shortest, longest):
    return isinstance(value, str) and shortest <= len(value) <= longest
