//! `public_url` and `[[resource]]`: what the gateway is to its clients, as a whole and API by API.

use std::collections::BTreeSet;

use gatepass_guard::{Audience, Dpop};
use toml::Spanned;
use url::Url;

use super::ConfigError;
use super::check::Source;
use super::raw::{Field, RawConfig, RawResource, RawRoute};
use crate::resource::{Resource, Told};
use crate::route::path::RequestPath;
use crate::route::{Access, Route};

/// Checks `public_url` and every `[[resource]]`, once the routes have been checked, and makes of each route one of the
/// API's that it is below. The first is `public_url`; there is none without it.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &RawConfig,
    dpop: &Dpop,
    routes: &mut [Route],
) -> Result<Vec<Resource>, ConfigError> {
    let Some(public_url) = &raw.public_url else {
        return match raw.resource.first() {
            Some(table) => Err(source
                .error(table, "nothing says under which URL clients reach the gateway as a whole")
                .hint("write public_url = \"https://api.example.com\"")),
            None => Ok(Vec::new()),
        };
    };
    let checker = Checker { source, raw, dpop };
    let own_url = checker.url(public_url, "public URL")?;
    let mut apis: Vec<Api<'_>> = Vec::new();
    for table in &raw.resource {
        let api = checker.api(table, &own_url)?;
        if api.url == own_url || apis.iter().any(|other| other.url == api.url) {
            return Err(source.error(table, format!("the resource {} is described twice", api.url)));
        }
        apis.push(api);
    }
    for (route, table) in routes.iter_mut().zip(&raw.route) {
        let below = apis.iter().enumerate().filter(|(_, api)| api.has(table.get_ref(), &own_url));
        // The longest is the nearest.
        let Some((index, api)) = below.max_by_key(|(_, api)| api.url.path().len()) else { continue };
        if let (true, Some(session)) = (api.dpop && route.session, &table.get_ref().session) {
            return Err(source
                .error(
                    session,
                    "the tokens of sessions are bound to no key, which this route's [[resource]] demands",
                )
                .hint("take `session` or the resource's `dpop` out"));
        }
        route.resource = index + 1;
        if let Access::Token(demand) = &mut route.access {
            let rule = std::mem::take(&mut demand.rule);
            let rule = rule.with_audience(api.audience.clone()).with_issuers(api.issuers.clone());
            demand.rule = if api.dpop { rule.with_dpop() } else { rule };
        }
    }
    let mut resources = vec![checker.whole(&own_url, routes)];
    for (index, api) in apis.iter().enumerate() {
        if !routes.iter().any(|route| route.resource == index + 1) {
            return Err(source
                .error(api.table, format!("no route is below {}", api.url))
                .hint("write the `path` of its routes with this one's before it, and their `host` if that is another"));
        }
        resources.push(checker.described(api, &own_url, index + 1, routes));
    }
    Ok(resources)
}

/// One `[[resource]]`, checked.
struct Api<'t> {
    table: &'t Spanned<RawResource>,
    url: Url,
    audience: Audience,
    issuers: Vec<String>,
    dpop: bool,
}

