//! `gatepass client update`: every member of a client that the admin API changes, and what it is called on the command line.

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Map, Value, json};

use super::logins::Logins;
use super::responses::Responses;
use super::signatures::Signatures;
use crate::input::Input;

/// What is to change about a client.
#[derive(Debug, ClapArgs)]
pub(crate) struct ClientUpdate {
    /// Its client_id
    pub(crate) id: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// A grant that it may use, any number of times: all of them
    #[arg(long = "grant", value_name = "GRANT", value_enum)]
    grants: Vec<Grant>,
    /// A scope it may ask for, any number of times: all of them. Fewer take its access tokens back
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// An audience it may ask for, any number of times: all of them. Others take its access tokens back
    #[arg(long = "audience", value_name = "AUD")]
    audiences: Vec<String>,
    /// An audience it may exchange tokens for (RFC 8693), any number of times. With `--exchange-from` and `--impersonate`
    /// it is all that it may exchange: nothing of before stays
    #[arg(long = "exchange-for", value_name = "AUD", requires = "exchange_from")]
    exchange_for: Vec<String>,
    /// An audience whose tokens it may exchange, any number of times
    #[arg(long = "exchange-from", value_name = "AUD", requires = "exchange_for")]
    exchange_from: Vec<String>,
    /// The tokens it exchanges for do not say that it acts
    #[arg(long, requires = "exchange_for")]
    impersonate: bool,
    /// Where browsers may be sent back to after a login, any number of times: all of them
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where browsers may be sent to after a logout, any number of times: all of them
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Where it gets a logout token when a session of its users ends
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// What a browser opens in a frame of the logout page
    #[arg(long, value_name = "URI")]
    frontchannel_logout_uri: Option<String>,
    /// Its public keys, all of them: a JWK Set, a JWK, PEM or DER; `-` is standard input
    #[arg(long, value_name = "FILE", group = "client_keys")]
    pub(crate) jwks: Option<Input>,
    /// Where it publishes them instead, which is fetched when they are needed
    #[arg(long, value_name = "URL", group = "client_keys")]
    jwks_uri: Option<String>,
    /// What its certificate is known by for tls_client_auth: subject_dn=, san_dns=, san_uri=, san_ip= or san_email=
    #[arg(long, value_name = "KIND=NAME", conflicts_with = "certificate")]
    pub(crate) certificate_name: Option<String>,
    /// Its certificates for self_signed_tls_client_auth, in PEM; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<Input>,
    /// A type of authorization details that it may ask for (RFC 9396), any number of times: all of them
    #[arg(long = "authorization-details-type", value_name = "TYPE")]
    details_types: Vec<String>,
    /// Where the redirect URIs of its sector are listed
    #[arg(long, value_name = "URI")]
    sector_identifier_uri: Option<String>,
    #[command(flatten)]
    switches: Switches,
    #[command(flatten)]
    signatures: Signatures,
    #[command(flatten)]
    logins: Logins,
    #[command(flatten)]
    responses: Responses,
    /// Something that it is not to have any more, any number of times, such as `scope` or `jwks-uri`
    #[arg(long = "clear", value_name = "OPTION", value_parser = clearable)]
    clear: Vec<&'static Field>,
}

/// What is so or not. An option without a value says that it is.
#[derive(Debug, ClapArgs)]
struct Switches {
    /// It is your own: users are not asked whether they allow it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    trusted: Option<bool>,
    /// It must use PKCE (RFC 7636); only an OpenID Connect client that authenticates and sends a nonce can do without
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_pkce: Option<bool>,
    /// It must push its authorization requests (RFC 9126)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_pushed: Option<bool>,
    /// It must sign its authorization requests (RFC 9101)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_signed_request: Option<bool>,
    /// It gets no access token that is not bound to a key of its (DPoP, RFC 9449)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    dpop: Option<bool>,
    /// It gets no access token that is not bound to its TLS certificate (RFC 8705)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    certificate_bound: Option<bool>,
    /// Its users are called otherwise than anywhere else. Another way takes its access tokens back
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pairwise: Option<bool>,
}

/// A grant, as it is called on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Grant {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    DeviceCode,
    JwtBearer,
    TokenExchange,
}

