use std::fmt::Write as _;

use axum::http::Response;
use gatepass_jose::Alg;

use crate::denied::{Denied, Unproven};

/// What a resource server says in `WWW-Authenticate` beside the error: the schemes that it takes
/// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3),
/// [RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)), and where clients learn more
/// ([RFC 9728 section 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
///
/// The default takes `Bearer` alone. Each scheme is a field of its own, which every client can read.
///
/// ```
/// use gatepass_guard::{Alg, Challenge, Denied};
///
/// let challenge = Challenge::default().with_dpop(&[Alg::ES256, Alg::EdDSA]);
/// assert_eq!(
///     challenge.fields(&Denied::Missing),
///     ["Bearer realm=\"api\"", "DPoP realm=\"api\", algs=\"ES256 EdDSA\""],
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The algorithms of proofs, with spaces between them.
    dpop: Option<String>,
    no_bearer: bool,
    resource_metadata: Option<String>,
}

impl Challenge {
    /// Takes DPoP with proofs of these algorithms, too.
    #[must_use]
    pub fn with_dpop(mut self, algs: &[Alg]) -> Self {
        self.dpop = Some(algs.iter().map(|alg| alg.name()).collect::<Vec<_>>().join(" "));
        self
    }

    /// Does not take tokens that are bound to no key.
    #[must_use]
    pub fn without_bearer(mut self) -> Self {
        self.no_bearer = true;
        self
    }

    /// Names the URL of the protected resource's metadata, for every refusal that a client can act on.
    #[must_use]
    pub fn with_resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// The `WWW-Authenticate` fields of a refusal; none where another token would change nothing.
    #[must_use]
    pub fn fields(&self, denied: &Denied) -> Vec<String> {
        if denied.status().is_server_error() {
            return Vec::new();
        }
        let concerns_dpop = matches!(
            denied,
            Denied::DpopProof(_) | Denied::UseDpopNonce { .. } | Denied::Unproven(Unproven::DpopRequired)
        );
        let mut fields = Vec::new();
        if !concerns_dpop && !self.no_bearer {
            fields.push(self.field("Bearer", denied));
        }
        if concerns_dpop || self.no_bearer || self.dpop.is_some() {
            let mut field = self.field("DPoP", denied);
            if let Some(algs) = &self.dpop {
                let _ = write!(field, ", algs=\"{algs}\"");
            }
            fields.push(field);
        }
        fields
    }

    /// Completes the answer to a refusal that an extractor made, which does not know of this: see
    /// [`Denied::to_response`]. Other answers stay as they are.
    pub fn complete<B>(&self, response: &mut Response<B>) {
        if let Some(denied) = response.extensions_mut().remove::<Denied>() {
            denied.set_fields(response.headers_mut(), self);
        }
    }

    // Writing to a string cannot fail.
    fn field(&self, scheme: &str, denied: &Denied) -> String {
        let wire = denied.wire();
        let mut field = format!("{scheme} realm=\"api\"");
        if let Some(error) = wire.error {
            let _ = write!(field, ", error=\"{error}\", error_description=\"{}\"", wire.code);
        }
        if let Denied::InsufficientScope { required } = denied {
            // No character of a scope needs escaping in a quoted string (RFC 6749 section 3.3).
            let _ = write!(field, ", scope=\"{required}\"");
        }
        if let Denied::InsufficientUserAuthentication { required, .. } = denied {
            if let Some(acr_values) = &required.acr_values {
                let _ = write!(field, ", acr_values={}", quoted(&acr_values.join(" ")));
            }
            if let Some(max_age) = required.max_age {
                let _ = write!(field, ", max_age=\"{}\"", max_age.as_secs());
            }
        }
        if let Some(url) = &self.resource_metadata {
            let _ = write!(field, ", resource_metadata={}", quoted(url));
        }
        field
    }
}

