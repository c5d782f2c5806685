'use strict';
const { createHmac } = require('node:crypto');
const express = require('express');

const app = express();
app.use(express.json()); // Up to 100 KiB.

app.post('/webhooks', (req, res) => {
  const written = JSON.stringify(req.body);
  const mac = createHmac('sha256', process.env.WEBHOOK_SECRET).update(written).digest('hex');
  res.sendStatus(req.get('X-Webhook-Signature') === `sha256=${mac}` ? 204 : 401);
});

const server = app.listen(process.env.PORT, '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
