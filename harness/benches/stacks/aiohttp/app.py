"""aiohttp with aiohttp-session: the session is in an encrypted cookie. The key is made at the start, as in the example that comes with
the package."""

import sys

from aiohttp import web
from aiohttp_session import get_session, new_session, setup
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from cryptography import fernet

routes = web.RouteTableDef()


@routes.get("/")
async def index(request):
    return web.Response(text="Tea time! POST your name to /login")


@routes.post("/login")
async def login(request):
    form = await request.post()
    session = await new_session(request)
    session["name"] = form["name"]
    session["cups"] = 0
    return web.Response(text="Welcome, " + form["name"])


@routes.post("/drink")
async def drink(request):
    session = await get_session(request)
    if "name" not in session:
        raise web.HTTPForbidden(text="Who are you?")
    session["cups"] += 1
    return web.Response(text="Cheers!")


@routes.get("/me")
async def me(request):
    session = await get_session(request)
    if "name" not in session:
        raise web.HTTPForbidden(text="Who are you?")
    return web.Response(text=f"{session['name']} drank {session['cups']} cups of tea")


app = web.Application()
setup(app, EncryptedCookieStorage(fernet.Fernet(fernet.Fernet.generate_key())))
app.add_routes(routes)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
