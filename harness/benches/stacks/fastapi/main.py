"""FastAPI with SQLite: a table of sessions, a connection for each request."""

import os
import secrets
import sqlite3

from fastapi import Cookie, FastAPI, HTTPException, Response
from pydantic import BaseModel

PATH = os.path.join(os.environ.get("DATA", "."), "notes.db")
app = FastAPI()


def db():
    connection = sqlite3.connect(PATH)
    connection.execute("create table if not exists sessions (id text primary key, username text, notes integer)")
    return connection


class Login(BaseModel):
    username: str
    password: str


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/login")
def login(body: Login, response: Response):
    if body.password != "secret":
        raise HTTPException(401, "wrong password")
    session = secrets.token_hex(16)
    with db() as connection:
        connection.execute("insert into sessions values (?, ?, 0)", (session, body.username))
    response.set_cookie("session", session)
    return {"username": body.username}


@app.post("/notes")
def add_note(session: str | None = Cookie(None)):
    with db() as connection:
        changed = connection.execute("update sessions set notes = notes + 1 where id = ?", (session,)).rowcount
    if not changed:
        raise HTTPException(401, "not logged in")
    return {"added": True}


@app.get("/notes")
def notes(session: str | None = Cookie(None)):
    row = db().execute("select username, notes from sessions where id = ?", (session,)).fetchone()
    if not row:
        raise HTTPException(401, "not logged in")
    return {"owner": row[0], "notes": {"count": row[1]}}


@app.post("/logout")
def logout(session: str | None = Cookie(None)):
    with db() as connection:
        connection.execute("delete from sessions where id = ?", (session,))
    return {"bye": True}
