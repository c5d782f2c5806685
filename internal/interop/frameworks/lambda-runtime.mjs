// Hands events to handler, as the runtime of AWS Lambda for Node.js does.
import { handler } from './lambda.mjs';

const invocation = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
for (;;) {
  const next = await fetch(`${invocation}/next`);
  const answer = await handler(await next.json());
  const id = next.headers.get('lambda-runtime-aws-request-id');
  await fetch(`${invocation}/${id}/response`, { method: 'POST', body: JSON.stringify(answer) });
}
