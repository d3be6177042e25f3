//! What a client signs, and for whom.

use clap::Args as ClapArgs;
use serde_json::Value;

/// How a client signs its assertions and its requests, where that is said.
#[derive(Debug, ClapArgs)]
pub(crate) struct Signatures {
    /// The only algorithm of its assertions, which its keys are for that do not say theirs, such as PS256
    #[arg(long, value_name = "ALG")]
    auth_signing_alg: Option<String>,
    /// The only algorithm of its signed requests
    #[arg(long, value_name = "ALG")]
    request_signing_alg: Option<String>,
    /// Its assertions may be for the token endpoint, or that of pushed requests, in place of the issuer (RFC 7523, RFC 9126)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    endpoint_audience: Option<bool>,
}

impl Signatures {
    /// What was said, under the names of a registration.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'static str, Value)> {
        let members = [
            ("token_endpoint_auth_signing_alg", self.auth_signing_alg.map(Value::from)),
            ("request_object_signing_alg", self.request_signing_alg.map(Value::from)),
            ("endpoint_audience", self.endpoint_audience.map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}
