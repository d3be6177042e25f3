//! Routes: which requests, what they must show, where they go.

pub(crate) mod condition;
pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod router;

use std::sync::Arc;

use gatepass_guard::{Exchange, Rule, StalePolicy};

use self::path::RequestPath;
use crate::cors::Cors;
use crate::header::claim::Forward;
use crate::rate_limit::Per;

/// One `[[route]]`, checked.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) access: Access,
    /// Which upstream serves it, counted among the configuration's.
    pub(crate) upstream: usize,
    pub(crate) forward: Vec<Forward>,
    pub(crate) token: TokenHandling,
    /// Who shows no token may show a session's cookie.
    pub(crate) session: bool,
    /// A ticket in the query does as well.
    pub(crate) tickets: bool,
    /// What a request opens ends with its token.
    pub(crate) end_streams: bool,
    /// The body of a request without a token may take as long as it likes.
    pub(crate) long_bodies: bool,
    /// What holds when revocations are stale, instead of what the issuer's configuration says.
    pub(crate) on_stale: Option<Arc<StalePolicy>>,
    /// Who does not meet `access` is refused, and not just counted.
    pub(crate) enforce: bool,
    pub(crate) cors: Option<Cors>,
    /// Which API it is a part of, among the configuration's resources; the first is the gateway as a whole.
    pub(crate) resource: usize,
    /// Which limit its requests count for, among the configuration's, and how that counts.
    pub(crate) rate_limit: Option<(usize, Per)>,
}

/// What a route demands.
#[derive(Debug)]
pub(crate) enum Access {
    /// Nothing: `public = true`.
    Public,
    /// An access token.
    Token(Box<Demand>),
}

/// What a token has to be. The default is met by any that is valid.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    pub(crate) rule: Rule,
    /// Who shows no credentials at all goes without.
    pub(crate) optional: bool,
    /// The parameters of the path that the rule compares claims with, and which segments they are.
    pub(crate) parameters: Vec<(String, usize)>,
}

impl Access {
    pub(crate) fn requires_dpop(&self) -> bool {
        matches!(self, Self::Token(demand) if demand.rule.requires_dpop())
    }

    /// Whether who shows nothing passes, though something is looked at where it is shown.
    pub(crate) fn takes_guests(&self) -> bool {
        matches!(self, Self::Token(demand) if demand.optional)
    }
}

impl Demand {
    /// What a path has for a parameter. It was decoded once, and has no second reading: see [`path`].
    pub(crate) fn parameter<'p>(&self, name: &str, path: &'p RequestPath<'_>) -> Option<&'p str> {
        let (_, segment) = self.parameters.iter().find(|(parameter, _)| parameter == name)?;
        path.segments().nth(*segment)
    }
}

/// What becomes of the `Authorization` header on its way upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenHandling {
    /// It goes along: the service behind may verify it again.
    Keep,
    /// It ends here: the service behind sees the identity headers only.
    Strip,
    /// It ends here, and one that was minted for the service behind takes its place.
    Exchange(Exchange),
}
