use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tiny_http::{Method, Request, Response, Server};

const MAX_BODY: u64 = 2 << 20; // 256 KiB in their longest spelling are 1.5 MiB.

fn main() {
    let secret = std::env::var("WEBHOOK_SECRET").unwrap_or_default();
    let key = BASE64.decode(secret.trim_start_matches("whsec_").as_bytes()).unwrap_or_default();
    if !secret.starts_with("whsec_") || key.len() < 16 {
        eprintln!("WEBHOOK_SECRET is not the secret of a webhook: set it to \"whsec_\" and what follows");
        std::process::exit(1); // With an empty key, anybody could sign.
    }
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());
    let server = Server::http(format!("127.0.0.1:{port}")).expect("a free port");
    println!("listening on {}", server.server_addr());
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| server.incoming_requests().for_each(|mut request| {
                let status = receive(secret.as_bytes(), &key, &mut request);
                let _ = request.respond(Response::empty(status)); // Whoever has gone asks again.
            }));
        }
    });
}

fn receive(secret: &[u8], key: &[u8], request: &mut Request) -> u16 {
    if *request.method() != Method::Post || request.url() != "/webhooks" {
        return 404;
    }
    if request.body_length().map_or(false, |length| length as u64 > MAX_BODY) {
        return 413;
    }
    let mut body = Vec::new(); // Not what a JSON library makes of it.
    if request.as_reader().take(MAX_BODY + 1).read_to_end(&mut body).is_err() {
        return 400;
    }
    if body.len() as u64 > MAX_BODY {
        return 413;
    }
    if !signed(secret, request, &body) || !fresh(key, request, &body) {
        return 401;
    }
    println!("received {}", header(request, "webhook-id"));
    // Parse it, put it into a queue, unless its id is there already; work on it afterwards.
    204
}

// X-Webhook-Signature is over the body as it arrived.
fn signed(key: &[u8], request: &Request, body: &[u8]) -> bool {
    header(request, "X-Webhook-Signature")
        .strip_prefix("sha256=")
        .and_then(|digits| HEXLOWER.decode(digits.as_bytes()).ok())
        .map_or(false, |given| mac(key, &[body]).verify_slice(&given).is_ok())
}

// That of Standard Webhooks also covers the event's id and the time of sending.
fn fresh(key: &[u8], request: &Request, body: &[u8]) -> bool {
    let (id, sent) = (header(request, "webhook-id"), header(request, "webhook-timestamp"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    if !sent.parse::<u64>().map_or(false, |at| at.abs_diff(now) <= 300) {
        return false;
    }
    let expected = mac(key, &[format!("{id}.{sent}.").as_bytes(), body]);
    header(request, "webhook-signature")
        .split(' ')
        .filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?.as_bytes()).ok())
        .any(|given| expected.clone().verify_slice(&given).is_ok())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn header<'a>(request: &'a Request, name: &'static str) -> &'a str {
    request.headers().iter().find(|header| header.field.equiv(name)).map_or("", |header| header.value.as_str())
}
