import { answer, verifier } from '../../webhook.mjs';

let verify; // Not made here: next build loads this file, perhaps without the secret.

export function POST(request) {
  verify ??= verifier(process.env.WEBHOOK_SECRET);
  return answer(request, verify, async (event) => {
    console.log('received', event.type, event.id);
    // Put it into a queue, unless its id is there already; work on it afterwards.
  });
}
