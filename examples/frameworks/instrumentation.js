import { verifier } from './webhook.mjs';

// register runs when the server starts, not when it is built.
export function register() {
  verifier(process.env.WEBHOOK_SECRET);
}
