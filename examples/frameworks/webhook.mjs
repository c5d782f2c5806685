// The check of a webhook with what Node.js 20, Workers and browsers have by themselves.
export const maxBody = 2 << 20; // 256 KiB in their longest spelling are 1.5 MiB.

const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

// verifier returns a function that says whether a body, as it arrived, was signed with
// the secret within the last five minutes. header(name) is a header's value. It covers
// the event's id, the time of sending and the body.
export function verifier(secret) {
  const [, base64] = /^whsec_([A-Za-z0-9+/]{22,}={0,2})$/.exec(secret ?? '') ?? [];
  if (!base64) { // With an empty key, anybody could sign.
    throw new Error('WEBHOOK_SECRET is not the secret of a webhook: set it to "whsec_" and what follows');
  }
  const key = crypto.subtle.importKey('raw', bytes(base64), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  return async (header, body) => {
    const sent = header('webhook-timestamp');
    if (!(Math.abs(Date.now() / 1000 - sent) <= 300)) return false;
    const head = new TextEncoder().encode(`${header('webhook-id')}.${sent}.`);
    const signed = new Uint8Array(head.length + body.length);
    signed.set(head);
    signed.set(body, head.length);
    for (const one of (header('webhook-signature') ?? '').split(' ')) { // Several, while the secret is being changed.
      const [, given] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(one) ?? [];
      if (given && await crypto.subtle.verify('HMAC', await key, bytes(given), signed)) return true;
    }
    return false;
  };
}

// answer reads a Request, as frameworks with the Fetch API have it, and returns the
// Response. received gets each event that has verified.
export async function answer(request, verify, received) {
  const tooLarge = () => new Response(null, { status: 413 });
  if (Number(request.headers.get('content-length')) > maxBody) return tooLarge();
  const chunks = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > maxBody) return tooLarge();
    chunks.push(chunk);
  }
  const body = new Uint8Array(await new Blob(chunks).arrayBuffer());
  if (!await verify((name) => request.headers.get(name), body)) return new Response(null, { status: 401 });
  await received(JSON.parse(new TextDecoder().decode(body)));
  return new Response(null, { status: 204 });
}