/// A quoted string ([RFC 9110 section 5.6.4](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4)) of visible
/// ASCII characters and spaces; others, which neither a URL nor an `acr` has, are left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars().filter(|character| matches!(character, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatepass_token::DpopRejection;

    use super::*;
    use crate::denied::DpopProblem;
    use crate::{Rule, WeakAuthentication};

    #[test]
    fn who_takes_what_says_so() {
        let both = Challenge::default().with_dpop(&[Alg::ES256, Alg::EdDSA]);
        let dpop = both.clone().without_bearer();
        let nonce = Denied::UseDpopNonce { nonce: "n".into() };
        let proof = Denied::DpopProof(DpopProblem::Rejected(DpopRejection::Signature));
        let scope = Denied::InsufficientScope { required: "a".parse().unwrap() };
        let unproven = |unproven| Denied::Unproven(unproven);
        let invalid = "error=\"invalid_token\", error_description=\"invalid-token\"";
        let algs = "algs=\"ES256 EdDSA\"";
        let bearer_field = |rest: &str| format!("Bearer realm=\"api\"{rest}");
        let dpop_field = |rest: &str| format!("DPoP realm=\"api\"{rest}, {algs}");
        let cases = [
            ("missing", &both, Denied::Missing, vec![bearer_field(""), dpop_field("")]),
            ("missing_and_dpop_demanded", &dpop, Denied::Missing, vec![dpop_field("")]),
            (
                "sent_without_proof",
                &both,
                unproven(Unproven::WithoutProof),
                vec![bearer_field(&format!(", {invalid}")), dpop_field(&format!(", {invalid}"))],
            ),
            (
                "dpop_demanded",
                &both,
                unproven(Unproven::DpopRequired),
                vec![dpop_field(", error=\"invalid_token\", error_description=\"dpop-required\"")],
            ),
            (
                "bad_proof",
                &both,
                proof,
                vec![dpop_field(", error=\"invalid_dpop_proof\", error_description=\"invalid-dpop-proof\"")],
            ),
            (
                "nonce",
                &both,
                nonce,
                vec![dpop_field(", error=\"use_dpop_nonce\", error_description=\"use-dpop-nonce\"")],
            ),
            (
                "scope",
                &dpop,
                scope,
                vec![dpop_field(
                    ", error=\"insufficient_scope\", error_description=\"insufficient-scope\", scope=\"a\"",
                )],
            ),
            ("nothing_to_be_done", &both, Denied::NoKeys, vec![]),
            ("set_up_badly", &both, Denied::NoExternalUrl, vec![]),
        ];
        for (name, challenge, denied, want) in cases {
            assert_eq!(challenge.fields(&denied), want, "{name}");
        }
    }

    #[test]
    fn the_metadata_are_named_and_cannot_leave_their_quotes() {
        let named = |url| Challenge::default().with_resource_metadata(url).fields(&Denied::Missing).concat();
        let url = "https://api.example.com/.well-known/oauth-protected-resource";
        assert_eq!(named(url), format!("Bearer realm=\"api\", resource_metadata=\"{url}\""));
        assert_eq!(named("a\"b\\c\r\nd e"), r#"Bearer realm="api", resource_metadata="a\"b\\cd e""#);
    }

    #[test]
    fn a_step_up_says_what_to_log_in_with() {
        let denied = |rule: Rule| Denied::InsufficientUserAuthentication {
            problem: WeakAuthentication::NoTime,
            required: rule.user_authentication().clone(),
        };
        let error = "error=\"insufficient_user_authentication\", error_description=\"insufficient-user-authentication\"";
        let rule = || Rule::default().with_max_age(Duration::from_secs(600));
        let cases = [
            (rule(), "max_age=\"600\"".to_owned()),
            (rule().with_acr(["urn:a", "urn:b"]), "acr_values=\"urn:a urn:b\", max_age=\"600\"".to_owned()),
            (Rule::default().with_acr(["a\"\r\n"]), "acr_values=\"a\\\"\"".to_owned()),
        ];
        for (rule, want) in cases {
            let fields = Challenge::default().with_dpop(&[Alg::ES256]).fields(&denied(rule));
            assert_eq!(fields[0], format!("Bearer realm=\"api\", {error}, {want}"));
            assert_eq!(fields[1], format!("DPoP realm=\"api\", {error}, {want}, algs=\"ES256\""));
        }
    }
}
