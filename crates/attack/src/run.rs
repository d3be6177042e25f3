//! Class after class: forge, send, judge.

use std::path::Path;
use std::{fs, io};

use futures_util::StreamExt as _;

use crate::attack::{Attack, CannotRun};
use crate::attempt::Attempt;
use crate::class::{Class, Forge, Mint, NotTested, Weight};
use crate::judge::{Judge, Verdict};
use crate::own_key::OwnKey;
use crate::report::{ClassReport, Finding, Outcome};
use crate::sender::{Reply, Sender};
use crate::trap::Trap;

/// A run under way.
pub(crate) struct Run<'a> {
    attack: &'a Attack,
    own: &'a OwnKey,
    sender: Sender<'a>,
    judge: Judge,
    /// Why nothing more can be learnt.
    stopped: Option<String>,
    /// Somebody may come late: each stays open to the end. With how many visits are known.
    traps: Vec<(&'static str, Trap, usize)>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(attack: &'a Attack, own: &'a OwnKey, sender: Sender<'a>, judge: Judge) -> Self {
        Self { attack, own, sender, judge, stopped: None, traps: Vec::new() }
    }

    /// How many requests it took, and why it ended before its end, if it did.
    pub(crate) fn end(self) -> (usize, Option<String>) {
        (self.sender.sent(), self.stopped)
    }

    /// Sends every variant of a class, and looks at the answers.
    pub(crate) async fn try_class(&mut self, class: &'static Class) -> Result<ClassReport, CannotRun> {
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
        let forged = attempt.only_token().filter(|token| !token.contains(self.attack.token.text()));
        let saved = match (&self.attack.save, forged) {
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
        let reply = self.sender.send(&Attempt::token("", self.attack.token.text())).await;
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
    pub(crate) fn note_visits(&mut self, report: &mut ClassReport) -> bool {
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
