"""A page that counts its user's visits, as the tutorial of CherryPy 18 sets sessions up
(https://docs.cherrypy.dev/en/latest/basics.html#using-sessions): `tools.sessions.on` keeps them in memory; with
VISITS_STORE=file the second recipe of the same page, FileSession, keeps each in a file of the folder.
"""

import os
import sys

import cherrypy
from cherrypy.lib.sessions import FileSession

FOLDER, PORT = sys.argv[1:]


class Visits:
    @cherrypy.expose
    def index(self):
        session = cherrypy.session
        if "user" not in session:
            raise cherrypy.HTTPRedirect("/login")
        return f"You are {session['user']}, visits: {session['visits']}"

    @cherrypy.expose
    def login(self, user=None):
        if user is None:
            return 'Please log in: <form action="login" method="post"><input name="user"></form>'
        cherrypy.session["user"] = user
        cherrypy.session["visits"] = 0
        raise cherrypy.HTTPRedirect("/")

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def visit(self):
        if "user" in cherrypy.session:
            cherrypy.session["visits"] += 1
        raise cherrypy.HTTPRedirect("/")

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def logout(self):
        visits = cherrypy.session.get("visits")
        cherrypy.session.clear()
        if visits is None:
            raise cherrypy.HTTPRedirect("/login")
        return f"Goodbye, visits: {visits}"


sessions = {"tools.sessions.on": True}
if os.environ.get("VISITS_STORE") == "file":
    sessions |= {
        "tools.sessions.storage_class": FileSession,
        "tools.sessions.storage_path": FOLDER,
    }
cherrypy.config.update({"server.socket_host": "127.0.0.1", "server.socket_port": int(PORT)})
cherrypy.quickstart(Visits(), "/", {"/": sessions})
