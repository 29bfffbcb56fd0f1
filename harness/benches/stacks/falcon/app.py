"""Falcon behind waitress. Who has a token may count steps; everything that happens is a line in a log, which is read at the start."""

import json
import os
import secrets
import sys
import threading

import falcon
import waitress

LOG = os.path.join(sys.argv[2], "events.jsonl")
lock = threading.Lock()
users = {}


def apply(event):
    if event["what"] == "login":
        users[event["token"]] = {"user": event["user"], "steps": 0}
    else:
        users[event["token"]]["steps"] += 1


if os.path.exists(LOG):
    with open(LOG) as lines:
        for line in lines:
            apply(json.loads(line))
log = open(LOG, "a")


def happened(event):
    with lock:
        apply(event)
        log.write(json.dumps(event) + "\n")


def token_of(req):
    token = (req.auth or "").removeprefix("Bearer ")
    if token not in users:
        raise falcon.HTTPUnauthorized(title="Log in first")
    return token


class Health:
    def on_get(self, req, resp):
        resp.media = {"status": "up"}


class Token:
    def on_post(self, req, resp):
        token = secrets.token_urlsafe()
        happened({"what": "login", "token": token, "user": req.get_media()["user"]})
        resp.media = {"token": token}


class Steps:
    def on_post(self, req, resp):
        happened({"what": "step", "token": token_of(req)})
        resp.status = falcon.HTTP_201

    def on_get(self, req, resp):
        resp.media = users[token_of(req)]


app = falcon.App()
app.add_route("/health", Health())
app.add_route("/token", Token())
app.add_route("/steps", Steps())
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]))
