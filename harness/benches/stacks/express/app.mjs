// A basket, as a beginner writes it with Express: sessions are in the default store.
import express from "express";
import session from "express-session";

const app = express();
app.use(express.json());
app.use(session({ secret: "keyboard cat", resave: false, saveUninitialized: true }));
app.get("/", (request, response) => response.send("<h1>Basket</h1>"));
app.post("/login", (request, response) => {
  request.session.name = request.body.name;
  request.session.items = 0;
  response.json({ message: `Hello ${request.body.name}` });
});
app.post("/basket/add", (request, response) => {
  if (!request.session.name) return response.status(401).json({ error: "log in first" });
  request.session.items++;
  response.json({ ok: true });
});
app.get("/basket", (request, response) => {
  if (!request.session.name) return response.status(401).json({ error: "log in first" });
  response.json({ name: request.session.name, basket: { items: request.session.items } });
});
app.post("/logout", (request, response) => request.session.destroy(() => response.json({ ok: true })));
app.listen(process.env.PORT || 3000, "127.0.0.1");
