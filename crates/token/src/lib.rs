//! The contract between who mints a token and who verifies it.
//!
//! The issuing half and the verifying half of gatepass never import each other; they meet in this
//! crate and in `gatepass-revocation`, as two companies' services would. A kind of token is here
//! its claims, its `typ`, and what verifying it demands.

mod access;
mod at_hash;
mod authorization_details;
mod dpop;
mod id;
mod id_token;
mod jwt_access;
mod pkce;
mod scope;
mod shared_secret;
mod status_list;
mod ticket;

pub use access::{AccessClaims, Actor, Confirmation, access_verifier};
pub use at_hash::{at_hash, c_hash};
pub use authorization_details::{AuthorizationDetails, InvalidAuthorizationDetails};
pub use dpop::{DpopNonce, DpopNonces, DpopProof, DpopRejection, DpopRequest, DpopVerifier};
pub use id::{TokenId, minted_at};
pub use id_token::{ExpectedIdToken, IdToken, IdTokenRejection, id_token_algs, verify_id_token};
pub use jwt_access::{JwtAccessClaims, jwt_access_verifier};
pub use pkce::{CodeChallenge, CodeVerifier, InvalidCodeChallenge, InvalidCodeVerifier};
pub use scope::{InvalidScope, Scope, ScopeSet};
pub use shared_secret::shared_secret_kid;
pub use status_list::{InvalidStatusList, NoSuchStatus, Status, StatusList, StatusListClaim};
pub use ticket::{
    AmbiguousTicket, InvalidTicketRequest, MAX_TICKET_LIFETIME, TICKET, TicketRequest, take_ticket,
    ticket_verifier,
};
