//! A run: the baseline, then class after class.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use futures_util::StreamExt as _;
use gatepass_jose::Timestamp;
use thiserror::Error;

use crate::baseline::{self, Baseline, BaselineError};
use crate::class::{Class, Forge, Mint, NotTested, Weight};
use crate::judge::{Judge, Verdict};
use crate::own_key::OwnKey;
use crate::public_key::PublicKey;
use crate::report::{ClassReport, Finding, Outcome, Report};
use crate::request::{Attempt, RequestShape};
use crate::sender::{Bounds, Reply, Sender};
use crate::signer::{Signer, SignerError};
use crate::target::Target;
use crate::token::Token;
use crate::trap::Trap;

/// Everything that a run is made of.
#[derive(Debug)]
pub struct Attack {
    target: Target,
    shape: RequestShape,
    token: Token,
    now: Timestamp,
    bounds: Bounds,
    classes: Vec<&'static Class>,
    public_key: Option<PublicKey>,
    signer: Option<Signer>,
    second: Option<Token>,
    other: Option<Token>,
    own: Option<OwnKey>,
    save: Option<PathBuf>,
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

        let mut run = Run { attack: self, own, sender, judge, stopped: None, traps: Vec::new() };
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
        Ok(Report {
            target: self.target.url().to_owned(),
            alg: self.token.alg().to_owned(),
            baseline,
            requests: run.sender.sent(),
            stopped: run.stopped,
            classes,
        })
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

/// A run under way.
struct Run<'a> {
    attack: &'a Attack,
    own: &'a OwnKey,
    sender: Sender<'a>,
    judge: Judge,
    /// Why nothing more can be learnt.
    stopped: Option<String>,
    /// Somebody may come late: each stays open to the end. With how many visits are known.
    traps: Vec<(&'static str, Trap, usize)>,
}

impl Run<'_> {
    async fn try_class(&mut self, class: &'static Class) -> Result<ClassReport, CannotRun> {
        if let Some(why) = &self.stopped {
            return Ok(ClassReport::not_tested(class, why));
        }
        let attempts = match self.forge(class).await {
            Ok(attempts) => attempts,
            Err(NotTested(why)) => return Ok(ClassReport::not_tested(class, why)),
        };
        let sender = &self.sender;
        let replies: Vec<(Attempt, Reply)> = futures_util::stream::iter(attempts)
            .map(|attempt| async {
                let reply = sender.send(&attempt).await;
                (attempt, reply)
            })
            .buffered(self.attack.bounds.concurrency.max(1))
            .collect()
            .await;
        let mut report = self.report(class, &replies)?;
        self.note_visits(&mut report);
        self.require_service(&mut report).await;
        Ok(report)
    }

    async fn forge(&mut self, class: &'static Class) -> Result<Vec<Attempt>, NotTested> {
        let token = &self.attack.token;
        let needs = || NotTested::because(format!("needs {}", class.needs().unwrap_or_default()));
        match class.forge {
            Forge::Token(forge) => forge(token),
            Forge::Place(forge) => forge(token, &self.attack.shape.place),
            Forge::OwnKey(forge) => forge(token, self.own),
            Forge::PublicKey(forge) => forge(token, self.attack.public_key.as_ref().ok_or_else(needs)?),
            Forge::SecondToken(forge) => forge(token, self.attack.second.as_ref().ok_or_else(needs)?),
            Forge::OtherToken(forge) => forge(self.attack.other.as_ref().ok_or_else(needs)?),
            Forge::SigningKey(forge) => {
                let signer = self.attack.signer.as_ref().ok_or_else(needs)?;
                forge(&Mint { token, signer, now: self.attack.now })
            }
            Forge::Trap(forge) => {
                if !self.attack.target.is_loopback() {
                    return Err(needs());
                }
                let trap = Trap::start(self.own, token.kid().as_deref()).await;
                let trap =
                    trap.map_err(|error| NotTested::because(format!("nothing can listen here: {error}")))?;
                let attempts = forge(token, self.own, &trap);
                self.traps.push((class.id, trap, 0));
                attempts
            }
        }
    }

