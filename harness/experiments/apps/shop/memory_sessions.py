"""The cart as a pull request would have it: smaller cookies, since sessions move to a dictionary of the process."""

import secrets

from flask.sessions import SessionInterface, SessionMixin
from main import app


class Session(dict, SessionMixin):
    key = None


class InMemory(SessionInterface):
    def __init__(self):
        self.sessions = {}

    def open_session(self, app, request):
        return self.sessions.get(request.cookies.get("cart"), Session())

    def save_session(self, app, session, response):
        if session and session.key is None:
            session.key = secrets.token_hex(16)
            self.sessions[session.key] = session
            response.set_cookie("cart", session.key)


app.session_interface = InMemory()
