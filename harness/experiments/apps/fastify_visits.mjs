// Sessions and their visits, as the README of @fastify/session sets it up (https://github.com/fastify/session).
//
// Arguments: the port, the folder of the data, and the store: `memory` is the default one, `file` is session-file-store, since stores of
// express-session work here, too. The packages are in the folder `packages` beside this file: `./install.sh`.
import { createRequire } from "node:module";
import path from "node:path";

const [port, folder, kind] = process.argv.slice(2);
const require = createRequire(new URL("./packages/", import.meta.url));
const stores = {
  memory: () => undefined,
  file: () =>
    new (require("session-file-store")(require("express-session")))({
      path: path.join(folder, "sessions"),
      retries: 0,
      logFn() {},
    }),
};
const fastify = require("fastify")();
fastify.register(require("@fastify/cookie"));
fastify.register(require("@fastify/session"), {
  secret: "written down once, and of at least 32 characters",
  cookie: { secure: false },
  saveUninitialized: false,
  store: stores[kind](),
});
const shown = ({ user, visits }) => ({ user, visits });
const known = async (request, reply) => {
  if (!request.session.user) return reply.status(401).send({ error: "log in first" });
};
fastify.get("/health", async () => ({}));
fastify.post("/login", async (request) => {
  Object.assign(request.session, { user: request.body.user, visits: 0 });
  return shown(request.session);
});
fastify.get("/me", { preHandler: known }, async (request) => shown(request.session));
fastify.post("/visit", { preHandler: known }, async (request) => {
  request.session.visits += 1;
  return shown(request.session);
});
fastify.post("/logout", { preHandler: known }, async (request) => {
  const before = shown(request.session);
  await request.session.destroy();
  return before;
});
fastify.listen({ port: Number(port), host: "127.0.0.1" });
