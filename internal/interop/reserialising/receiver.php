<?php

$event = json_decode(file_get_contents('php://input'), true);
$written = json_encode($event, JSON_UNESCAPED_SLASHES);
$expected = 'sha256=' . hash_hmac('sha256', $written, getenv('WEBHOOK_SECRET'));
$given = $_SERVER['HTTP_X_WEBHOOK_SIGNATURE'] ?? '';
http_response_code(hash_equals($expected, $given) ? 204 : 401);
