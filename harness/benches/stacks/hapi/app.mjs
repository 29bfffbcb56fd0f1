// hapi with yar: the session is in an encrypted cookie, as long as it is small.
import Hapi from "@hapi/hapi";
import Yar from "@hapi/yar";

const server = Hapi.server({ port: process.env.PORT || 3000, host: "127.0.0.1" });
await server.register({
  plugin: Yar,
  options: { cookieOptions: { password: "the-password-must-be-at-least-32-characters-long", isSecure: false } },
});

server.route({ method: "GET", path: "/", handler: () => "<h1>Apples</h1>" });
server.route({
  method: "POST",
  path: "/login",
  handler: (request) => {
    request.yar.set("user", { name: request.payload.name, apples: 0 });
    return { hello: request.payload.name };
  },
});
server.route({
  method: "POST",
  path: "/apples",
  handler: (request, h) => {
    const user = request.yar.get("user");
    if (!user) return h.response({ error: "no user" }).code(401);
    user.apples += 1;
    request.yar.set("user", user);
    return { apples: user.apples };
  },
});
server.route({
  method: "GET",
  path: "/apples",
  handler: (request, h) => request.yar.get("user") ?? h.response({ error: "no user" }).code(401),
});
server.route({
  method: "POST",
  path: "/logout",
  handler: (request) => {
    request.yar.reset();
    return { bye: true };
  },
});
await server.start();
