"""A page that counts its user's visits, as the quickstart of Flask 2.2 sets sessions up
(https://flask.palletsprojects.com/en/2.2.x/quickstart/#sessions): the session is a cookie, signed with SECRET_KEY.

VISITS_KEY=fresh makes the key anew at each start, a mistake found in many an application.
"""

import os

from flask import Flask, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = os.urandom(32) if os.environ.get("VISITS_KEY") == "fresh" else b"written down once"


@app.get("/")
def index():
    if "username" in session:
        return f"Logged in as {session['username']}, visits: {session['visits']}"
    return "You are not logged in"


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        session["username"] = request.form["username"]
        session["visits"] = 0
        return redirect(url_for("index"))
    return '<form method="post"><input name="username"><input type="submit" value="Log in"></form>'


@app.post("/visit")
def visit():
    if "username" in session:
        session["visits"] += 1
    return redirect(url_for("index"))


@app.post("/logout")
def logout():
    visits = session.get("visits")
    session.clear()
    return redirect(url_for("index")) if visits is None else f"Goodbye, visits: {visits}"
