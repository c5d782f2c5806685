import { env } from 'cloudflare:workers';
import { answer, verifier } from './webhook.mjs';

const verify = verifier(env.WEBHOOK_SECRET); // Without it, the Worker is not deployed.

export default {
  fetch(request) {
    if (request.method !== 'POST' || new URL(request.url).pathname !== '/webhooks') {
      return new Response(null, { status: 404 });
    }
    return answer(request, verify, async (event) => {
      console.log('received', event.type, event.id);
      // Put it into a queue, unless its id is there already; work on it afterwards.
    });
  },
};
