// Sessions and their visits with Express and express-session, kept by a session store from npm.
//
// Arguments: the port, the folder of the data, and the store. The packages are in the folder `packages/npm` beside this one.
import { createRequire } from "node:module";
import path from "node:path";

const [port, folder, kind] = process.argv.slice(2);
const require = createRequire(new URL("../packages/npm/", import.meta.url));
const session = require("express-session");

const STORES = {
  "connect-loki": () => new (require("connect-loki")(session))({ path: path.join(folder, "sessions.db") }),
  "session-file-store": () =>
    new (require("session-file-store")(session))({ path: path.join(folder, "sessions"), retries: 0, logFn() {} }),
};

const express = require("express");
const app = express();
app.get("/health", (_, reply) => reply.json({}));
app.use(express.json());
app.use(session({ store: STORES[kind](), secret: "written down once", resave: false, saveUninitialized: false }));
const shown = ({ user, visits }) => ({ user, visits });
app.post("/login", (request, reply) => {
  Object.assign(request.session, { user: request.body.user, visits: 0 });
  reply.json(shown(request.session));
});
app.use((request, reply, next) => (request.session.user ? next() : reply.status(401).json({ error: "no session" })));
app.get("/me", (request, reply) => reply.json(shown(request.session)));
app.post("/visit", (request, reply) => {
  request.session.visits += 1;
  reply.json(shown(request.session));
});
app.listen(Number(port), "127.0.0.1");
