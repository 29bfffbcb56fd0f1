import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import java.io.IOException;
import org.apache.catalina.Context;
import org.apache.catalina.session.FileStore;
import org.apache.catalina.session.PersistentManager;
import org.apache.catalina.startup.Tomcat;
import org.apache.catalina.valves.PersistentValve;

/**
 * A page that counts its user's visits, with Tomcat as a library. Arguments: the port, the folder of the data, and the store. With `memory`
 * the session manager is the default one. With the others it is PersistentManager with a FileStore: `backup` writes sessions every second,
 * `valve` writes a session at the end of each request.
 */
public class TomcatVisits extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (request.getServletPath().equals("/health")) reply(response, 200, "{}");
        else if (user(request) == null) reply(response, 401, "{\"error\": \"log in first\"}");
        else show(response, request.getSession());
    }

    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
        String path = request.getServletPath();
        String user = request.getParameter("user");
        boolean isLogin = path.equals("/login");
        if (isLogin && (user == null || !user.matches("\\w+"))) {
            reply(response, 400, "{\"error\": \"say which user\"}");
            return;
        }
        if (!isLogin && user(request) == null) {
            reply(response, 401, "{\"error\": \"log in first\"}");
            return;
        }
        HttpSession session = request.getSession();
        if (isLogin) {
            session.setAttribute("user", user);
            session.setAttribute("visits", 0);
        } else if (path.equals("/visit")) {
            session.setAttribute("visits", (Integer) session.getAttribute("visits") + 1);
        }
        show(response, session);
        if (path.equals("/logout")) session.invalidate();
    }

    static Object user(HttpServletRequest request) {
        HttpSession session = request.getSession(false);
        return session == null ? null : session.getAttribute("user");
    }

    static void show(HttpServletResponse response, HttpSession session) throws IOException {
        reply(response, 200, "{\"user\": \"" + session.getAttribute("user") + "\", \"visits\": " + session.getAttribute("visits") + "}");
    }

    static void reply(HttpServletResponse response, int status, String text) throws IOException {
        response.setStatus(status);
        response.setContentType("application/json");
        response.getWriter().write(text);
    }

    public static void main(String[] words) throws Exception {
        String folder = words[1];
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(folder);
        tomcat.setHostname("127.0.0.1");
        tomcat.setPort(Integer.parseInt(words[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("", folder);
        if (!words[2].equals("memory")) {
            FileStore store = new FileStore();
            store.setDirectory(folder + "/sessions");
            PersistentManager manager = new PersistentManager();
            manager.setStore(store);
            // Its documentation demands this.
            manager.setSessionActivityCheck(true);
            if (words[2].equals("backup")) {
                // As often as it can be: by default no session is backed up, and the manager looks for idle ones every minute.
                manager.setMaxIdleBackup(0);
                manager.setProcessExpiresFrequency(1);
                tomcat.getEngine().setBackgroundProcessorDelay(1);
            } else {
                context.getPipeline().addValve(new PersistentValve());
            }
            context.setManager(manager);
        }
        Tomcat.addServlet(context, "visits", new TomcatVisits()).addMapping("/");
        tomcat.start();
        tomcat.getServer().await();
    }
}