impl Grant {
    /// Its name in requests.
    pub(crate) const fn grant_type(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}

/// A member of a client in the admin API.
#[derive(Debug)]
pub(crate) struct Field {
    option: &'static str,
    member: &'static str,
    /// What it is when it is cleared, where it can be.
    empty: Option<Empty>,
}

#[derive(Clone, Copy, Debug)]
enum Empty {
    Null,
    List,
    Text,
}

const fn field(option: &'static str, member: &'static str, empty: Option<Empty>) -> Field {
    Field { option, member, empty }
}

/// Every member that an option changes.
const FIELDS: [Field; 42] = [
    field("name", "client_name", None),
    field("grant", "grant_types", Some(Empty::List)),
    field("scope", "scope", Some(Empty::Text)),
    field("audience", "audience", Some(Empty::List)),
    field("exchange-for", "exchange", None),
    field("exchange-for", "exchange.for", None),
    field("exchange-from", "exchange.from", None),
    field("redirect-uri", "redirect_uris", Some(Empty::List)),
    field("post-logout-redirect-uri", "post_logout_redirect_uris", Some(Empty::List)),
    field("backchannel-logout-uri", "backchannel_logout_uri", Some(Empty::Null)),
    field("frontchannel-logout-uri", "frontchannel_logout_uri", Some(Empty::Null)),
    field("jwks", "jwks", Some(Empty::Null)),
    field("jwks-uri", "jwks_uri", Some(Empty::Null)),
    field("certificate", "certificate", None),
    field("certificate-name", "certificate", None),
    field("authorization-details-type", "authorization_details_types", Some(Empty::List)),
    field("sector-identifier-uri", "sector_identifier_uri", Some(Empty::Null)),
    field("trusted", "trusted", None),
    field("require-pkce", "require_pkce", None),
    field("require-pushed", "require_pushed_authorization_requests", None),
    field("require-signed-request", "require_signed_request_object", None),
    field("dpop", "dpop_bound_access_tokens", None),
    field("certificate-bound", "tls_client_certificate_bound_access_tokens", None),
    field("pairwise", "subject_type", None),
    field("default-max-age", "default_max_age", Some(Empty::Null)),
    field("require-auth-time", "require_auth_time", None),
    field("default-acr-value", "default_acr_values", Some(Empty::List)),
    field("auth-signing-alg", "token_endpoint_auth_signing_alg", Some(Empty::Null)),
    field("endpoint-audience", "endpoint_audience", None),
    field("request-signing-alg", "request_object_signing_alg", Some(Empty::Null)),
    field("id-token-signed-alg", "id_token_signed_response_alg", Some(Empty::Null)),
    field("id-token-encrypted-alg", "id_token_encrypted_response_alg", Some(Empty::Null)),
    field("id-token-encrypted-enc", "id_token_encrypted_response_enc", Some(Empty::Null)),
    field("userinfo-signed-alg", "userinfo_signed_response_alg", Some(Empty::Null)),
    field("userinfo-encrypted-alg", "userinfo_encrypted_response_alg", Some(Empty::Null)),
    field("userinfo-encrypted-enc", "userinfo_encrypted_response_enc", Some(Empty::Null)),
    field("authorization-signed-alg", "authorization_signed_response_alg", Some(Empty::Null)),
    field("authorization-encrypted-alg", "authorization_encrypted_response_alg", Some(Empty::Null)),
    field("authorization-encrypted-enc", "authorization_encrypted_response_enc", Some(Empty::Null)),
    field("introspection-signed-alg", "introspection_signed_response_alg", Some(Empty::Null)),
    field("introspection-encrypted-alg", "introspection_encrypted_response_alg", Some(Empty::Null)),
    field("introspection-encrypted-enc", "introspection_encrypted_response_enc", Some(Empty::Null)),
];

/// What the server says of a member, said of the option: it names members in quotes.
pub(crate) fn in_options(said: &str) -> String {
    FIELDS.iter().fold(said.to_owned(), |said, Field { option, member, .. }| {
        said.replace(&format!("{member:?}"), &format!("--{option}"))
    })
}

fn clearable(text: &str) -> Result<&'static Field, String> {
    const ALL: &[Field] = &FIELDS;
    let mut fields = ALL.iter().filter(|field| field.empty.is_some());
    fields.find(|field| field.option == text).ok_or_else(|| {
        let all = ALL.iter().filter(|field| field.empty.is_some()).map(|field| field.option);
        format!("what can be cleared is {}", all.collect::<Vec<_>>().join(", "))
    })
}

