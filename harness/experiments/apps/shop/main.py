"""A shop's cart, in production: the session is Flask's signed cookie, so the server keeps nothing."""

from flask import Flask, abort, request, session

app = Flask(__name__)
app.secret_key = b"written down once"


@app.post("/login")
def login():
    session["user"] = request.json["user"]
    session["items"] = 0
    return cart()


@app.post("/cart")
def add():
    if "user" in session:
        session["items"] += 1
    return cart()


@app.get("/cart")
def cart():
    if "user" not in session:
        abort(401)
    return {"user": session["user"], "items": session["items"]}
