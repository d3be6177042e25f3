//! Requests that two readers would read differently. None of them, nor what is hidden in them, may reach
//! the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use http_body_util::BodyExt;

use crate::harness::{Backend, OPEN, Running, config, full, raw};

#[tokio::test]
async fn hostile_framing_is_refused_and_nothing_passes() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let backend = Backend::start(move |request| {
        let count = Arc::clone(&count);
        async move {
            if request.into_body().collect().await.is_err() {
                return std::future::pending().await;
            }
            count.fetch_add(1, Ordering::SeqCst);
            Response::new(full("reached"))
        }
    })
    .await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";
    let cases = [
        ("both_lengths", "content-length: 35\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        ("both_lengths_the_other_way_round", "transfer-encoding: chunked\r\ncontent-length: 35", "0\r\n\r\n"),
        ("length_zero_and_chunked", "Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("two_lengths", "content-length: 0\r\ncontent-length: 35", ""),
        ("list_of_lengths", "content-length: 0, 35", ""),
        ("signed_length", "content-length: +0", ""),
        ("hexadecimal_length", "content-length: 0x23", ""),
        ("length_too_large", "content-length: 99999999999999999999", ""),
        ("negative_length", "content-length: -1", ""),
        ("unknown_coding", "transfer-encoding: xchunked", "0\r\n\r\n"),
        ("chunked_not_last", "transfer-encoding: chunked, identity", "0\r\n\r\n"),
        ("chunked_and_another", "transfer-encoding: gzip, chunked", "0\r\n\r\n"),
        ("chunked_twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        ("identity_then_chunked", "transfer-encoding: identity\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        ("chunked_in_quotes", "transfer-encoding: \"chunked\"", "0\r\n\r\n"),
        ("space_before_colon", "transfer-encoding : chunked", "0\r\n\r\n"),
        ("tab_before_colon", "content-length\t: 0", ""),
        ("folded_line", "x: y\r\n transfer-encoding: chunked", ""),
        ("nul_in_value", "x: a\0b", ""),
        ("bare_cr", "x: a\rcontent-length: 35", ""),
        ("vertical_tab_in_name", "\u{b}transfer-encoding: chunked", ""),
        ("no_name", ": y", ""),
        ("two_hosts", "host: b", ""),
        ("chunk_size_not_hexadecimal", "transfer-encoding: chunked", "z\r\n\r\n"),
        ("chunk_size_with_prefix", "transfer-encoding: chunked", "0x0\r\n\r\n"),
        ("chunk_size_too_large", "transfer-encoding: chunked", "fffffffffffffffff\r\n\r\n"),
        ("chunk_longer_than_said", "transfer-encoding: chunked", "1\r\nab\r\n0\r\n\r\n"),
    ];
    for (name, fields, body) in cases {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}{HIDDEN}");
        let answer = raw(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: the connection ends there: {answer}");
        assert!(!answer.contains("reached"), "{name}: {answer}");
    }
    let cases = [
        ("no_host", "GET / HTTP/1.1\r\n\r\n", "400"),
        ("empty_host", "GET / HTTP/1.1\r\nhost:\r\n\r\n", "400"),
        ("host_with_path", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", "400"),
        ("host_with_user", "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n", "400"),
        ("hosts_in_one_field", "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", "400"),
        ("another_host_in_the_target", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", "400"),
        (
            "chunked_in_1_0",
            "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("connect", "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", "501"),
        ("trace", "TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", "501"),
        ("no_version", "GET /\r\n\r\n", "400"),
        ("version_2_in_text", "GET / HTTP/2.0\r\nhost: a\r\n\r\n", "400"),
        ("two_spaces", "GET  / HTTP/1.1\r\nhost: a\r\n\r\n", "400"),
        ("space_in_target", "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", "400"),
        (
            "two_credentials",
            "GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
            "400",
        ),
    ];
    for (name, request, status) in cases {
        let request = request
            .replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1)
            .replace("GET /\r\nconnection: close", "GET /");
        let answer = raw(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_told_apart() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let requests = "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbodyGET /2 HTTP/1.1\r\nhost: a\r\n\r\n\
        POST /3 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n\
        GET /4 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(gateway.address, requests.as_bytes()).await;
    for target in ["/1", "/2", "/3", "/4"] {
        assert_eq!(answer.matches(&format!("\"target\":\"{target}\"")).count(), 1, "{target}: {answer}");
    }
    assert_eq!(answer.matches("\"body\":\"body\"").count(), 2, "{answer}");
}
