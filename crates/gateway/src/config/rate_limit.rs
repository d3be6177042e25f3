//! `[[rate_limit]]`, and `rate_limit` of a route.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use super::error::nearest;
use super::raw::{Field, RawRateLimit};
use crate::rate_limit::{Per, RateLimit};
use crate::route::Access;

/// How clients read of a route's own limit.
const OWN_NAME: &str = "default";
const GREATEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
const GREATEST_NUMBER: u32 = 1_000_000;

/// A route's own limit, or the name of one that several share.
pub(super) enum RawRouteRateLimit {
    Shared(String),
    Own(RawRateLimit),
}

impl<'de> Deserialize<'de> for RawRouteRateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawRouteRateLimit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a [[rate_limit]], or a table of its own")
            }

            fn visit_str<E>(self, name: &str) -> Result<RawRouteRateLimit, E> {
                Ok(RawRouteRateLimit::Shared(name.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RawRouteRateLimit, M::Error> {
                RawRateLimit::deserialize(MapAccessDeserializer::new(map)).map(RawRouteRateLimit::Own)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Checks every `[[rate_limit]]`.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &[Spanned<RawRateLimit>],
) -> Result<Vec<RateLimit>, ConfigError> {
    let mut limits: Vec<RateLimit> = Vec::new();
    for table in raw {
        let what = "a name for the routes to refer to";
        let name = source.required(table, &table.get_ref().name, "name", what)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.get_ref().is_empty() || !name.get_ref().bytes().all(plain) {
            let hint = "clients read it: write letters, digits, `-`, `_` and `.`";
            return Err(source
                .error(name, format!("`{}` is no name for a limit", name.get_ref()))
                .hint(hint));
        }
        if limits.iter().any(|other| other.name == *name.get_ref()) {
            return Err(source.error(name, format!("there is a limit `{}` already", name.get_ref())));
        }
        limits.push(check(source, table, table.get_ref(), name.get_ref(), None)?);
    }
    Ok(limits)
}

/// Finds the limit of a route among `limits`, where its own is put. `whose` tells the route from all others.
pub(super) fn check_route(
    source: &Source<'_>,
    field: &Field<RawRouteRateLimit>,
    access: &Access,
    limits: &mut Vec<RateLimit>,
    whose: impl FnOnce() -> String,
) -> Result<Option<(usize, Per)>, ConfigError> {
    let Some(field) = field else { return Ok(None) };
    let index = match field.get_ref() {
        RawRouteRateLimit::Shared(name) => find(source, field, name, limits)?,
        RawRouteRateLimit::Own(raw) => {
            if let Some(name) = &raw.name {
                let error = source.error(name, "a limit with a name is shared, and stands on its own");
                return Err(error.hint("make it a [[rate_limit]], and write its name here"));
            }
            limits.push(check(source, field, raw, OWN_NAME, Some(whose()))?);
            limits.len() - 1
        }
    };
    let per = limits.get(index).map_or(Per::Address, |limit| limit.per);
    if matches!(access, Access::Public) && per != Per::Address {
        let error = source.error(field, "a public route looks at no token, so there is nobody to count by");
        return Err(error.hint("write per = \"address\""));
    }
    Ok(Some((index, per)))
}

fn find<T>(
    source: &Source<'_>,
    at: &Spanned<T>,
    name: &str,
    limits: &[RateLimit],
) -> Result<usize, ConfigError> {
    let shared = || limits.iter().enumerate().filter(|(_, limit)| limit.route.is_none());
    if let Some((index, _)) = shared().find(|(_, limit)| limit.name == name) {
        return Ok(index);
    }
    let error = source.error(at, format!("there is no limit `{name}`"));
    Err(match nearest(name, shared().map(|(_, limit)| limit.name.as_str())) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error.hint("add a [[rate_limit]] with this name"),
    })
}

fn check<T>(
    source: &Source<'_>,
    table: &Spanned<T>,
    raw: &RawRateLimit,
    name: &str,
    route: Option<String>,
) -> Result<RateLimit, ConfigError> {
    let per = source.required(
        table,
        &raw.per,
        "per",
        "whom to count by: \"subject\", \"client\" or \"address\"",
    )?;
    let requests = source.required(table, &raw.requests, "requests", "how many: requests = 100")?;
    let every = source.required(table, &raw.every, "every", "in which time: every = \"1m\"")?;
    let window = source.duration(every)?;
    if window < Duration::from_secs(1) || window > GREATEST_WINDOW {
        let hint = "count the requests of that time: requests = 50, every = \"1s\"";
        return Err(source.error(every, "`every` is a second at least and a day at most").hint(hint));
    }
    let in_bounds = |field: &Spanned<u32>, most: u32| match *field.get_ref() {
        number if (1..=most).contains(&number) => Ok(number),
        _ => Err(source.error(field, format!("this number must be 1 or more, and {most} or less"))),
    };
    let requests = in_bounds(requests, GREATEST_NUMBER)?;
    Ok(RateLimit {
        name: name.to_owned(),
        route,
        per: *per.get_ref(),
        requests,
        every: window,
        burst: raw.burst.as_ref().map_or(Ok(requests), |burst| in_bounds(burst, requests))?,
    })
}