impl Api<'_> {
    /// Whether a route is below it: at its host, and with its path before the route's own.
    fn has(&self, route: &RawRoute, own_url: &Url) -> bool {
        let is_here = match &route.host {
            Some(host) => self.url.host_str().is_some_and(|own| own.eq_ignore_ascii_case(host.get_ref())),
            None => self.url.origin() == own_url.origin(),
        };
        let path = route.path.as_ref().map(|path| path.get_ref().as_str()).unwrap_or_default();
        let below = path.strip_prefix(self.url.path().trim_end_matches('/'));
        is_here && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

struct Checker<'c, 't> {
    source: &'c Source<'t>,
    raw: &'c RawConfig,
    dpop: &'c Dpop,
}

impl<'c> Checker<'c, '_> {
    fn url(&self, text: &Spanned<String>, what: &str) -> Result<Url, ConfigError> {
        let wrong = |problem: &str| {
            self.source
                .error(text, format!("the {what} `{}` {problem}", text.get_ref()))
                .hint("write how clients begin the URLs of their requests: \"https://api.example.com\"")
        };
        let url = Url::parse(text.get_ref()).map_err(|_| wrong("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("is not reached over http or https"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has credentials"));
        }
        if url.path() != "/" && (url.path().ends_with('/') || RequestPath::parse(url.path()).is_err()) {
            return Err(wrong("has a path that no request could have, or a slash at its end"));
        }
        Ok(url)
    }

    fn api(&self, table: &'c Spanned<RawResource>, own_url: &Url) -> Result<Api<'c>, ConfigError> {
        let (source, raw) = (self.source, table.get_ref());
        let what = "how clients begin the URLs of its requests: url = \"https://api.example.com/orders\"";
        let text = source.required(table, &raw.url, "url", what)?;
        let url = self.url(text, "resource")?;
        if url.scheme() != own_url.scheme() {
            return Err(source.error(text, "a resource is reached over the same scheme as `public_url`"));
        }
        let what = "the values of `aud` that mean this API: audience = [\"https://api.example.com/orders\"]";
        let field = source.required(table, &raw.audience, "audience", what)?;
        let audience = Audience::new(field.get_ref().clone())
            .map_err(|_| source.error(field, "an empty `audience` would take tokens meant for anybody"))?;
        let issuers = self.issuers(&raw.issuers, &audience)?;
        if let Some(stranger) = audience.iter().find(|one| !self.takes(&issuers, one)) {
            return Err(source
                .error(field, format!("no token for `{stranger}` would be taken"))
                .hint("name it in the `audience` of the [[issuer]] that mints them as well"));
        }
        Ok(Api { table, url, audience, issuers, dpop: self.requires_dpop(&raw.dpop)? })
    }

    /// Those that are named, or else all that mint tokens for it.
    fn issuers(&self, field: &Field<Vec<String>>, audience: &Audience) -> Result<Vec<String>, ConfigError> {
        let Some(field) = field else {
            let all = issuer_urls(self.raw);
            return Ok(all
                .into_iter()
                .filter(|url| audience.iter().any(|one| self.takes(std::slice::from_ref(url), one)))
                .collect());
        };
        let known = issuer_urls(self.raw);
        match field.get_ref().iter().find(|named| !known.contains(named)) {
            Some(stranger) => Err(self
                .source
                .error(field, format!("no [[issuer]] has the url `{stranger}`"))
                .hint("write it as it stands there, character by character")),
            None if field.get_ref().is_empty() => Err(self
                .source
                .error(field, "nobody's tokens would be taken")
                .hint("leave it out for all issuers")),
            None => Ok(field.get_ref().clone()),
        }
    }

    /// Whether tokens of one of these issuers are taken for an audience.
    fn takes(&self, issuers: &[String], audience: &str) -> bool {
        self.raw.issuer.iter().map(Spanned::get_ref).any(|issuer| {
            let is_one = issuer.url.as_ref().is_some_and(|url| issuers.contains(url.get_ref()));
            let named = |field: &Spanned<Vec<String>>| field.get_ref().iter().any(|own| own == audience);
            is_one && issuer.audience.as_ref().is_some_and(named)
        })
    }

    fn requires_dpop(&self, field: &Field<bool>) -> Result<bool, ConfigError> {
        match field {
            Some(dpop) if !dpop.get_ref() => {
                Err(self.source.error(dpop, "`dpop = false` demands nothing").hint("leave it out"))
            }
            dpop => Ok(dpop.is_some()),
        }
    }

    /// What clients are told of the gateway where no API of its own is described.
    fn whole(&self, own_url: &Url, routes: &[Route]) -> Resource {
        Resource::new(
            own_url,
            &Told {
                host: None,
                name: None,
                authorization_servers: &issuer_urls(self.raw),
                scopes_supported: &self.scopes(routes, 0),
                asks_for_certificates: self.asks_for_certificates(),
                dpop_algs: &self.dpop.algs,
                requires_dpop: self.dpop.required,
            },
        )
    }

    fn described(&self, api: &Api<'_>, own_url: &Url, index: usize, routes: &[Route]) -> Resource {
        let raw = api.table.get_ref();
        let scopes = match &raw.scopes {
            Some(scopes) => scopes.get_ref().clone(),
            None => self.scopes(routes, index),
        };
        Resource::new(
            &api.url,
            &Told {
                host: api.url.host_str().filter(|_| api.url.origin() != own_url.origin()),
                name: raw.name.as_deref(),
                authorization_servers: &api.issuers,
                scopes_supported: &scopes,
                asks_for_certificates: self.asks_for_certificates(),
                dpop_algs: &self.dpop.algs,
                requires_dpop: self.dpop.required || api.dpop,
            },
        )
    }

    /// What the routes of a resource ask for.
    fn scopes(&self, routes: &[Route], index: usize) -> Vec<String> {
        let own = routes.iter().zip(&self.raw.route).filter(|(route, _)| route.resource == index);
        let required = own.filter_map(|(_, table)| table.get_ref().require.as_ref());
        let scopes: BTreeSet<String> = required
            .filter_map(|require| require.get_ref().scope.as_ref())
            .flat_map(|scope| scope.get_ref().iter().cloned())
            .collect();
        scopes.into_iter().collect()
    }

    fn asks_for_certificates(&self) -> bool {
        self.raw.tls.as_ref().is_some_and(|tls| tls.get_ref().client_ca.is_some())
    }
}

fn issuer_urls(raw: &RawConfig) -> Vec<String> {
    raw.issuer.iter().filter_map(|issuer| Some(issuer.get_ref().url.as_ref()?.get_ref().clone())).collect()
}
