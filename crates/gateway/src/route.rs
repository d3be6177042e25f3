//! Routes: which requests, what they must show, where they go.

pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod router;

use serde::Deserialize;

use crate::header::claim::Forward;

/// One `[[route]]`, checked.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) access: Access,
    /// Which upstream serves it, counted among the configuration's.
    pub(crate) upstream: usize,
    pub(crate) forward: Vec<Forward>,
    pub(crate) token: TokenHandling,
}

/// What a route demands.
#[derive(Debug)]
pub(crate) enum Access {
    /// Nothing: `public = true`.
    Public,
    /// A valid access token that meets this.
    Token(Requirement),
}

/// What becomes of the `Authorization` header on its way upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenHandling {
    /// It goes along: the service behind may verify it again.
    #[default]
    Keep,
    /// It ends here: the service behind sees the identity headers only.
    Strip,
}

/// `require = { … }`: every part that is there must hold. Empty: any valid access token.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Requirement {
    /// All of these scopes.
    pub(crate) scope: Vec<String>,
    /// At least one of these roles.
    pub(crate) role: Vec<String>,
    /// For each of these claims, at least one of these values.
    pub(crate) claim: Vec<(String, Vec<serde_json::Value>)>,
}
