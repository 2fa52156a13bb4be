"""What Schemathesis needs to know of the system that it asks: how to come by a token, and what this project means by "fits its type".

In its environment: BASE, MAIL and PASSWORD of somebody with an account; SEEN, a file that gets a line for each reply. Each sign-out has a
token of its own, or it would end everybody's session.
"""
import os

import requests
import schemathesis


def sign_in():
    body = {"email": os.environ["MAIL"], "password": os.environ["PASSWORD"]}
    reply = requests.post(os.environ["BASE"] + "/v1/sessions", json=body, timeout=60)
    reply.raise_for_status()
    return reply.json()["token"]


@schemathesis.auth(refresh_interval=None)
class Token:
    shared = None

    def get(self, case, context):
        if (case.method.upper(), case.path) == ("DELETE", "/v1/sessions"):
            return sign_in()
        Token.shared = Token.shared or sign_in()
        return Token.shared

    def set(self, case, token, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def after_call(context, case, response):
    with open(os.environ["SEEN"], "a", encoding="utf-8") as file:
        file.write(f"{case.method.upper()} {case.path} {response.status_code}\n")


@schemathesis.check
def fits_its_type(context, response, case):
    """What the document allows is read: a refusal of it is one that an operation declares."""
    generation = case.meta and case.meta.generation
    if not generation or not generation.mode.is_positive or response.status_code not in (400, 415, 422):
        return
    problem = response.json()
    assert problem["type"] not in ("/problems/bad-request", "/problems/unsupported-media-type", "/problems/invalid"), \
        f"{case.method} {case.path} refused what its document allows: {problem}"