impl ClientUpdate {
    /// What changes, as the admin API has it; but for what is in files.
    ///
    /// # Errors
    /// Two options contradict each other.
    pub(crate) fn members(self) -> Result<Map<String, Value>, String> {
        let list = |list: Vec<String>| (!list.is_empty()).then(|| json!(list));
        let grants: Vec<_> = self.grants.iter().map(|grant| grant.grant_type()).collect();
        let exchange = (!self.exchange_for.is_empty()).then(|| {
            json!({ "for": self.exchange_for, "from": self.exchange_from, "impersonate": self.impersonate })
        });
        let text = |text: Option<String>| text.map(Value::from);
        let switch = |switch: Option<bool>| switch.map(Value::from);
        let said = [
            ("client_name", text(self.name)),
            ("grant_types", (!grants.is_empty()).then(|| json!(grants))),
            ("scope", (!self.scopes.is_empty()).then(|| json!(self.scopes.join(" ")))),
            ("audience", list(self.audiences)),
            ("exchange", exchange),
            ("redirect_uris", list(self.redirect_uris)),
            ("post_logout_redirect_uris", list(self.post_logout_redirect_uris)),
            ("backchannel_logout_uri", text(self.backchannel_logout_uri)),
            ("frontchannel_logout_uri", text(self.frontchannel_logout_uri)),
            ("jwks_uri", text(self.jwks_uri)),
            ("authorization_details_types", list(self.details_types)),
            ("sector_identifier_uri", text(self.sector_identifier_uri)),
            ("trusted", switch(self.switches.trusted)),
            ("require_pkce", switch(self.switches.require_pkce)),
            ("require_pushed_authorization_requests", switch(self.switches.require_pushed)),
            ("require_signed_request_object", switch(self.switches.require_signed_request)),
            ("dpop_bound_access_tokens", switch(self.switches.dpop)),
            ("tls_client_certificate_bound_access_tokens", switch(self.switches.certificate_bound)),
            ("subject_type", self.switches.pairwise.map(|is| json!(if is { "pairwise" } else { "public" }))),
        ];
        let mut members: Map<String, Value> =
            said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        members.extend(self.signatures.members().map(|(name, value)| (name.to_owned(), value)));
        members.extend(self.logins.members().map(|(name, value)| (name.to_owned(), value)));
        members.extend(self.responses.members().map(|(name, value)| (name.to_owned(), json!(value))));
        for Field { option, member, empty } in self.clear {
            let value = match empty {
                Some(Empty::List) => json!([]),
                Some(Empty::Text) => json!(""),
                Some(Empty::Null) | None => Value::Null,
            };
            if members.insert((*member).to_owned(), value).is_some() {
                return Err(format!("--clear {option} and --{option} contradict each other"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        update: ClientUpdate,
    }

    fn members(line: &str) -> Result<Value, String> {
        let words = ["update"].into_iter().chain(line.split(' '));
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.update.members().map(Value::Object)
    }

    #[test]
    fn what_a_line_changes() {
        let cases = [
            ("web", json!({})),
            ("web --name Shop", json!({ "client_name": "Shop" })),
            ("web --scope a --scope b", json!({ "scope": "a b" })),
            ("web --clear scope --clear jwks-uri", json!({ "scope": "", "jwks_uri": null })),
            ("web --redirect-uri https://a.example/cb", json!({ "redirect_uris": ["https://a.example/cb"] })),
            ("web --clear post-logout-redirect-uri", json!({ "post_logout_redirect_uris": [] })),
            ("web --require-pkce=false --trusted", json!({ "require_pkce": false, "trusted": true })),
            ("--dpop web", json!({ "dpop_bound_access_tokens": true })),
            ("web --pairwise=false", json!({ "subject_type": "public" })),
            (
                "web --grant device_code",
                json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] }),
            ),
            (
                "web --exchange-for https://a --exchange-from https://b --impersonate",
                json!({ "exchange": { "for": ["https://a"], "from": ["https://b"], "impersonate": true } }),
            ),
            ("web --userinfo-signed-alg ES256", json!({ "userinfo_signed_response_alg": "ES256" })),
            (
                "web --auth-signing-alg PS256 --clear request-signing-alg",
                json!({ "token_endpoint_auth_signing_alg": "PS256", "request_object_signing_alg": null }),
            ),
            ("web --endpoint-audience=false", json!({ "endpoint_audience": false })),
            ("web --clear userinfo-signed-alg", json!({ "userinfo_signed_response_alg": null })),
            ("web --default-max-age 5m", json!({ "default_max_age": 300 })),
            ("web --default-max-age 0s", json!({ "default_max_age": 0 })),
            ("web --clear default-max-age", json!({ "default_max_age": null })),
            ("web --require-auth-time=false", json!({ "require_auth_time": false })),
            ("web --default-acr-value a --default-acr-value b", json!({ "default_acr_values": ["a", "b"] })),
            ("web --clear default-acr-value", json!({ "default_acr_values": [] })),
        ];
        for (line, want) in cases {
            assert_eq!(members(line), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_a_line_cannot_say() {
        let cases = [
            ("web --trusted=maybe", "--trusted"),
            ("web --clear name", "what can be cleared is grant, scope, "),
            ("web --clear scope --scope a", "--clear scope and --scope contradict each other"),
            ("web --impersonate", "--exchange-for"),
            ("web --grant password", "--grant"),
            ("web --jwks a --jwks-uri https://a.example", "--jwks-uri"),
        ];
        for (line, want) in cases {
            let error = members(line).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
    }

    #[test]
    fn errors_name_options() {
        let cases = [
            (r#""require_pkce" is not valid: why"#, "--require-pkce is not valid: why"),
            (r#""jwks_uri" is not valid: "jwks" too"#, "--jwks-uri is not valid: --jwks too"),
            (r#""exchange.from" is not valid: why"#, "--exchange-from is not valid: why"),
            ("the scope is not known", "the scope is not known"),
        ];
        for (said, want) in cases {
            assert_eq!(in_options(said), want);
        }
    }
}
