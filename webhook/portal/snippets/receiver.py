import base64
import hashlib
import hmac
[[if not .Shaped]]import json
[[end]]import os
import time

from flask import Flask, abort, request

SECRET = os.environ.get("WEBHOOK_SECRET", "")
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
if not SECRET.startswith("whsec_") or len(KEY) < 16:  # With an empty key, anybody could sign.
    raise SystemExit('WEBHOOK_SECRET is not the secret of a webhook: set it to "whsec_" and what follows')
MAX_BODY = 2 << 20  # 256 KiB in their longest spelling are 1.5 MiB.

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1  # Flask reads no further.


def same(expected, given):
    return hmac.compare_digest(expected.encode(), given.encode())


[[if .Signature]]# [[.Signature]] is over the body as it arrived.
def signed(body):
    mac = [[if .Untimed.Base64]]base64.b64encode([[end]]hmac.new([[if .Untimed.DecodedKey]]KEY[[else]]SECRET.encode()[[end]], body, hashlib.sha256).[[if .Untimed.Base64]]digest()).decode()[[else]]hexdigest()[[end]]
    return same([[with .Untimed.Prefix]]"[[slashed . "\""]]" + [[end]]mac, request.headers.get("[[.Signature]]", ""))


# That of Standard Webhooks also covers the event's id and the time of sending.
[[else]]# webhook-signature covers the event's id, the time of sending, and the body as it arrived.
[[end]]def fresh(body):
    event_id = request.headers.get("webhook-id", "")
    sent = request.headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > 300:
        return False
    mac = hmac.new(KEY, f"{event_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(mac).decode()
    given = request.headers.get("webhook-signature", "").split(" ")
    return any([same(expected, one) for one in given])


@app.post("/webhooks")
def receive():
    body = request.get_data()  # Not get_json(): it would leave the bytes behind.
    if len(body) > MAX_BODY:
        abort(413)
    if [[if .Signature]]not signed(body) or [[end]]not fresh(body):
        abort(401)
[[if .Shaped]]    app.logger.info("received %s", request.headers["webhook-id"])
    # Parse it, put[[else]]    event = json.loads(body)
    app.logger.info("received %s %s", event["type"], event["id"])
    # Put[[end]] it into a queue, unless its id is there already; work on it afterwards.
    return "", 204


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8080")))
