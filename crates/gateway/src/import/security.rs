//! Security requirements of a document, as what a route asks for.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use gatepass_guard::ScopeSet;
use serde_json::{Map, Value};

use super::document::resolve;
use super::{Demand, quoted};

/// The most alternatives of one operation, schemes of one alternative, and scopes of one scheme.
const MAX_ENTRIES: usize = 64;

/// The longest scope, in bytes.
const MAX_SCOPE: usize = 256;

/// What a route would ask for, and what to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposed {
    pub(super) demand: Demand,
    pub(super) notes: Vec<String>,
}

/// One Security Requirement Object: all of it has to be met.
#[derive(Default)]
struct Alternative {
    scopes: BTreeSet<String>,
    /// Schemes that are not a token's, in words.
    undecided: Vec<String>,
    /// It asks for nothing.
    anonymous: bool,
}

/// From an operation's `security`, or the document's where it has none of its own.
///
/// # Errors
/// Why nothing is proposed, in words: the requirement is malformed, or no rule of the gateway can say it.
pub(super) fn propose(document: &Value, security: Option<&Value>) -> Result<Proposed, String> {
    let Some(security) = security else {
        let note = "The document says nothing of security here, so any valid token is asked for.".to_owned();
        return Ok(Proposed { demand: Demand::Token(BTreeSet::new()), notes: vec![note] });
    };
    let list = security.as_array().filter(|list| list.len() <= MAX_ENTRIES);
    let list = list.ok_or("its `security` is no list, or too long")?;
    let mut alternatives: Vec<Alternative> =
        list.iter().map(|requirement| read(document, requirement)).collect::<Result<_, _>>()?;
    if alternatives.iter().all(|alternative| alternative.anonymous) {
        return Ok(Proposed { demand: Demand::Nothing, notes: Vec::new() });
    }
    // The strictest first: what asks for anything, then for the most scopes, then for a token alone.
    alternatives.sort_by_key(|one| (one.anonymous, Reverse(one.scopes.len()), !one.undecided.is_empty()));
    let mut alternatives = alternatives.into_iter();
    let strictest = alternatives.next().unwrap_or_default();
    let mut notes: Vec<String> = strictest.undecided.iter().map(|scheme| decision(scheme)).collect();
    let others: Vec<String> = alternatives.map(|other| other.in_words()).collect();
    if !others.is_empty() {
        let others = clip(&others.join(", or "));
        notes.push(format!("The strictest of several alternatives. The document also takes {others}."));
    }
    Ok(Proposed { demand: Demand::Token(strictest.scopes), notes })
}

fn decision(scheme: &str) -> String {
    format!(
        "To be decided: the document asks for {scheme}, which the gateway does not check; a token is asked for."
    )
}

fn read(document: &Value, requirement: &Value) -> Result<Alternative, String> {
    let schemes: &Map<String, Value> = requirement
        .as_object()
        .filter(|schemes| schemes.len() <= MAX_ENTRIES)
        .ok_or("one of its security requirements is no object, or too long")?;
    let mut alternative = Alternative { anonymous: schemes.is_empty(), ..Alternative::default() };
    for (name, scopes) in schemes {
        match kind(document, name) {
            Ok(()) => alternative.scopes.append(&mut read_scopes(scopes)?),
            Err(undecided) => alternative.undecided.push(undecided),
        }
    }
    Ok(alternative)
}

/// Whether a scheme's credentials are an access token; if not, what they are, in words.
fn kind(document: &Value, name: &str) -> Result<(), String> {
    let scheme = document.get("components").and_then(|all| all.get("securitySchemes")?.get(name));
    let scheme = scheme.and_then(|scheme| resolve(document, scheme).ok());
    let member = |member| scheme.and_then(|scheme| scheme.get(member)?.as_str()).unwrap_or_default();
    match (member("type"), member("scheme")) {
        ("oauth2" | "openIdConnect", _) => Ok(()),
        ("http", scheme) if scheme.eq_ignore_ascii_case("bearer") => Ok(()),
        ("", _) => Err(format!("the scheme {}, which it does not define", quoted(name))),
        ("http", scheme) => Err(format!("{} credentials ({})", quoted(scheme), quoted(name))),
        (other, _) => Err(format!("{} ({})", quoted(other), quoted(name))),
    }
}

fn read_scopes(scopes: &Value) -> Result<BTreeSet<String>, String> {
    let scopes = scopes.as_array().filter(|scopes| scopes.len() <= MAX_ENTRIES);
    let scopes = scopes.ok_or("the scopes of a security requirement are no list, or too long")?;
    let scope = |scope: &Value| {
        let text = scope.as_str().unwrap_or_default();
        let is_one = text.len() <= MAX_SCOPE
            && text.parse::<ScopeSet>().is_ok_and(|scopes| scopes.iter().count() == 1);
        is_one
            .then(|| text.to_owned())
            .ok_or_else(|| format!("it asks for {}, which is no scope", quoted(text)))
    };
    scopes.iter().map(scope).collect()
}

impl Alternative {
    fn in_words(&self) -> String {
        if self.anonymous {
            return "no credentials (`optional = true`)".to_owned();
        }
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let token = match scopes.as_slice() {
            [] if self.undecided.is_empty() => Some("any token".to_owned()),
            [] => None,
            scopes => Some(format!("the scope {}", quoted(&scopes.join(" ")))),
        };
        let parts: Vec<String> = token.into_iter().chain(self.undecided.iter().cloned()).collect();
        parts.join(" with ")
    }
}

/// Of words that are fit for a comment already.
fn clip(words: &str) -> String {
    match words.char_indices().nth(2 * super::MAX_QUOTED) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words.to_owned(),
    }
}
