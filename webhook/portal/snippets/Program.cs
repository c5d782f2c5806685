using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;

static class Program
{
    const int MaxBody = 2 << 20; // 256 KiB in their longest spelling are 1.5 MiB.

    static readonly string Secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET") ?? "";
    static readonly byte[] Key = Secret.StartsWith("whsec_") ? Convert.FromBase64String(Secret.Substring("whsec_".Length)) : new byte[0];

    static int Main()
    {
        if (Key.Length < 16) // With an empty key, anybody could sign.
        {
            Console.Error.WriteLine("WEBHOOK_SECRET is not the secret of a webhook: set it to \"whsec_\" and what follows");
            return 1;
        }
        string address = "127.0.0.1:" + (Environment.GetEnvironmentVariable("PORT") ?? "8080");
        var listener = new HttpListener();
        listener.Prefixes.Add("http://" + address + "/webhooks/");
        listener.Start();
        Console.WriteLine("listening on " + address);
        while (true)
        {
            HttpListenerContext context = listener.GetContext();
            Task.Run(() =>
            {
                context.Response.StatusCode = Receive(context.Request);
                context.Response.Close();
            });
        }
    }

    static int Receive(HttpListenerRequest request)
    {
        byte[] body = Read(request);
        if (body == null)
        {
            return 413;
        }
        Func<string, string> header = name => request.Headers[name] ?? "";
        if ([[if .Signature]]!Signed(header, body) || [[end]]!Fresh(header, body))
        {
            return 401;
        }
        Console.WriteLine("received " + header("webhook-id"));
        // Parse it, put it into a queue, unless its id is there already; work on it afterwards.
        return 204;
    }

    // The body as it arrived, not a model or a JsonDocument that is bound for you. Null: it is too large.
    static byte[] Read(HttpListenerRequest request)
    {
        if (request.ContentLength64 > MaxBody)
        {
            return null;
        }
        var body = new MemoryStream();
        var part = new byte[64 << 10];
        for (int n; body.Length <= MaxBody && (n = request.InputStream.Read(part, 0, part.Length)) > 0;)
        {
            body.Write(part, 0, n);
        }
        return body.Length > MaxBody ? null : body.ToArray();
    }

    [[if .Signature]]// [[.Signature]] is over the body as it arrived.
    static bool Signed(Func<string, string> header, byte[] body)
    {
        byte[] mac = Mac([[if .Untimed.DecodedKey]]Key[[else]]Encoding.UTF8.GetBytes(Secret)[[end]], body);
        return Same([[with .Untimed.Prefix]]"[[slashed . "\""]]" + [[end]][[if .Untimed.Base64]]Convert.ToBase64String(mac)[[else]]BitConverter.ToString(mac).Replace("-", "").ToLowerInvariant()[[end]], header("[[.Signature]]"));
    }

    // That of Standard Webhooks also covers the event's id and the time of sending.
    [[else]]// webhook-signature covers the event's id, the time of sending, and the body as it arrived.
    [[end]]static bool Fresh(Func<string, string> header, byte[] body)
    {
        string sent = header("webhook-timestamp");
        if (!long.TryParse(sent, NumberStyles.None, CultureInfo.InvariantCulture, out long at)
            || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - at) > 300)
        {
            return false;
        }
        byte[] head = Encoding.UTF8.GetBytes(header("webhook-id") + "." + sent + ".");
        string expected = "v1," + Convert.ToBase64String(Mac(Key, head.Concat(body).ToArray()));
        return header("webhook-signature").Split(' ').Any(given => Same(expected, given));
    }

    static byte[] Mac(byte[] key, byte[] signed)
    {
        using (var hmac = new HMACSHA256(key))
        {
            return hmac.ComputeHash(signed);
        }
    }

    static bool Same(string expected, string given) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(expected), Encoding.UTF8.GetBytes(given));
}
