"""As much of a browser as the login pages need."""

import html
import re

import requests


def leads_to(answer):
    """Where a browser goes on to by itself: by a redirect, or by a page that comes between."""
    return answer.headers.get("Location") or answer.headers.get("Refresh", "").removeprefix("0; url=")


class Browser:
    """Cookies are kept by hand: the jar would keep secure ones from plain HTTP."""

    def __init__(self, issuer, username, password):
        self.issuer, self.username, self.password = issuer, username, password
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
        while answer.status_code == 200 and not leads_to(answer):
            page = answer.text
            attribute = lambda tag, name: html.unescape(re.search(rf' {name}="([^"]*)"', tag)[1])
            hidden = re.findall(r'<input type="hidden"[^>]*>', page)
            fields = {attribute(tag, "name"): attribute(tag, "value") for tag in hidden}
            action = attribute(re.search("<form[^>]*>", page)[0], "action")
            is_login = 'name="password"' in page
            fields |= {"username": self.username, "password": self.password} if is_login else {"decision": "allow"}
            answer = self.open(self.issuer + action, fields)
        return leads_to(answer)
