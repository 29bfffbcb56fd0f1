import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

/**
 * Sessions and their visits with the HTTP server of the JDK. Arguments: the port, the folder of the data, and the store. With `file` each
 * change is appended to a file before it is answered, and the file is read at the start; with `memory` nothing is.
 */
public class Visits {
    record Session(String user, int visits) {}

    interface Change {
        Session of(Session before);
    }

    static final Map<String, Session> sessions = new ConcurrentHashMap<>();
    static OutputStream file;

    static synchronized void save(String id, Session session) throws IOException {
        if (file != null) {
            file.write((id + " " + session.visits + " " + session.user + "\n").getBytes(StandardCharsets.UTF_8));
        }
        sessions.put(id, session);
    }

    static void open(Path path) throws IOException {
        if (Files.exists(path)) {
            String text = Files.readString(path);
            // Half a line was never acknowledged.
            for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
                String[] words = line.split(" ", 3);
                sessions.put(words[0], new Session(words[2], Integer.parseInt(words[1])));
            }
        }
        file = Files.newOutputStream(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    static void reply(HttpExchange exchange, int status, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    static void show(HttpExchange exchange, Session session) throws IOException {
        reply(exchange, 200, "{\"user\": \"" + session.user + "\", \"visits\": " + session.visits + "}");
    }

    static String id(HttpExchange exchange) {
        for (String cookies : exchange.getRequestHeaders().getOrDefault("Cookie", List.of())) {
            for (String cookie : cookies.split("; ")) {
                if (cookie.startsWith("id=")) return cookie.substring(3);
            }
        }
        return "";
    }

    static HttpHandler changing(Change change) {
        return exchange -> {
            String id = id(exchange);
            // One user's requests, one after the other.
            synchronized (id.intern()) {
                Session before = sessions.get(id);
                if (before == null) {
                    reply(exchange, 401, "{\"error\": \"log in first\"}");
                    return;
                }
                Session after = change.of(before);
                if (after != before) save(id, after);
                show(exchange, after);
            }
        };
    }

    static void login(HttpExchange exchange) throws IOException {
        String form = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        if (!form.matches("user=\\w+")) {
            reply(exchange, 400, "{\"error\": \"say which user\"}");
            return;
        }
        String id = UUID.randomUUID().toString();
        Session session = new Session(form.substring(5), 0);
        save(id, session);
        exchange.getResponseHeaders().add("Set-Cookie", "id=" + id + "; HttpOnly");
        show(exchange, session);
    }

    public static void main(String[] words) throws IOException {
        if (words[2].equals("file")) open(Path.of(words[1], "sessions"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0])), 0);
        server.createContext("/health", exchange -> reply(exchange, 200, "{}"));
        server.createContext("/login", Visits::login);
        server.createContext("/me", changing(before -> before));
        server.createContext("/visit", changing(before -> new Session(before.user, before.visits + 1)));
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }
}
