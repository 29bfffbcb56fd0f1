// Sessions and their visits, as the README of express-session sets it up (https://expressjs.com/en/resources/middleware/session.html).
//
// Arguments: the port, the folder of the data, and the store: `memory` is the default one, `file` is session-file-store. The packages
// are in the folder `packages` beside this file: `./install.sh`.
import { createRequire } from "node:module";
import path from "node:path";

const [port, folder, kind] = process.argv.slice(2);
const require = createRequire(new URL("./packages/", import.meta.url));
const express = require("express");
const session = require("express-session");

const stores = {
  memory: () => undefined,
  file: () => new (require("session-file-store")(session))({ path: path.join(folder, "sessions"), retries: 0, logFn() {} }),
};
const app = express();
app.get("/health", (_, reply) => reply.json({}));
app.use(express.json());
app.use(session({ store: stores[kind](), secret: "written down once", resave: false, saveUninitialized: false }));
const shown = ({ user, visits }) => ({ user, visits });
app.post("/login", (request, reply) => {
  Object.assign(request.session, { user: request.body.user, visits: 0 });
  reply.json(shown(request.session));
});
app.use((request, reply, next) => (request.session.user ? next() : reply.status(401).json({ error: "log in first" })));
app.get("/me", (request, reply) => reply.json(shown(request.session)));
app.post("/visit", (request, reply) => {
  request.session.visits += 1;
  reply.json(shown(request.session));
});
app.post("/logout", (request, reply) => {
  const before = shown(request.session);
  request.session.destroy(() => reply.json(before));
});
app.listen(Number(port), "127.0.0.1");
