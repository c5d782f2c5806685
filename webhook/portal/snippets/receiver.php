<?php

declare(strict_types=1);

const MAX_BODY = 2 << 20; // 256 KiB in their longest spelling are 1.5 MiB.

$secret = (string) getenv('WEBHOOK_SECRET');
$key = (string) base64_decode(substr($secret, strlen('whsec_')), true);
if (!str_starts_with($secret, 'whsec_') || strlen($key) < 16) { // With an empty key, anybody could sign.
    throw new RuntimeException('WEBHOOK_SECRET is not the secret of a webhook: set it to "whsec_" and what follows');
}

// The body as it arrived, not what json_decode and json_encode make of it.
$length = (int) ($_SERVER['CONTENT_LENGTH'] ?? 0);
$body = $length > MAX_BODY ? '' : file_get_contents('php://input', false, null, 0, MAX_BODY + 1);
if ($length > MAX_BODY || strlen($body) > MAX_BODY) {
    http_response_code(413);
    exit;
}

[[if .Signature]]// [[.Signature]] is over the body.
$expected = [[with .Untimed.Prefix]]'[[slashed . "'"]]' . [[end]][[if .Untimed.Base64]]base64_encode([[end]]hash_hmac('sha256', $body, [[if .Untimed.DecodedKey]]$key[[else]]$secret[[end]][[if .Untimed.Base64]], true)[[end]]);
$signed = hash_equals($expected, $_SERVER['HTTP_[[variable .Signature]]'] ?? '');

// That of Standard Webhooks also covers the event's id and the time of sending.
[[else]]// webhook-signature covers the event's id, the time of sending, and the body.
[[end]]$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$sent = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
$expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sent.$body", $key, true));
$fresh = false;
foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $given) {
    $fresh = hash_equals($expected, $given) || $fresh;
}
$fresh = $fresh && abs(time() - (int) $sent) <= 300;

if ([[if .Signature]]!$signed || [[end]]!$fresh) {
    http_response_code(401);
    exit;
}
[[if .Shaped]]error_log("received $id");
// Parse it, put[[else]]$event = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
error_log("received {$event['type']} {$event['id']}");
// Put[[end]] it into a queue, unless its id is there already; work on it afterwards.
http_response_code(204);
