use std::time::{SystemTime, UNIX_EPOCH};

use axum::{body::Bytes, http::HeaderMap, http::StatusCode, routing::post, Router};
use base64::{engine::general_purpose::STANDARD, Engine};
use hmac::{Hmac, Mac};
use sha2::Sha256;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let secret = std::env::var("WEBHOOK_SECRET").unwrap_or_default();
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
    if !secret.starts_with("whsec_") || key.len() < 16 {
        eprintln!("WEBHOOK_SECRET is not the secret of a webhook: set it to \"whsec_\" and what follows");
        std::process::exit(1); // With an empty key, anybody could sign.
    }
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, Router::new().route("/webhooks", post(receive))).await
}

// Bytes, not Json<Event>: that leaves the bytes behind. Its limit is 2 MiB, and it answers 413 beyond.
async fn receive(headers: HeaderMap, body: Bytes) -> StatusCode {
    let secret = std::env::var("WEBHOOK_SECRET").expect("WEBHOOK_SECRET is set");
    if [[if .Signature]]!signed(&secret, &headers, &body) || [[end]]!fresh(&secret, &headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
[[if .Shaped]]    println!("received {}", header(&headers, "webhook-id"));
    // Parse it, put[[else]]    let Ok(event) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    println!("received {} {}", event["type"], event["id"]);
    // Put[[end]] it into a queue, unless its id is there already; work on it afterwards.
    StatusCode::NO_CONTENT
}

[[if .Signature]]// [[.Signature]] is over the body as it arrived.
fn signed(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    header(headers, "[[lower .Signature]]")
        .strip_prefix("[[slashed .Untimed.Prefix "\""]]")
        .and_then(|digits| [[if .Untimed.Base64]]STANDARD.decode[[else]]hex::decode[[end]](digits).ok())
        .is_some_and(|given| mac([[if .Untimed.DecodedKey]]&STANDARD.decode(secret.trim_start_matches("whsec_")).expect("a secret is base64")[[else]]secret.as_bytes()[[end]], &[body]).verify_slice(&given).is_ok())
}

// That of Standard Webhooks also covers the event's id and the time of sending.
[[else]]// webhook-signature covers the event's id, the time of sending, and the body as it arrived.
[[end]]fn fresh(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("a secret is base64");
    let (id, sent) = (header(headers, "webhook-id"), header(headers, "webhook-timestamp"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    if !sent.parse::<u64>().is_ok_and(|at| at.abs_diff(now) <= 300) {
        return false;
    }
    let expected = mac(&key, &[format!("{id}.{sent}.").as_bytes(), body]);
    header(headers, "webhook-signature")
        .split(' ')
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
        .any(|given| expected.clone().verify_slice(&given).is_ok())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}
