//! `on_stale`, of an issuer and of a route: what holds while revocations cannot be told for certain.

use std::time::Duration;

use gatepass_guard::{StaleAction, StalePolicy};
use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use super::raw::{RawConfig, RawOnStale, RawRevocation, RawRoute, RawThen};

/// Reads the two values, both of which must be there.
pub(super) fn check<'f>(
    source: &Source<'_>,
    table: &'f Spanned<RawOnStale>,
) -> Result<(Duration, &'f Spanned<RawThen>), ConfigError> {
    let raw = table.get_ref();
    let after = source.required(table, &raw.after, "after", "a duration such as \"30s\"")?;
    let then = source.required(table, &raw.then, "then", "\"allow\", \"deny\" or \"introspect\"")?;
    Ok((source.duration(after)?, then))
}

/// What a route says instead of its issuers, if it does.
pub(super) fn of_route(
    source: &Source<'_>,
    raw: &RawConfig,
    route: &RawRoute,
) -> Result<Option<StalePolicy>, ConfigError> {
    let Some(table) = &route.on_stale else { return Ok(None) };
    if route.public {
        return Err(source
            .error(table, "a public route has no token that could have been revoked")
            .hint("take `on_stale` or `public` out"));
    }
    let can_be_stale = raw.issuer.iter().filter_map(|issuer| issuer.get_ref().revocation.as_ref());
    if !can_be_stale
        .into_iter()
        .any(|kind| matches!(kind.get_ref(), RawRevocation::Feed | RawRevocation::StatusList))
    {
        let message = "`on_stale` has no meaning: no issuer has revocation = \"feed\" or \"status-list\"";
        return Err(source.error(table, message));
    }
    let (after, then) = check(source, table)?;
    let then = match then.get_ref() {
        RawThen::Allow => StaleAction::Allow,
        RawThen::Deny => StaleAction::Deny,
        RawThen::Introspect => StaleAction::Introspect,
    };
    Ok(Some(StalePolicy { after, then }))
}

/// Whether a route wants issuers to be asked.
pub(super) fn routes_ask(raw: &RawConfig) -> bool {
    let policies = raw.route.iter().filter_map(|route| route.get_ref().on_stale.as_ref());
    policies.into_iter().any(|table| table.get_ref().asks())
}
