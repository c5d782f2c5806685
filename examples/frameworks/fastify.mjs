import Fastify from 'fastify';
import { maxBody, verifier } from './webhook.mjs';

const verify = verifier(process.env.WEBHOOK_SECRET);
const app = Fastify();

// A plugin has its own parsers: here they leave the bytes alone, elsewhere they are as they were.
app.register(async (webhooks) => {
  webhooks.removeAllContentTypeParsers();
  webhooks.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBody }, async (request, body) => body); // 413 beyond.
  webhooks.post('/webhooks', { bodyLimit: maxBody }, async (request, reply) => {
    const body = request.body ?? Buffer.alloc(0);
    if (!await verify((name) => request.headers[name], body)) return reply.code(401).send();
    const event = JSON.parse(body);
    console.log('received', event.type, event.id);
    // Put it into a queue, unless its id is there already; work on it afterwards.
    return reply.code(204).send();
  });
});

await app.listen({ port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' });
console.log(`listening on 127.0.0.1:${app.server.address().port}`);
