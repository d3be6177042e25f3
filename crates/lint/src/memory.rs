//! What tokens tell together: each is compared with those before it, of which digests are kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};

use crate::quote::quoted;
use crate::report::Found;
use crate::rule::{JTI_REPEATED, NONCE_REPEATED, SEVERAL_ALGS, SIGNED_TWICE};
use crate::token::Token;

/// Half a SHA-256: enough to tell a billion tokens apart, and not the token.
type Digest = [u8; 16];

/// So many tokens are remembered, about 50 MB of them.
const CAPACITY: usize = 100_000;

#[derive(Default)]
pub(crate) struct Memory {
    /// Whole tokens.
    tokens: HashMap<Digest, ()>,
    /// By what was signed: the signature.
    contents: HashMap<Digest, Seen<Digest>>,
    /// By issuer and `jti`: what was signed.
    names: HashMap<Digest, Seen<Digest>>,
    /// By issuer and `kid`: the algorithm.
    keys: HashMap<Digest, Seen<&'static str>>,
    /// By issuer, `kid` and the first half of an ECDSA signature: what was signed.
    nonces: HashMap<Digest, Seen<Digest>>,
}

/// A value, and where it was first seen.
#[derive(Clone)]
struct Seen<T> {
    value: T,
    source: Arc<str>,
    line: u64,
}

impl<T> fmt::Display for Seen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 { write!(f, "{}:{}", self.source, self.line) } else { f.write_str(&self.source) }
    }
}

impl Memory {
    /// Whether this very token was seen before; from now on it was.
    pub(crate) fn has_seen(&mut self, text: &[u8]) -> bool {
        let key = digest(&[text]);
        if self.tokens.contains_key(&key) {
            return true;
        }
        if !self.is_full() {
            self.tokens.insert(key, ());
        }
        false
    }

    /// Whether later tokens are only compared with those that are here already.
    pub(crate) fn is_full(&self) -> bool {
        self.tokens.len() >= CAPACITY
    }

    /// Compares a token with those before it.
    pub(crate) fn compare(&mut self, token: &Token<'_>, found: &mut Found<'_>) {
        let is_full = self.is_full();
        let content = digest(&[token.signing_input().as_bytes()]);
        let issuer = token.claim_text("iss").unwrap_or_default().as_bytes();
        if !token.signature().is_empty() {
            let signature = digest(&[token.signature()]);
            if let Some(first) = compared(&mut self.contents, content, signature, is_full, found) {
                found.add(
                    &SIGNED_TWICE,
                    "signature",
                    format_args!("the rest of the token is that of {first}"),
                );
                return;
            }
        }
        if let Some(jti) = token.claim_text("jti")
            && let Some(first) =
                compared(&mut self.names, digest(&[issuer, jti.as_bytes()]), content, is_full, found)
        {
            found.add(&JTI_REPEATED, "payload.jti", format_args!("the token of {first} has the same `jti`"));
        }
        let Some(algorithm) = token.algorithm() else { return };
        let kid = token.header_text("kid");
        if let Some(kid) = kid
            && let key = digest(&[issuer, kid.as_bytes()])
            && let Some(first) = compared(&mut self.keys, key, algorithm.name, is_full, found)
        {
            found.add(
                &SEVERAL_ALGS,
                "header.alg",
                format_args!("the token of {first} with the key {} says {}", quoted(kid), first.value),
            );
        }
        if algorithm.key.0 == "EC" && algorithm.signs() {
            let (r, _) = token.signature().split_at(token.signature().len() / 2);
            let key = digest(&[issuer, kid.unwrap_or_default().as_bytes(), r]);
            if !r.is_empty()
                && let Some(first) = compared(&mut self.nonces, key, content, is_full, found)
            {
                found.add(&NONCE_REPEATED, "signature", format_args!("it has the nonce of {first}"));
            }
        }
    }
}

/// What was seen under `key`, if its value was another. Otherwise remembers this one.
fn compared<T: PartialEq + Clone>(
    map: &mut HashMap<Digest, Seen<T>>,
    key: Digest,
    value: T,
    is_full: bool,
    found: &Found<'_>,
) -> Option<Seen<T>> {
    match map.get(&key) {
        Some(first) => (first.value != value).then(|| first.clone()),
        None if is_full => None,
        None => {
            map.insert(key, Seen { value, source: Arc::clone(found.source), line: found.line });
            None
        }
    }
}

/// A digest of several texts that depends on where one ends.
pub(crate) fn digest(texts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text);
    }
    let mut half = Digest::default();
    for (to, from) in half.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    half
}
