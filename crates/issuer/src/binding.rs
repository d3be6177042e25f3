//! What tokens are bound to: the keys that a client has shown
//! ([RFC 7800](https://www.rfc-editor.org/rfc/rfc7800)).

use gatepass_token::{AccessClaims, Confirmation};

use crate::certificate::X5t;
use crate::dpop::{Jkt, ShownProof};

/// Keys that a client has shown that it holds: none, a DPoP key, its TLS certificate's, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// That of a DPoP proof.
    pub jkt: Option<Jkt>,
    /// That of the certificate of its TLS connection.
    pub x5t: Option<X5t>,
}

impl Binding {
    /// A DPoP key alone.
    #[must_use]
    pub fn dpop(jkt: Option<Jkt>) -> Self {
        Self { jkt, x5t: None }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.jkt.is_some() || self.x5t.is_some()
    }

    /// Whether all that `bound` is bound to was shown.
    #[must_use]
    pub fn shows(&self, bound: &Self) -> bool {
        (bound.jkt.is_none() || bound.jkt == self.jkt) && (bound.x5t.is_none() || bound.x5t == self.x5t)
    }

    /// As a token says it.
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        let x5t_s256 = self.x5t.map(|x5t| x5t.to_string());
        self.is_some().then(|| Confirmation { jkt: self.jkt.map(|jkt| jkt.to_string()), x5t_s256 })
    }

    /// What a token is bound to; `None` where that is something which nobody here can have shown.
    pub(crate) fn of_token(claims: &AccessClaims) -> Option<Self> {
        let Some(cnf) = &claims.cnf else { return Some(Self::default()) };
        let jkt = cnf.jkt.as_deref().map(str::parse).transpose().ok()?;
        let x5t = cnf.x5t_s256.as_deref().map(str::parse).transpose().ok()?;
        (!cnf.is_unknown()).then_some(Self { jkt, x5t })
    }
}

/// What came with an access token to show who sends it. Of the proof nobody has looked at anything yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Possession<'r> {
    /// The DPoP proof; `None` for a token that was sent as `Bearer`.
    pub dpop: Option<&'r ShownProof>,
    /// The certificate of the TLS connection.
    pub x5t: Option<X5t>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_something_is_bound_to_has_to_be_shown() {
        let (a, b) = (Some(Jkt([1; 32])), Some(Jkt([2; 32])));
        let (c, d) = (Some(X5t([3; 32])), Some(X5t([4; 32])));
        let cases = [
            ((None, None), (None, None), true),
            ((None, None), (a, c), true),
            ((a, None), (a, None), true),
            ((a, None), (b, None), false),
            ((a, None), (None, c), false),
            ((None, c), (None, c), true),
            ((None, c), (a, d), false),
            ((a, c), (a, c), true),
            ((a, c), (a, None), false),
            ((a, c), (None, c), false),
        ];
        for ((jkt, x5t), shown, want) in cases {
            let bound = Binding { jkt, x5t };
            let shown = Binding { jkt: shown.0, x5t: shown.1 };
            assert_eq!(shown.shows(&bound), want, "{bound:?} {shown:?}");
        }
    }
}
