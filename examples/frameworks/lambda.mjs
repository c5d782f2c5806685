import { maxBody, verifier } from './webhook.mjs';

const verify = verifier(process.env.WEBHOOK_SECRET); // Without it, the function does not start.

// handler takes the events of API Gateway, of both versions, of function URLs and of
// load balancers. What differs is the case of names, and how often one may come.
export async function handler({ body, isBase64Encoded, headers, multiValueHeaders }) {
  const bytes = Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8');
  if (bytes.length > maxBody) return { statusCode: 413 };
  const all = new Map(Object.entries({ ...headers, ...multiValueHeaders })
    .map(([name, values]) => [name.toLowerCase(), [values].flat().join(' ')]));
  if (!await verify((name) => all.get(name), bytes)) return { statusCode: 401 };
  const event = JSON.parse(bytes);
  console.log('received', event.type, event.id);
  // Put it into a queue, unless its id is there already; work on it afterwards.
  return { statusCode: 204 };
}
