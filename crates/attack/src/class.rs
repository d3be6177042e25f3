//! The classes of attack: one row each, in one table.

mod claims;
mod embedded;
mod encrypted;
mod header;
mod kid;
mod malleable;
mod secret;
mod signature;
mod structure;
mod time;
mod transport;
mod unsigned;

use gatepass_jose::Timestamp;

use crate::alg::{self, Curve, Primitive};
use crate::attempt::Attempt;
use crate::draft::Draft;
use crate::object::Object;
use crate::own_key::OwnKey;
use crate::public_key::PublicKey;
use crate::request::Place;
use crate::signer::{Signer, SigningFailed};
use crate::token::Token;
use crate::trap::Trap;

/// One known mistake in verifying a JWT.
#[derive(Debug)]
pub struct Class {
    /// A stable id.
    pub id: &'static str,
    /// What is sent, in a few words.
    pub name: &'static str,
    /// What it would mean if the service let it in.
    pub means: &'static str,
    /// Where the rule or an example of the mistake is written down.
    pub reference: &'static str,
    pub(crate) weight: Weight,
    pub(crate) forge: Forge,
}

/// What it says about a service that it accepts a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The service makes this mistake.
    Mistake,
    /// No rule forbids it; worth knowing.
    Note,
}

/// Makes the variants of a class; by what they are made of.
#[derive(Clone, Copy)]
pub(crate) enum Forge {
    /// The good token alone.
    Token(fn(&Token) -> Variants),
    /// The place in which the service takes tokens.
    Place(fn(&Token, &Place) -> Variants),
    /// The service's public key.
    PublicKey(fn(&Token, &PublicKey) -> Variants),
    /// A key of one's own, which the service has no reason to trust.
    OwnKey(fn(&Token, &OwnKey) -> Variants),
    /// A key of one's own and an address that serves it.
    Trap(fn(&Token, &OwnKey, &Trap) -> Variants),
    /// The service's signing key, so that only what is signed is wrong.
    SigningKey(fn(&Mint<'_>) -> Variants),
    /// A second good token of the same key.
    SecondToken(fn(&Token, &Token) -> Variants),
    /// A token that the same issuer made for somebody else.
    OtherToken(fn(&Token) -> Variants),
}

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.needs().unwrap_or("nothing"))
    }
}

impl Forge {
    /// What has to be given for this, beside the good token.
    fn needs(self) -> Option<&'static str> {
        match self {
            Self::Token(_) | Self::Place(_) | Self::OwnKey(_) => None,
            Self::PublicKey(_) => Some("the service's public key: --jwks"),
            Self::Trap(_) => Some("a service on this machine, which could fetch from it"),
            Self::SigningKey(_) => Some("the service's test signing key: --signing-key"),
            Self::SecondToken(_) => Some("another good token of the same key: --second-token-file"),
            Self::OtherToken(_) => Some("a token for another audience: --other-token-file"),
        }
    }
}

impl Class {
    /// Every class, in the order in which they are tried.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TABLE.iter().copied().flatten()
    }

    /// The class with this id.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::all().find(|class| class.id == id)
    }

    /// What this class needs beside the good token; `None` where that is enough.
    #[must_use]
    pub fn needs(&self) -> Option<&'static str> {
        self.forge.needs()
    }

    /// Whether accepting it is worth a note and no mistake.
    #[must_use]
    pub fn is_note(&self) -> bool {
        self.weight == Weight::Note
    }
}

const TABLE: &[&[Class]] = &[
    unsigned::CLASSES,
    signature::CLASSES,
    malleable::CLASSES,
    secret::CLASSES,
    embedded::CLASSES,
    kid::CLASSES,
    header::CLASSES,
    time::CLASSES,
    claims::CLASSES,
    structure::CLASSES,
    encrypted::CLASSES,
    transport::CLASSES,
];

/// The variants of a class for one token, or why there are none.
pub(crate) type Variants = Result<Vec<Attempt>, NotTested>;

/// Why a class says nothing about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotTested(pub(crate) String);

impl NotTested {
    pub(crate) fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<SigningFailed> for NotTested {
    fn from(failed: SigningFailed) -> Self {
        Self(failed.to_string())
    }
}

/// The good token and the key that signed it: what is minted here differs from a good token in nothing
/// but what the class is about.
pub(crate) struct Mint<'a> {
    pub(crate) token: &'a Token,
    pub(crate) signer: &'a Signer,
    pub(crate) now: Timestamp,
}

impl Mint<'_> {
    /// A token with another payload.
    pub(crate) fn payload(&self, variant: impl Into<String>, payload: &Object) -> Result<Attempt, NotTested> {
        self.mint(variant, &self.token.with_payload(payload))
    }

    /// A token with another header.
    pub(crate) fn header(&self, variant: impl Into<String>, header: &Object) -> Result<Attempt, NotTested> {
        self.mint(variant, &self.token.with_header(header))
    }

    /// Whatever it is, under a signature that holds.
    pub(crate) fn mint(&self, variant: impl Into<String>, draft: &Draft) -> Result<Attempt, NotTested> {
        Ok(Attempt::token(variant, draft.signed_by(self.signer)?))
    }
}

/// The curve of a token that is signed with ECDSA.
fn curve(token: &Token) -> Result<&'static Curve, NotTested> {
    match alg::find(&token.alg) {
        Some(Primitive::Ecdsa { curve, .. }) => Ok(curve),
        _ => Err(NotTested::because(format!("the token is signed with {}, not with ECDSA", token.alg))),
    }
}

/// A row for a mistake.
const fn mistake(
    id: &'static str,
    name: &'static str,
    means: &'static str,
    reference: &'static str,
    forge: Forge,
) -> Class {
    Class { id, name, means, reference, weight: Weight::Mistake, forge }
}

/// A row for what is only worth knowing.
const fn note(
    id: &'static str,
    name: &'static str,
    means: &'static str,
    reference: &'static str,
    forge: Forge,
) -> Class {
    Class { id, name, means, reference, weight: Weight::Note, forge }
}

#[cfg(test)]
mod tests;
