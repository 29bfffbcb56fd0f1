import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

/** Points for each player, with the server of the JDK. All of it is in memory. */
public class Server {
    static class Player {
        String name;
        int points;
    }

    static final Map<String, Player> players = new ConcurrentHashMap<>();

    static void send(HttpExchange exchange, int status, String text) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        byte[] bytes = text.getBytes();
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    static Player player(HttpExchange exchange) {
        String cookie = exchange.getRequestHeaders().getFirst("Cookie");
        if (cookie == null) return null;
        for (String pair : cookie.split("; ")) {
            if (pair.startsWith("JSESSIONID=")) return players.get(pair.substring(11));
        }
        return null;
    }

    public static void main(String[] args) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("SERVER_PORT", "8080"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/actuator/health", exchange -> send(exchange, 200, "{\"status\":\"UP\"}"));
        server.createContext("/login", exchange -> {
            String body = new String(exchange.getRequestBody().readAllBytes());
            Player player = new Player();
            player.name = body.replace("name=", "");
            String id = UUID.randomUUID().toString();
            players.put(id, player);
            exchange.getResponseHeaders().add("Set-Cookie", "JSESSIONID=" + id + "; Path=/; HttpOnly");
            send(exchange, 200, "{\"name\":\"" + player.name + "\"}");
        });
        server.createContext("/play", exchange -> {
            Player player = player(exchange);
            if (player == null) {
                send(exchange, 401, "{\"error\":\"who are you?\"}");
                return;
            }
            synchronized (player) {
                player.points++;
            }
            send(exchange, 200, "{\"points\":" + player.points + "}");
        });
        server.createContext("/score", exchange -> {
            Player player = player(exchange);
            if (player == null) {
                send(exchange, 401, "{\"error\":\"who are you?\"}");
                return;
            }
            send(exchange, 200, "{\"name\":\"" + player.name + "\",\"points\":" + player.points + "}");
        });
        server.setExecutor(Executors.newFixedThreadPool(10));
        server.start();
    }
}
