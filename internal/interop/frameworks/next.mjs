// Serves the route of Next.js with the Request and the Response of Node.js, as Next.js
// does: building it with Next.js itself takes half a minute.
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { POST } from './app/webhooks/route.js';
import { register } from './instrumentation.js';

await register();
const server = createServer(async (incoming, outgoing) => {
  const request = new Request(`http://127.0.0.1${incoming.url}`, {
    method: incoming.method, headers: incoming.headers, body: Readable.toWeb(incoming), duplex: 'half',
  });
  outgoing.writeHead((await POST(request)).status).end();
});
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
