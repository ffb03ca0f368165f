import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Tells whether a webhook is Hongyan's, is fresh, and was not taken before.
 *
 * <p>One file, JDK 11 and nothing else: copy it. It knows nothing of what the webhook says. To try it, with a secret
 * made for that, on a body from standard input (each further NOW, in Unix seconds, is the same request once more):
 *
 * <pre>java Verify.java SECRET TIMESTAMP NONCE SIGNATURE [NOW...] &lt; body</pre>
 */
public final class Verify {
    /** How far a timestamp may be from our clock, in seconds. */
    static final long WINDOW = 300;
    /** How long a nonce is remembered: as long as its timestamp may be taken, were it 300 s ahead. */
    static final long REMEMBERED = 600;

    private Verify() {}

    /** Why a webhook is refused: secret, incomplete, old, signature or seen. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String why) {
            super(why);
        }
    }

    /** The nonces that were taken lately; beyond a cap the oldest are forgotten. */
    public static final class Seen {
        private final int cap;
        private final Map<String, Long> taken = new LinkedHashMap<>();

        public Seen(int cap) {
            this.cap = cap;
        }

        /** Notes a nonce; false if it is there already. */
        synchronized boolean note(String nonce, long now) {
            Iterator<Long> oldest = taken.values().iterator();
            while (oldest.hasNext() && now - oldest.next() > REMEMBERED) {
                oldest.remove();
            }
            if (taken.containsKey(nonce)) {
                return false;
            }
            if (taken.size() >= cap) {
                taken.remove(taken.keySet().iterator().next());
            }
            taken.put(nonce, now);
            return true;
        }
    }

    /**
     * Returns if the webhook may be taken.
     *
     * @param timestamp the header X-Hongyan-Timestamp, or null
     * @param nonce the header X-Hongyan-Nonce, or null
     * @param signature the header X-Hongyan-Signature, or null
     * @param body the body's bytes as they came
     * @param now Unix seconds
     */
    public static void verify(
        byte[] secret, String timestamp, String nonce, String signature, byte[] body, long now, Seen seen)
        throws Refused {
        if (secret.length == 0) {
            throw new Refused("secret"); // Everybody can sign with an empty one.
        }
        if (timestamp == null || nonce == null || signature == null || signature.isEmpty()
            || !timestamp.matches("[0-9]{1,12}") || !nonce.matches("[ -~]{1,128}")) {
            throw new Refused("incomplete");
        }
        if (Math.abs(now - Long.parseLong(timestamp)) > WINDOW) {
            throw new Refused("old");
        }
        String hex = hmac(secret, timestamp + "\n" + nonce + "\n", body);
        byte[] expected = ("v1=" + hex).getBytes(StandardCharsets.UTF_8);
        boolean fits = false;
        for (String given : signature.split(",")) { // Several while the secret is rotated.
            fits |= MessageDigest.isEqual(given.trim().getBytes(StandardCharsets.UTF_8), expected);
        }
        if (!fits) {
            throw new Refused("signature");
        }
        if (!seen.note(nonce, now)) {
            throw new Refused("seen");
        }
    }

    private static String hmac(byte[] secret, String before, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret, "HmacSHA256"));
            mac.update(before.getBytes(StandardCharsets.UTF_8));
            StringBuilder hex = new StringBuilder();
            for (byte b : mac.doFinal(body)) {
                hex.append(String.format("%02x", b));
            }
            return hex.toString();
        } catch (GeneralSecurityException impossible) { // Every JDK has it.
            throw new IllegalStateException(impossible);
        }
    }

    public static void main(String[] args) throws IOException {
        if (args.length < 4) {
            System.err.println("usage: Verify SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body");
            System.exit(2);
        }
        byte[] secret = args[0].getBytes(StandardCharsets.UTF_8);
        byte[] body = System.in.readAllBytes();
        Seen seen = new Seen(100_000);
        int code = 0;
        for (int i = 4; i < Math.max(5, args.length); i++) {
            long now = i < args.length ? Long.parseLong(args[i]) : Instant.now().getEpochSecond();
            try {
                verify(secret, args[1], args[2], args[3], body, now, seen);
                System.out.println("ok");
            } catch (Refused why) {
                System.out.println(why.getMessage());
                code = 1;
            }
        }
        System.exit(code);
    }
}
