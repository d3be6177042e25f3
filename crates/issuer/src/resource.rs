//! Resource indicators ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)): for which resource servers a client asks.
//!
//! A user may allow a client several at once, of which an access token is for one: whoever it is sent to could use a token
//! for two at the other ([RFC 8707 section 2.2](https://www.rfc-editor.org/rfc/rfc8707#section-2.2)).

use gatepass_token::ScopeSet;

use crate::client::Client;
use crate::issuer::Issuer;

/// As many are granted at once.
pub const MAX_RESOURCES: usize = 8;

/// The resources that a request names, each once and in its order. Of more than [`MAX_RESOURCES`], it is kept that there are more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamedResources<'p>([Option<&'p str>; MAX_RESOURCES + 1]);

/// A request for an access token names several resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeveralResources;

impl<'p> NamedResources<'p> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The one that an access token is to be for, if one is named.
    ///
    /// # Errors
    /// [`SeveralResources`].
    pub fn one(&self) -> Result<Option<&'p str>, SeveralResources> {
        let mut named = self.iter();
        match (named.next(), named.next()) {
            (_, Some(_)) => Err(SeveralResources),
            (one, None) => Ok(one),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'p str> {
        self.0.iter().copied().flatten()
    }
}

impl<'p> FromIterator<&'p str> for NamedResources<'p> {
    /// An empty name counts as left out.
    fn from_iter<I: IntoIterator<Item = &'p str>>(names: I) -> Self {
        let mut named = Self::default();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            if named.iter().any(|known| known == name) {
                continue;
            }
            match named.0.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(name),
                None => break,
            }
        }
        named
    }
}

/// The audiences of what is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedResources {
    /// That of tokens whose request names none: the first that was asked for, or the default of the client.
    pub first: String,
    /// The others.
    pub more: Vec<String>,
}

impl GrantedResources {
    /// One alone.
    pub fn one(resource: impl Into<String>) -> Self {
        Self { first: resource.into(), more: Vec::new() }
    }

    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first).chain(&self.more).map(String::as_str)
    }

    /// Whether a token can be for that one.
    #[must_use]
    pub fn contains(&self, resource: &str) -> bool {
        self.iter().any(|granted| granted == resource)
    }
}

/// Whether two names are one URL: without a path and with the path `/` is the same
/// ([RFC 3986 section 6.2.3](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.3)), and clients that parse an URL write the
/// second for the first.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let is_host = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#']);
    let bare = |name: &str| match name.strip_suffix('/') {
        Some(bare) if bare.split_once("://").is_some_and(|(_, rest)| is_host(rest)) => bare.len(),
        _ => name.len(),
    };
    one.get(..bare(one)) == other.get(..bare(other))
}

impl Issuer {
    /// The resource server's own name for the one that is asked for; what names none, as it is.
    pub(crate) fn resource_named<'n>(&'n self, asked: &'n str) -> &'n str {
        let mut known = self.config.resource_servers.iter().map(|server| server.audience.as_str());
        known.find(|audience| is_same(audience, asked)).unwrap_or(asked)
    }

    /// The audiences that `client` asks for; `None` where it cannot have one of them, or asks for too many.
    pub(crate) fn granted_resources(
        &self,
        client: &Client,
        scope: &ScopeSet,
        asked: &NamedResources<'_>,
    ) -> Option<GrantedResources> {
        let granted = |asked: Option<&str>| {
            let target = self.client_target(client, asked, scope).ok()?;
            Some(target.audience().map_or_else(|| self.config.issuer.to_string(), str::to_owned))
        };
        if asked.is_empty() {
            return granted(None).map(GrantedResources::one);
        }
        if asked.iter().count() > MAX_RESOURCES {
            return None;
        }
        let mut all = asked.iter().map(|resource| granted(Some(self.resource_named(resource))));
        let first = all.next()??;
        Some(GrantedResources { first, more: all.collect::<Option<_>>()? })
    }

    /// Where a user is told that tokens will be used: nowhere in particular, if that is the default resource server alone.
    #[must_use]
    pub fn resources_to_show<'r>(&self, granted: &'r GrantedResources) -> Vec<&'r str> {
        let default = self.config.resource_servers.iter().next().map(|server| server.audience.as_str());
        let is_plain = granted.more.is_empty() && default == Some(&granted.first);
        granted.iter().filter(|_| !is_plain).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_are_one_url() {
        let cases = [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example:8443/", "https://a.example:8443", true),
            ("https://a.example/v1", "https://a.example/v1/", false),
            ("https://a.example", "https://a.example//", false),
            ("https://a.example", "https://a.example.evil/", false),
            ("https://a.example/?", "https://a.example?/", false),
            ("https://", "https:///", false),
            ("orders", "orders/", false),
            ("urn:api:orders", "urn:api:orders/", false),
        ];
        for (one, other, want) in cases {
            assert_eq!((is_same(one, other), is_same(other, one)), (want, want), "{one} {other}");
        }
    }

    #[test]
    fn what_is_named_is_named_once_and_bounded() {
        let names: Vec<String> = (0..100).map(|n| format!("https://{n}.example")).collect();
        let first = |count: usize| names.iter().take(count).map(String::as_str);
        assert!(NamedResources::from_iter(["", ""]).is_empty());
        assert_eq!(NamedResources::default().one(), Ok(None));
        assert_eq!(NamedResources::from_iter(["a", "", "a"]).one(), Ok(Some("a")));
        assert_eq!(NamedResources::from_iter(["a", "b"]).one(), Err(SeveralResources));
        let twice = NamedResources::from_iter(first(MAX_RESOURCES).chain(first(MAX_RESOURCES)));
        assert_eq!(twice.iter().collect::<Vec<_>>(), first(MAX_RESOURCES).collect::<Vec<_>>(), "in order");
        for count in [MAX_RESOURCES + 1, 100] {
            let named = NamedResources::from_iter(first(count));
            assert_eq!(named.iter().count(), MAX_RESOURCES + 1, "{count}: too many, and no more than that");
        }
    }

    #[test]
    fn what_is_granted() {
        let granted = GrantedResources { first: "a".into(), more: vec!["b".into()] };
        assert_eq!(granted.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(granted.contains("a") && granted.contains("b") && !granted.contains("c"));
        assert!(!GrantedResources::one("a").contains(""));
    }
}
