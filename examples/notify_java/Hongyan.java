import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger.Level;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;

/**
 * Tells people through Hongyan, without ever slowing or breaking what the caller does.
 *
 * <p>One file, JDK 11 and nothing else: copy it. {@code notify} writes a line to a spool file and returns; a daemon
 * thread hands the lines in, again and again until the gateway has taken them, also those of an earlier run. Nothing
 * here throws. It knows nothing of what became of a message: ask {@code GET /v1/messages/{id}}.
 *
 * <pre>{@code
 * Hongyan hongyan = new Hongyan(List.of("zhangsan", "lisi"));
 * hongyan.notify("订单 42 已发货", "order-42-shipped");
 * }</pre>
 *
 * <p>HONGYAN_URL and HONGYAN_API_KEY say where the gateway is. One process uses one spool file.
 */
public final class Hongyan {
    /** Refused for good: the same request will never be taken. */
    private static final Set<Integer> REFUSED = Set.of(400, 401, 403, 413, 422);
    private static final long FIRST_PAUSE_MS = 1_000;
    private static final long LONGEST_PAUSE_MS = 60_000;

    private final System.Logger log = System.getLogger("hongyan");
    private final String to;
    private final String url;
    private final String key;
    private final String spool;
    private final int cap;
    private final int timeoutMs;
    /** What is in the spool: the idempotency key, a tab, the body. Guarded by this, as the file is. */
    private final Deque<String> waiting = new ArrayDeque<>();
    /** The spool's last line may have no end. */
    private boolean isCut;
    /** What was logged last about the gateway: a trouble is logged once, not at every try. */
    private String trouble = "";

    public Hongyan(List<String> to) {
        this(to, env("HONGYAN_URL", "http://127.0.0.1:8686"), env("HONGYAN_API_KEY", ""),
            env("HONGYAN_SPOOL", "hongyan-spool"), 1000, 5_000);
    }

    /** At most {@code cap} lines wait; {@code timeoutMs} is for connecting, and for each read. */
    public Hongyan(List<String> to, String url, String key, String spool, int cap, int timeoutMs) {
        StringBuilder users = new StringBuilder();
        for (String user : to) {
            users.append(users.length() == 0 ? "" : ",").append(quoted(user));
        }
        this.to = "{\"users\":[" + users + "]}";
        this.url = url.strip().replaceAll("/+$", "");
        this.key = key.strip();
        this.spool = spool;
        this.cap = cap;
        this.timeoutMs = timeoutMs;
        readSpool();
        Thread thread = new Thread(this::work, "hongyan");
        thread.setDaemon(true);
        thread.start();
    }

    /** Queues a text; the event names what happened, so that it is told once. False if the spool is full. */
    public boolean notify(String text, String event) {
        return queue("{\"to\":" + to + ",\"text\":" + quoted(text) + "}", event);
    }

    /** The same for a text with a user's words in it: what looks like a link or a mention in them is none. */
    public boolean notifyEscaped(String text, String event) {
        return queue("{\"to\":" + to + ",\"text\":" + quoted(text) + ",\"escape\":true}", event);
    }

