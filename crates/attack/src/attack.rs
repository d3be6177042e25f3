//! What an attack is made of, and how it goes: the baseline, then class after class.

use std::io;
use std::path::PathBuf;

use gatepass_jose::Timestamp;
use thiserror::Error;

use crate::attempt::Attempt;
use crate::baseline::{self, Baseline, BaselineError};
use crate::class::Class;
use crate::judge::Judge;
use crate::own_key::OwnKey;
use crate::public_key::PublicKey;
use crate::report::{ClassReport, Report};
use crate::request::RequestShape;
use crate::run::Run;
use crate::sender::{Bounds, Reply, Sender};
use crate::signer::{Signer, SignerError};
use crate::target::Target;
use crate::token::Token;

/// Everything that a run is made of.
#[derive(Debug)]
pub struct Attack {
    pub(crate) target: Target,
    pub(crate) shape: RequestShape,
    pub(crate) token: Token,
    pub(crate) now: Timestamp,
    pub(crate) bounds: Bounds,
    classes: Vec<&'static Class>,
    pub(crate) public_key: Option<PublicKey>,
    pub(crate) signer: Option<Signer>,
    pub(crate) second: Option<Token>,
    pub(crate) other: Option<Token>,
    own: Option<OwnKey>,
    pub(crate) save: Option<PathBuf>,
}

/// Why a run says nothing about the service.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CannotRun {
    /// There is nothing to compare with.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// No key of the JWK Set has signed the good token.
    #[error("no key of the JWK Set has signed the good token")]
    PublicKey,
    /// The signing key is not the service's.
    #[error(
        "a token signed with the given key is not accepted: the service answers {status}, so it has another key"
    )]
    SigningKey {
        /// The status of the answer.
        status: u16,
    },
    /// A key of one's own could not be made.
    #[error("a key of one's own could not be made: {0}")]
    OwnKey(#[from] SignerError),
    /// A forged token could not be written.
    #[error("{} cannot be written: {source}", path.display())]
    Save {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The HTTP client could not be made.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Progress<'r> {
    /// The good token is accepted and bad ones are not.
    Established(&'r Baseline),
    /// A class is being tried, the `place`th of `of`.
    Trying {
        /// Which one.
        class: &'static Class,
        /// Counted from 1.
        place: usize,
        /// How many there are.
        of: usize,
    },
    /// A class has been tried, or found not to be testable.
    Tried(&'r ClassReport),
}

impl Attack {
    /// An attack with every class on `target`, with a token that it accepts. `now` decides what is expired.
    #[must_use]
    pub fn new(target: Target, shape: RequestShape, token: Token, now: Timestamp) -> Self {
        Self {
            target,
            shape,
            token,
            now,
            bounds: Bounds::default(),
            classes: Class::all().collect(),
            public_key: None,
            signer: None,
            second: None,
            other: None,
            own: None,
            save: None,
        }
    }

    /// The token's algorithm, `kid` and the like.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Gives what the service publishes; the key that signed the good token is looked for among it.
    ///
    /// # Errors
    /// [`CannotRun::PublicKey`] when none has.
    pub fn with_public_keys(mut self, keys: Vec<PublicKey>) -> Result<Self, CannotRun> {
        let signed = keys.into_iter().find(|key| key.has_signed(&self.token));
        self.public_key = Some(signed.ok_or(CannotRun::PublicKey)?);
        Ok(self)
    }

    /// Gives the service's test signing key, so that claims can be wrong under a good signature.
    #[must_use]
    pub fn with_signing_key(self, signer: Signer) -> Self {
        Self { signer: Some(signer), ..self }
    }

    /// Gives another good token of the same key.
    #[must_use]
    pub fn with_second_token(self, token: Token) -> Self {
        Self { second: Some(token), ..self }
    }

    /// Gives a token of the same issuer for another audience.
    #[must_use]
    pub fn with_other_token(self, token: Token) -> Self {
        Self { other: Some(token), ..self }
    }

    /// Uses this key for the attacker's, in place of a fresh one.
    #[must_use]
    pub fn with_own_key(self, own: OwnKey) -> Self {
        Self { own: Some(own), ..self }
    }

    /// Tries these classes alone; all where there are none.
    #[must_use]
    pub fn with_only(self, classes: Vec<&'static Class>) -> Self {
        if classes.is_empty() { self } else { Self { classes, ..self } }
    }

    /// Sets what the run may cost the service.
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Writes every forged token that was not refused into this folder, readable by its owner alone.
    #[must_use]
    pub fn with_saved(self, folder: PathBuf) -> Self {
        Self { save: Some(folder), ..self }
    }

    /// Carries it out, and tells how far it is.
    ///
    /// # Errors
    /// [`CannotRun`]: what a class would be compared with does not hold.
    pub async fn run(&self, mut told: impl FnMut(Progress<'_>)) -> Result<Report, CannotRun> {
        let fresh;
        let own = match &self.own {
            Some(own) => own,
            None => {
                fresh = OwnKey::generate(self.token.alg())?;
                &fresh
            }
        };
        let sender = Sender::new(&self.target, &self.shape, self.bounds)?;
        let (baseline, judge) =
            baseline::establish(&sender, &self.token, &self.shape.accepted, self.bounds.slow).await?;
        self.require_signing_key(&sender, &judge).await?;
        told(Progress::Established(&baseline));

        let mut run = Run::new(self, own, sender, judge);
        let mut classes = Vec::new();
        for (before, class) in self.classes.iter().enumerate() {
            told(Progress::Trying { class, place: before + 1, of: self.classes.len() });
            let report = run.try_class(class).await?;
            told(Progress::Tried(&report));
            classes.push(report);
        }
        for report in &mut classes {
            if run.note_visits(report) {
                told(Progress::Tried(report)); // somebody came late
            }
        }
        let (target, alg) = (self.target.url().to_owned(), self.token.alg().to_owned());
        let (requests, stopped) = run.end();
        Ok(Report { target, alg, baseline, requests, stopped, classes })
    }

    /// A fresh signature over the good claims must be as good as the one that was given.
    async fn require_signing_key(&self, sender: &Sender<'_>, judge: &Judge) -> Result<(), CannotRun> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let failed = |_| SignerError::WrongType(self.token.alg().to_owned());
        let token = self.token.draft.signed_by(signer).map_err(failed)?;
        match sender.send(&Attempt::token("", token)).await {
            Reply::Answered { status, .. } if judge.is_accepted(status) => Ok(()),
            Reply::Answered { status, .. } => Err(CannotRun::SigningKey { status }),
            _ => Err(BaselineError::NoAnswer("not to a token signed with the given key").into()),
        }
    }
}
