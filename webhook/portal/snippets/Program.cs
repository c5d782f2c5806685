using System.Globalization;
using System.Security.Cryptography;
using System.Text;
[[if not .Shaped]]using System.Text.Json;
[[end]]
string secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET") ?? "";
byte[] key = secret.StartsWith("whsec_") ? Convert.FromBase64String(secret["whsec_".Length..]) : [];
if (key.Length < 16) // With an empty key, anybody could sign.
{
    Console.Error.WriteLine("WEBHOOK_SECRET is not the secret of a webhook: set it to \"whsec_\" and what follows");
    return 1;
}

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
// 413 beyond. 256 KiB in their longest spelling are 1.5 MiB.
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = 2 << 20);
WebApplication app = builder.Build();
app.MapPost("/webhooks", async (HttpRequest request) =>
{
    using var buffer = new MemoryStream(); // Not a model or JsonDocument that is bound for you.
    await request.Body.CopyToAsync(buffer);
    byte[] body = buffer.ToArray();
    if ([[if .Signature]]!Signed(request.Headers, body) || [[end]]!Fresh(request.Headers, body))
    {
        return Results.Unauthorized();
    }
[[if .Shaped]]    app.Logger.LogInformation("received {Id}", request.Headers["webhook-id"].ToString());
    // Parse it, put[[else]]    using JsonDocument document = JsonDocument.Parse(body);
    app.Logger.LogInformation("received {Id}", document.RootElement.GetProperty("id").GetString());
    // Put[[end]] it into a queue, unless its id is there already; work on it afterwards.
    return Results.NoContent();
});
app.Run($"http://127.0.0.1:{Environment.GetEnvironmentVariable("PORT") ?? "8080"}");
return 0;

[[if .Signature]]// [[.Signature]] is over the body as it arrived.
bool Signed(IHeaderDictionary headers, byte[] body)
{
    byte[] mac = HMACSHA256.HashData([[if .Untimed.DecodedKey]]key[[else]]Encoding.UTF8.GetBytes(secret)[[end]], body);
    return Same([[with .Untimed.Prefix]]"[[slashed . "\""]]" + [[end]]Convert.[[if .Untimed.Base64]]ToBase64String(mac)[[else]]ToHexString(mac).ToLowerInvariant()[[end]], headers["[[.Signature]]"].ToString());
}

// That of Standard Webhooks also covers the event's id and the time of sending.
[[else]]// webhook-signature covers the event's id, the time of sending, and the body as it arrived.
[[end]]bool Fresh(IHeaderDictionary headers, byte[] body)
{
    string id = headers["webhook-id"].ToString();
    string sent = headers["webhook-timestamp"].ToString();
    if (!long.TryParse(sent, NumberStyles.None, CultureInfo.InvariantCulture, out long at)
        || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - at) > 300)
    {
        return false;
    }
    byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{sent}."), .. body];
    string expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed));
    return headers["webhook-signature"].ToString().Split(' ').Any(given => Same(expected, given));
}

static bool Same(string expected, string given) =>
    CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(expected), Encoding.UTF8.GetBytes(given));