    fn report(&self, class: &Class, replies: &[(Attempt, Reply)]) -> Result<ClassReport, CannotRun> {
        let mut report = ClassReport::of(class);
        for (attempt, reply) in replies {
            let (outcome, evidence) = match self.judge.judge(attempt, reply) {
                Verdict::NotTested(why) => {
                    report.why = Some(why);
                    continue;
                }
                Verdict::Refused => {
                    report.sent += 1;
                    continue;
                }
                Verdict::LetIn(evidence) if class.weight == Weight::Note => (Outcome::Noted, evidence),
                Verdict::LetIn(evidence) => (Outcome::LetIn, evidence),
                Verdict::Broke(evidence) => (Outcome::Broke, evidence),
            };
            report.sent += 1;
            let request = self.request(class, report.findings.len() + 1, attempt)?;
            report.findings.push(Finding { variant: attempt.variant.clone(), outcome, evidence, request });
        }
        let found = |outcome| report.findings.iter().any(|finding| finding.outcome == outcome);
        report.outcome = match () {
            () if found(Outcome::LetIn) => Outcome::LetIn,
            () if found(Outcome::Broke) => Outcome::Broke,
            () if found(Outcome::Noted) => Outcome::Noted,
            // One variant that says nothing is one that may have been let in.
            () if report.sent == 0 || report.why.is_some() => Outcome::NotTested,
            () => Outcome::Refused,
        };
        Ok(report)
    }

    /// How to repeat a request; a forged token goes into a file where there is a folder for it.
    fn request(&self, class: &Class, number: usize, attempt: &Attempt) -> Result<String, CannotRun> {
        let saved = match (&self.attack.save, attempt.only_token()) {
            (Some(folder), Some(token)) => {
                let path = folder.join(format!("{}-{number}.jwt", class.id));
                save(folder, &path, token)
                    .map_err(|source| CannotRun::Save { path: path.clone(), source })?;
                Some(path.display().to_string())
            }
            _ => None,
        };
        let Attack { target, shape, token, .. } = self.attack;
        Ok(attempt.curl(target, shape, token.text(), saved.as_deref()))
    }

    /// A refusal means something only as long as the good token is still accepted.
    async fn require_service(&mut self, report: &mut ClassReport) {
        const TRIES: usize = 3;
        let attempt = Attempt::token("", self.attack.token.text());
        let mut reply = Reply::Closed;
        for _ in 0..TRIES {
            reply = self.sender.send(&attempt).await; // a connection that a bad request has spoilt fails once
            if matches!(reply, Reply::Answered { .. } | Reply::NotSent(_)) {
                break;
            }
        }
        let why = match reply {
            Reply::Answered { status, .. } if self.judge.is_accepted(status) => return,
            Reply::Answered { status, .. } => {
                format!("the good token is not accepted any more: the service answers {status}")
            }
            Reply::NotSent(why) => why.to_owned(),
            Reply::Closed | Reply::TimedOut | Reply::Unreachable => {
                if report.outcome != Outcome::LetIn {
                    report.outcome = Outcome::Broke;
                }
                "the service does not answer any more".to_owned()
            }
        };
        if !report.outcome.is_finding() {
            report.outcome = Outcome::NotTested;
        }
        report.why = Some(why.clone());
        self.stopped = Some(why);
    }

    /// Adds what has been fetched from the class's trap, and says whether there was anything new.
    fn note_visits(&mut self, report: &mut ClassReport) -> bool {
        let Some((_, trap, known)) = self.traps.iter_mut().find(|(id, _, _)| *id == report.id) else {
            return false;
        };
        let new = trap.visits().split_off(*known);
        *known += new.len();
        for visit in &new {
            report.findings.push(Finding {
                variant: "an address that the token names".to_owned(),
                outcome: Outcome::Fetched,
                evidence: format!("fetched: {visit}"),
                request: String::new(),
            });
        }
        if !new.is_empty() && report.outcome != Outcome::LetIn {
            report.outcome = Outcome::Fetched;
        }
        !new.is_empty()
    }
}

fn save(folder: &Path, path: &Path, token: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    fs::create_dir_all(folder)?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(token.as_bytes())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::LetIn => "LET IN",
            Self::Fetched => "FETCHED",
            Self::Broke => "BROKE",
            Self::Noted => "noted",
            Self::NotTested => "not tested",
        })
    }
}