    /** Waits until nothing waits any more, or the time is over; true in the first case. */
    public synchronized boolean flush(long ms) {
        long end = System.nanoTime() + ms * 1_000_000;
        try {
            for (long left = ms; left > 0 && !waiting.isEmpty(); left = (end - System.nanoTime()) / 1_000_000) {
                wait(left);
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        return waiting.isEmpty();
    }

    private synchronized boolean queue(String body, String event) {
        if (waiting.size() >= cap) {
            log.log(Level.ERROR, "企业微信消息发送失败: " + cap + " lines wait already; `" + inHeader(event) + "` is not told");
            return false;
        }
        String line = inHeader(event) + "\t" + body;
        waiting.add(line);
        notifyAll();
        try {
            byte[] written = ((isCut ? "\n" : "") + line + "\n").getBytes(StandardCharsets.UTF_8);
            isCut = true;
            Files.write(Path.of(spool), written, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            isCut = false;
        } catch (IOException | RuntimeException error) {
            // The caller's own work is done: nothing that happens here may undo it.
            log.log(Level.WARNING, "`" + inHeader(event) + "` waits in memory only: the spool cannot be written: " + error);
        }
        return true;
    }

    private void readSpool() {
        try {
            String text = new String(Files.readAllBytes(Path.of(spool)), StandardCharsets.UTF_8);
            isCut = !text.isEmpty() && !text.endsWith("\n");
            for (String line : text.split("\n")) {
                if (line.contains("\t{") && line.endsWith("}")) {
                    waiting.add(line);
                } else if (!line.isEmpty()) { // The last one, of a process that died while it wrote it.
                    log.log(Level.ERROR, "a line of the spool " + spool + " cannot be read: " + line);
                }
            }
        } catch (NoSuchFileException none) {
            // Nothing was left.
        } catch (IOException | RuntimeException error) {
            log.log(Level.ERROR, "the spool cannot be read: " + error);
        }
    }

    private void work() {
        long pause = FIRST_PAUSE_MS;
        try {
            while (true) {
                String line = next();
                if (isSettled(line)) {
                    pause = FIRST_PAUSE_MS;
                    forget();
                } else {
                    Thread.sleep(pause);
                    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
                }
            }
        } catch (InterruptedException end) {
            // The program ends; what waits is in the spool.
        }
    }

    private synchronized String next() throws InterruptedException {
        while (waiting.isEmpty()) {
            wait();
        }
        return waiting.peek();
    }

    /** Takes the first line off, in the spool too. */
    private synchronized void forget() {
        waiting.remove();
        try {
            Path renewed = Path.of(spool + ".new");
            String lines = waiting.isEmpty() ? "" : String.join("\n", waiting) + "\n";
            Files.write(renewed, lines.getBytes(StandardCharsets.UTF_8));
            Files.move(renewed, Path.of(spool), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            isCut = false;
        } catch (IOException | RuntimeException error) {
            // At worst a line is handed in again: its event is told once all the same.
            log.log(Level.WARNING, "the spool cannot be written: " + error);
        }
        notifyAll();
    }

    /** Hands a line in; false if it must be tried again. */
    private boolean isSettled(String line) {
        int tab = line.indexOf('\t');
        String now;
        String why = "";
        try {
            HttpURLConnection call = (HttpURLConnection) URI.create(url + "/v1/messages").toURL().openConnection();
            call.setConnectTimeout(timeoutMs);
            call.setReadTimeout(timeoutMs);
            call.setInstanceFollowRedirects(false);
            call.setRequestMethod("POST");
            call.setDoOutput(true);
            call.setRequestProperty("Authorization", "Bearer " + key);
            call.setRequestProperty("Content-Type", "application/json");
            call.setRequestProperty("Idempotency-Key", line.substring(0, tab));
            call.getOutputStream().write(line.substring(tab + 1).getBytes(StandardCharsets.UTF_8));
            int status = call.getResponseCode();
            try (InputStream answer = status < 400 ? call.getInputStream() : call.getErrorStream()) {
                byte[] start = answer == null ? new byte[0] : answer.readNBytes(2_000);
                if (status == 202) {
                    trouble = "";
                    return true;
                }
                now = "it answered " + status;
                why = ": " + new String(start, StandardCharsets.UTF_8);
            }
            if (REFUSED.contains(status)) {
                log.log(Level.ERROR, "企业微信消息发送失败: " + line.substring(0, tab) + ": " + now + why);
                return true;
            }
        } catch (IOException error) {
            now = error.toString();
        } catch (RuntimeException error) { // Its text may hold the key.
            now = "HONGYAN_URL or HONGYAN_API_KEY cannot be used: " + error.getClass().getName();
        }
        if (!now.equals(trouble)) {
            log.log(Level.WARNING, "the gateway is away, and is tried again: " + now + why);
            trouble = now;
        }
        return false;
    }

    /** A text as JSON. */
    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : String.valueOf(text).toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ') {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }

    /** An event as a header may hold it: what is not ASCII is percent-encoded. */
    private static String inHeader(String event) {
        StringBuilder header = new StringBuilder();
        for (byte b : String.valueOf(event).getBytes(StandardCharsets.UTF_8)) {
            header.append(b < ' ' || b == 127 ? String.format("%%%02X", b) : String.valueOf((char) b));
        }
        return header.toString();
    }

    private static String env(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isBlank() ? otherwise : value;
    }
}
