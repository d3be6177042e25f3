//! Routes: which requests, what they must show, where they go.

pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod router;

use gatepass_guard::Rule;
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
    /// What a request opens ends with its token.
    pub(crate) end_streams: bool,
    /// Who does not meet `access` is refused, and not just counted.
    pub(crate) enforce: bool,
}

/// What a route demands.
#[derive(Debug)]
pub(crate) enum Access {
    /// Nothing: `public = true`.
    Public,
    /// A valid access token that meets this rule. The default rule is met by any.
    Token(Rule),
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
