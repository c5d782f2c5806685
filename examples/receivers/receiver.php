<?php

declare(strict_types=1);

$secret = (string) getenv('WEBHOOK_SECRET');
if ($secret === '') {
    throw new RuntimeException('WEBHOOK_SECRET is not set');
}
$key = base64_decode(substr($secret, strlen('whsec_')), true);

// The body as it arrived, not what json_decode and json_encode make of it.
$body = file_get_contents('php://input');

// X-Webhook-Signature is over the body.
$expected = 'sha256=' . hash_hmac('sha256', $body, $secret);
$signed = hash_equals($expected, $_SERVER['HTTP_X_WEBHOOK_SIGNATURE'] ?? '');

// That of Standard Webhooks also covers the event's id and the time of sending.
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$sent = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
$expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sent.$body", $key, true));
$fresh = false;
foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $given) {
    $fresh = hash_equals($expected, $given) || $fresh;
}
$fresh = $fresh && abs(time() - (int) $sent) <= 300;

if (!$signed || !$fresh) {
    http_response_code(401);
    exit;
}
$event = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
error_log("received {$event['type']} {$event['id']}");
// Put it into a queue, unless its id is there already; work on it afterwards.
http_response_code(204);
