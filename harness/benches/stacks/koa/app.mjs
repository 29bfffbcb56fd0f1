// Koa with koa-session: the session is in a signed cookie.
import Koa from "koa";
import session from "koa-session";
import bodyParser from "koa-bodyparser";
import Router from "@koa/router";

const app = new Koa();
app.keys = ["some secret hurr"];
app.use(session(app));
app.use(bodyParser());
const router = new Router();
router.post("/session", (ctx) => {
  ctx.session.user = ctx.request.body.username;
  ctx.session.clicks = 0;
  ctx.body = { user: ctx.session.user };
});
router.post("/click", (ctx) => {
  if (!ctx.session.user) return ctx.throw(403);
  ctx.session.clicks += 1;
  ctx.body = { clicks: ctx.session.clicks };
});
router.get("/profile", (ctx) => {
  if (!ctx.session.user) return ctx.throw(403);
  ctx.body = { user: ctx.session.user, clicks: ctx.session.clicks };
});
router.delete("/session", (ctx) => {
  ctx.session = null;
  ctx.status = 204;
});
app.use(router.routes());
app.listen(Number(process.argv[2]), "127.0.0.1");
