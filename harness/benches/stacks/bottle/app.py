"""Bottle behind waitress. Each user's counter is in a file, which is written anew with each change."""

import json
import os
import sys
import uuid

from bottle import HTTPError, abort, get, post, request, response, run

FOLDER = sys.argv[2]


def path(key):
    return os.path.join(FOLDER, key + ".json")


def load():
    key = request.get_cookie("sid", "").replace("/", "")
    try:
        with open(path(key)) as file:
            return key, json.load(file)
    except (OSError, ValueError):
        raise HTTPError(401, "Please log in") from None


def save(key, state):
    with open(path(key), "w") as file:
        json.dump(state, file)


@get("/ping")
def ping():
    return "pong"


@post("/login")
def login():
    user = request.forms.get("user") or abort(400, "user is missing")
    key = uuid.uuid4().hex
    save(key, {"user": user, "likes": 0})
    response.set_cookie("sid", key, httponly=True)
    return "ok"


@post("/like")
def like():
    key, state = load()
    state["likes"] += 1
    save(key, state)
    return "ok"


@get("/me")
def me():
    _, state = load()
    return f"<b>{state['user']}</b> likes this {state['likes']} times"


run(host="127.0.0.1", port=int(sys.argv[1]), server="waitress", quiet=True)
