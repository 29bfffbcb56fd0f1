"""A page that counts its user's visits, as Django 3.2 sets sessions up
(https://docs.djangoproject.com/en/3.2/topics/http/sessions/): SESSION_ENGINE is the database, unless VISITS_ENGINE
names another, forms are protected against CSRF, and the server is `runserver`. One file instead of a project.
"""

import os
import sys

from django.conf import settings
from django.core.management import call_command, execute_from_command_line
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.http import require_POST

FOLDER, PORT = sys.argv[1:]

settings.configure(
    SECRET_KEY="written down once, by startproject",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(FOLDER, "db.sqlite3")}
    },
    SESSION_ENGINE="django.contrib.sessions.backends." + os.environ.get("VISITS_ENGINE", "db"),
)


def form(request, action, fields=""):
    token = f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}">'
    return f'<form action="{action}" method="post">{token}{fields}<input type="submit"></form>'


def index(request):
    if "user" not in request.session:
        return redirect("/login")
    session = request.session
    return HttpResponse(f"You are {session['user']}, visits: {session['visits']}" + form(request, "/visit"))


def login(request):
    if request.method == "POST":
        request.session["user"] = request.POST["user"]
        request.session["visits"] = 0
        return redirect("/")
    return HttpResponse("Please log in." + form(request, "/login", '<input name="user">'))


@require_POST
def visit(request):
    if "user" in request.session:
        request.session["visits"] += 1
    return redirect("/")


@require_POST
def logout(request):
    visits = request.session.get("visits")
    request.session.flush()
    return redirect("/login") if visits is None else HttpResponse(f"Goodbye, visits: {visits}")


urlpatterns = [
    path("", index),
    path("login", login),
    path("visit", visit),
    path("logout", logout),
]

# A project's owner runs this once; where the table is there already it does nothing.
execute_from_command_line([sys.argv[0], "migrate", "--verbosity", "0"])
call_command("runserver", f"127.0.0.1:{PORT}", use_reloader=False)
