//! The key `token` of a route: what becomes of the access token on its way upstream.

use std::fmt;

use gatepass_guard::{Exchange, ScopeSet};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use super::raw::{Field, RawIssuer, RawRevocation, RawRoute};
use crate::route::TokenHandling;

/// `"keep"`, `"strip"` or `{ exchange = "…" }`.
pub(super) enum RawToken {
    Word(Word),
    Exchange(RawExchange),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    Keep,
    Strip,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExchange {
    exchange: Spanned<String>,
    scope: Field<Vec<String>>,
}

impl<'de> Deserialize<'de> for RawToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawToken;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"keep\", \"strip\" or { exchange = \"…\" }")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<RawToken, E> {
                Word::deserialize(StrDeserializer::new(word)).map(RawToken::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<RawToken, A::Error> {
                RawExchange::deserialize(MapAccessDeserializer::new(table)).map(RawToken::Exchange)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Checks the key `token` of a route.
pub(super) fn check(
    source: &Source<'_>,
    table: &Spanned<RawRoute>,
    issuers: &[Spanned<RawIssuer>],
) -> Result<TokenHandling, ConfigError> {
    let raw = table.get_ref();
    let Some(field) = &raw.token else { return Ok(TokenHandling::Keep) };
    let exchange = match field.get_ref() {
        RawToken::Word(Word::Keep) => return Ok(TokenHandling::Keep),
        RawToken::Word(Word::Strip) => return Ok(TokenHandling::Strip),
        RawToken::Exchange(exchange) => exchange,
    };
    if raw.public {
        return Err(source
            .error(field, "a public route has no token to exchange")
            .hint("take `token` or `public` out"));
    }
    if exchange.exchange.get_ref().is_empty() {
        return Err(source
            .error(&exchange.exchange, "a token is exchanged for one that is meant for somebody")
            .hint("name the service's audience: token = { exchange = \"https://orders.internal\" }"));
    }
    if let Some(issuer) = issuers.iter().find(|issuer| issuer.get_ref().client.is_none()) {
        let line = source.line(issuer);
        return Err(source
            .error(field, format!("the issuer of line {line} does not know as whom its tokens are exchanged"))
            .hint("give it client = { id = \"gateway\", secret_file = \"…\" }"));
    }
    let scope = exchange.scope.as_ref().map(|scope| check_scope(source, scope)).transpose()?;
    Ok(TokenHandling::Exchange(Exchange { audience: exchange.exchange.get_ref().clone(), scope }))
}

/// Checks the key `tickets` of a route.
pub(super) fn check_tickets(
    source: &Source<'_>,
    table: &Spanned<RawRoute>,
    issuers: &[Spanned<RawIssuer>],
) -> Result<bool, ConfigError> {
    let raw = table.get_ref();
    let Some(field) = raw.tickets.as_ref().filter(|field| *field.get_ref()) else { return Ok(false) };
    if raw.public {
        return Err(source
            .error(field, "a public route has no use for a ticket")
            .hint("take `tickets` or `public` out"));
    }
    if let Some(RawToken::Exchange(_)) = raw.token.as_ref().map(Spanned::get_ref) {
        return Err(source
            .error(field, "a ticket cannot be exchanged for a token")
            .hint("take `tickets` or `token` out"));
    }
    for issuer in issuers {
        let (line, settings) = (source.line(issuer), issuer.get_ref());
        if settings.client.is_none() {
            let hint = "give it client = { id = \"gateway\", secret_file = \"…\" }";
            let message = format!("the issuer of line {line} does not know as whom its tickets are used up");
            return Err(source.error(field, message).hint(hint));
        }
        let told = settings.revocation.as_ref().map(Spanned::get_ref);
        if !matches!(told, Some(RawRevocation::Feed | RawRevocation::None)) || settings.secret_file.is_some()
        {
            let hint = "tickets need an issuer with published keys, and its revocation = \"feed\"";
            let message = format!("the issuer of line {line} cannot say what became of a ticket's session");
            return Err(source.error(field, message).hint(hint));
        }
    }
    Ok(true)
}

fn check_scope(source: &Source<'_>, field: &Spanned<Vec<String>>) -> Result<ScopeSet, ConfigError> {
    let wrong = |what: &str| source.error(field, what).hint("leave it out for all that the token has");
    if field.get_ref().is_empty() {
        return Err(wrong("a token without any scope opens nothing"));
    }
    let one = |name: &String| name.parse().map_err(|_| wrong("each of these must be one scope"));
    field.get_ref().iter().map(one).collect()
}
