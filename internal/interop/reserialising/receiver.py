import hashlib
import hmac
import json
import os

from flask import Flask, request

app = Flask(__name__)


@app.post("/webhooks")
def receive():
    written = json.dumps(request.get_json(), separators=(",", ":"))
    mac = hmac.new(os.environ["WEBHOOK_SECRET"].encode(), written.encode(), hashlib.sha256)
    given = request.headers.get("X-Webhook-Signature", "")
    return "", 204 if hmac.compare_digest("sha256=" + mac.hexdigest(), given) else 401


app.run(port=int(os.environ["PORT"]))
