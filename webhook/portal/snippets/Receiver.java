import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
[[if and .Signature (not .Untimed.Base64)]]import java.util.HexFormat;
[[end]]import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
    static final String SECRET = System.getenv().getOrDefault("WEBHOOK_SECRET", "");
    static final byte[] KEY = Base64.getDecoder().decode(SECRET.replaceFirst("^whsec_", ""));
    static final int MAX_BODY = 2 << 20; // 256 KiB in their longest spelling are 1.5 MiB.

    public static void main(String[] args) throws IOException {
        if (!SECRET.startsWith("whsec_") || KEY.length < 16) { // With an empty key, anybody could sign.
            System.err.println("WEBHOOK_SECRET is not the secret of a webhook: set it to \"whsec_\" and what follows");
            System.exit(1);
        }
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
        var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        HttpServer server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/webhooks", Receiver::receive);
        server.start();
        System.out.println("listening on 127.0.0.1:" + server.getAddress().getPort());
    }

    static void receive(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
            if (body.length > MAX_BODY) {
                exchange.sendResponseHeaders(413, -1);
                return;
            }
            Headers headers = exchange.getRequestHeaders();
            int status = [[if .Signature]]signed(headers, body) && [[end]]fresh(headers, body) ? 204 : 401;
            if (status == 204) {
                System.out.println("received " + headers.getFirst("webhook-id"));
                // Parse it, put it into a queue, unless its id is there already; work on it afterwards.
            }
            exchange.sendResponseHeaders(status, -1);
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
    }

    [[if .Signature]]// [[.Signature]] is over the body as it arrived.
    static boolean signed(Headers headers, byte[] body) throws GeneralSecurityException {
        String expected = [[with .Untimed.Prefix]]"[[slashed . "\""]]" + [[end]][[if .Untimed.Base64]]Base64.getEncoder().encodeToString[[else]]HexFormat.of().formatHex[[end]](hmac([[if .Untimed.DecodedKey]]KEY[[else]]SECRET.getBytes(UTF_8)[[end]], body));
        return same(expected, headers.getFirst("[[.Signature]]"));
    }

    // That of Standard Webhooks also covers the event's id and the time of sending.
    [[else]]// webhook-signature covers the event's id, the time of sending, and the body as it arrived.
    [[end]]static boolean fresh(Headers headers, byte[] body) throws GeneralSecurityException {
        String id = headers.getFirst("webhook-id");
        String sent = headers.getFirst("webhook-timestamp");
        String signatures = headers.getFirst("webhook-signature");
        if (id == null || sent == null || signatures == null || !sent.matches("\\d{1,12}")
                || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(sent)) > 300) {
            return false;
        }
        byte[] mac = hmac(KEY, (id + "." + sent + ".").getBytes(UTF_8), body);
        String expected = "v1," + Base64.getEncoder().encodeToString(mac);
        boolean found = false;
        for (String given : signatures.split(" ")) {
            found |= same(expected, given);
        }
        return found;
    }

    static byte[] hmac(byte[] key, byte[]... parts) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        for (byte[] part : parts) {
            mac.update(part);
        }
        return mac.doFinal();
    }

    static boolean same(String expected, String given) {
        return given != null && MessageDigest.isEqual(expected.getBytes(UTF_8), given.getBytes(UTF_8));
    }
}
