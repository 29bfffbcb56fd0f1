"""Tornado with its secure cookies; the counters are in a dict."""

import asyncio
import sys

import tornado.web

visits = {}


class Main(tornado.web.RequestHandler):
    def get_current_user(self):
        return self.get_secure_cookie("user")

    def get(self):
        if not self.current_user:
            return self.redirect("/login")
        user = self.current_user.decode()
        self.write(f"<p>Welcome back, {user}! You have clicked {visits.get(user, 0)} times.</p>")


class Login(Main):
    def get(self):
        self.write('<form method="post"><input name="name"><input type="submit" value="Sign in"></form>')

    def post(self):
        self.set_secure_cookie("user", self.get_argument("name"))
        visits[self.get_argument("name")] = 0
        self.redirect("/")


class Click(Main):
    @tornado.web.authenticated
    def post(self):
        user = self.current_user.decode()
        visits[user] = visits.get(user, 0) + 1
        self.redirect("/")


class Logout(Main):
    def post(self):
        self.clear_cookie("user")
        self.redirect("/login")


async def main():
    handlers = [("/", Main), ("/login", Login), ("/click", Click), ("/logout", Logout)]
    app = tornado.web.Application(handlers, cookie_secret="__TODO:_GENERATE_YOUR_OWN__", login_url="/login")
    app.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
