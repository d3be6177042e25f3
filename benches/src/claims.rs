//! Claims that borrow: what a verifier costs that keeps nothing.

use arrayvec::ArrayVec;
use gatepass_jose::{BorrowedAudience, Claims, NumericDate, Registered};
use serde::Deserialize;

/// The claims of [`gatepass_token::AccessClaims`] as slices of the decoded payload.
#[derive(Debug, Deserialize)]
pub struct BorrowedClaims<'p> {
    pub iss: &'p str,
    pub sub: &'p str,
    #[serde(borrow)]
    pub aud: BorrowedAudience<'p>,
    pub exp: NumericDate,
    pub iat: NumericDate,
    pub nbf: Option<NumericDate>,
    pub jti: &'p str,
    pub client_id: &'p str,
    pub scope: &'p str,
    pub sid: Option<&'p str>,
    #[serde(borrow)]
    pub roles: ArrayVec<&'p str, 4>,
}

impl Claims for BorrowedClaims<'_> {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: self.nbf,
        }
    }
}
