"""Sessions and their visits with FastAPI and uvicorn: a cookie names a row of a table in SQLite, as the tutorial's "SQL databases"
keeps its rows. VISITS_STORE=memory keeps them in a dict instead, as the tutorial's first pages do.
"""

import os
import secrets
import sqlite3
from typing import Optional

from fastapi import Cookie, FastAPI, HTTPException, Response
from pydantic import BaseModel


class Memory:
    def __init__(self):
        self.sessions = {}

    def add(self, key, user):
        self.sessions[key] = [user, 0]

    def visit(self, key):
        if key in self.sessions:
            self.sessions[key][1] += 1

    def find(self, key):
        return self.sessions.get(key)

    def remove(self, key):
        self.sessions.pop(key, None)


class Table:
    def __init__(self, folder):
        self.path = os.path.join(folder, "visits.db")
        with self.open() as db:
            db.execute("create table if not exists session (key text primary key, user text, visits integer)")

    def open(self):
        return sqlite3.connect(self.path)

    def add(self, key, user):
        with self.open() as db:
            db.execute("insert into session values (?, ?, 0)", (key, user))

    def visit(self, key):
        with self.open() as db:
            db.execute("update session set visits = visits + 1 where key = ?", (key,))

    def find(self, key):
        return self.open().execute("select user, visits from session where key = ?", (key,)).fetchone()

    def remove(self, key):
        with self.open() as db:
            db.execute("delete from session where key = ?", (key,))


store = Memory() if os.environ.get("VISITS_STORE") == "memory" else Table(os.environ["DATA"])
app = FastAPI()


class Login(BaseModel):
    user: str


def shown(key):
    found = store.find(key)
    if not found:
        raise HTTPException(401, "log in first")
    return {"user": found[0], "visits": found[1]}


@app.get("/health")
def health():
    return {}


@app.post("/login")
def login(body: Login, response: Response):
    key = secrets.token_hex(16)
    store.add(key, body.user)
    response.set_cookie("key", key, httponly=True)
    return shown(key)


@app.post("/visit")
def visit(key: Optional[str] = Cookie(None)):
    store.visit(key)
    return shown(key)


@app.get("/me")
def me(key: Optional[str] = Cookie(None)):
    return shown(key)


@app.post("/logout")
def logout(key: Optional[str] = Cookie(None)):
    before = shown(key)
    store.remove(key)
    return before
