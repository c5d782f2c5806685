'use strict';
const crypto = require('node:crypto');
const express = require('express');

const secret = process.env.WEBHOOK_SECRET ?? '';
const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
if (!secret.startsWith('whsec_') || key.length < 16) {
  console.error('WEBHOOK_SECRET is not the secret of a webhook: set it to "whsec_" and what follows');
  process.exit(1); // With an empty key, anybody could sign.
}

function same(expected, given) {
  const a = Buffer.from(expected);
  const b = Buffer.from(given ?? '');
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

[[if .Signature]]// [[.Signature]] is over the body as it arrived.
function signed(req) {
  const mac = crypto.createHmac('sha256', [[if .Untimed.DecodedKey]]key[[else]]secret[[end]]).update(req.body).digest('[[if .Untimed.Base64]]base64[[else]]hex[[end]]');
  return same(`[[slashed .Untimed.Prefix "`$"]]${mac}`, req.get('[[.Signature]]'));
}

// That of Standard Webhooks also covers the event's id and the time of sending.
[[else]]// webhook-signature covers the event's id, the time of sending, and the body as it arrived.
[[end]]function fresh(req) {
  const id = req.get('webhook-id');
  const sent = req.get('webhook-timestamp');
  if (!(Math.abs(Date.now() / 1000 - sent) <= 300)) return false;
  const mac = crypto.createHmac('sha256', key).update(`${id}.${sent}.`).update(req.body).digest('base64');
  return (req.get('webhook-signature') ?? '').split(' ').some((given) => same(`v1,${mac}`, given));
}

const app = express();

// express.raw, not express.json: it leaves the bytes alone. 256 KiB of characters
// that have to be escaped are 1.5 MiB.
app.post('/webhooks', express.raw({ type: () => true, limit: '2mb' }), (req, res) => {
  if (!Buffer.isBuffer(req.body) [[if .Signature]]|| !signed(req) [[end]]|| !fresh(req)) return res.sendStatus(401);
[[if .Shaped]]  console.log('received', req.get('webhook-id'));
  // Parse it, put[[else]]  const event = JSON.parse(req.body);
  console.log('received', event.type, event.id);
  // Put[[end]] it into a queue, unless its id is there already; work on it afterwards.
  res.sendStatus(204);
});

const server = app.listen(process.env.PORT || 8080, '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
