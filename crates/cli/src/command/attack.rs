//! `gatepass attack …`: whether a service that one runs makes the known mistakes in verifying a JWT.

use std::io::{IsTerminal as _, Write as _};

use gatepass_attack::{
    Attack, Bounds, CannotRun, Class, ClassReport, Finding, Outcome as Found, Progress, PublicKey, Report,
    RequestShape, Signer, Target, TargetError, Token, Verdict,
};
use serde_json::json;
use url::Url;

use crate::args::Attack as Args;
use crate::complaint::{Complaint, Outcome};
use crate::fetch::Fetch;
use crate::input::Input;
use crate::json_text::visible;
use crate::key_file::{Key, KeyFile};
use crate::{clock, print};

pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let Some(url) = args.url.as_deref().filter(|_| !args.list) else {
        list(args.json);
        return Ok(Outcome::Good);
    };
    let target = Target::resolve(url, &args.i_own_this_host).await.map_err(|error| not_attacked(&error))?;
    let attack = prepare(&args, target).await?;
    let who = format!("{} with a token signed by {}", print::strong(url), visible(attack.token().alg()));
    let talk = Talk { who, json: args.json, transient: std::io::stderr().is_terminal() };
    let report = attack.run(|progress| talk.tell(progress)).await;
    talk.forget();
    let report = report.map_err(|error| cannot_run(&error))?;
    if args.json {
        print::json(&serde_json::to_value(&report)?);
    } else {
        sum_up(&report);
    }
    match report.verdict() {
        Verdict::AllRefused => Ok(Outcome::Good),
        Verdict::Found => Ok(Outcome::Refused),
        Verdict::Unknown => {
            let why = report.stopped.unwrap_or_else(|| "no class could be tested".to_owned());
            Err(Complaint::unusable("the service cannot be judged").at(why).into())
        }
    }
}

/// The attack with everything that was given for it.
async fn prepare(args: &Args, target: Target) -> Result<Attack, Complaint> {
    let shape = RequestShape::new(&args.method, &args.header, &args.cookie)
        .map_err(|error| Complaint::unusable(error.to_string()))?
        .with_accepted(args.accept_status.clone());
    let good = match (&args.token, &args.token_file) {
        (Some(text), _) => {
            if std::io::stderr().is_terminal() {
                anstream::eprintln!(
                    "note: the token is in your shell's history now; `--token-file FILE` keeps it out"
                );
            }
            token("the token", text)?
        }
        (None, Some(file)) => read_token(file)?,
        (None, None) => return Err(Complaint::unusable("no token was given")),
    };
    let (alg, kid) = (good.alg().to_owned(), good.kid());
    let bounds = Bounds { per_second: args.rate, ..Bounds::default() };
    let mut attack =
        Attack::new(target, shape, good, clock::now()).with_bounds(bounds).with_only(args.only.clone());
    if let Some(source) = &args.jwks {
        attack = attack.with_public_keys(public_keys(source).await?).map_err(|error| cannot_run(&error))?;
    }
    if let Some(file) = &args.signing_key {
        attack = attack.with_signing_key(signer(file, &alg, kid.as_deref())?);
    }
    if let Some(file) = &args.second_token_file {
        attack = attack.with_second_token(read_token(file)?);
    }
    if let Some(file) = &args.other_token_file {
        attack = attack.with_other_token(read_token(file)?);
    }
    if let Some(folder) = &args.save {
        attack = attack.with_saved(folder.clone());
    }
    Ok(attack)
}

fn read_token(file: &Input) -> Result<Token, Complaint> {
    token(&file.to_string(), &file.read_text()?)
}

fn token(name: &str, text: &str) -> Result<Token, Complaint> {
    Token::parse(text)
        .map_err(|error| Complaint::unusable(format!("nothing can be forged from {name}")).at(error))
}

async fn public_keys(source: &str) -> Result<Vec<PublicKey>, Complaint> {
    let json = match Url::parse(source) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Fetch::new(false)?.document(&url).await?,
        _ => Input::File(source.into()).read()?.to_vec(),
    };
    PublicKey::parse_set(&json).map_err(|error| Complaint::unusable(format!("cannot use {source}")).at(error))
}

fn signer(file: &Input, alg: &str, kid: Option<&str>) -> Result<Signer, Complaint> {
    let cannot = || Complaint::unusable(format!("cannot sign with {file}"));
    match KeyFile::read(file)?.chosen(kid)? {
        Key::Private(jwk) => Signer::from_jwk(&jwk, alg).map_err(|error| cannot().at(error)),
        Key::Public(_) => Err(cannot().at("it holds a public key").try_this("--jwks, for public keys")),
    }
}

fn not_attacked(error: &TargetError) -> Complaint {
    let complaint = Complaint::unusable("this service is not attacked").at(error);
    match error {
        TargetError::Foreign { host, .. } => {
            complaint.try_this(format!("--i-own-this-host {host}, if you run it and may test it"))
        }
        _ => complaint,
    }
}

fn cannot_run(error: &CannotRun) -> Complaint {
    match error {
        CannotRun::Baseline(baseline) if baseline.is_finding() => Complaint::refused(baseline.to_string()),
        CannotRun::Baseline(baseline) => Complaint::unusable("there is nothing to compare with").at(baseline).try_this(
            "a URL that a good token opens and no token does not; --method, --header and --accept-status say how",
        ),
        other => Complaint::unusable("the attack cannot be run").at(other),
    }
}

/// What is said while it goes on.
struct Talk {
    /// Who is attacked, and with what.
    who: String,
    json: bool,
    /// Whether somebody watches standard error.
    transient: bool,
}

impl Talk {
    fn tell(&self, progress: Progress<'_>) {
        match progress {
            Progress::Established(baseline) if !self.json => {
                let bad: Vec<String> =
                    baseline.refused.iter().map(|(what, status)| format!("{what} ({status})")).collect();
                print::line(&self.who);
                print::line(format!("accepted: the good token ({})", baseline.accepted));
                print::line(format!("refused: {}\n", bad.join(", ")));
            }
            Progress::Trying { class, place, of } if self.transient => {
                anstream::eprint!("\r\x1b[2K{place} of {of}: {}", class.id);
                let _ = std::io::stderr().flush();
            }
            Progress::Tried(report) if !self.json => {
                self.forget();
                show(report);
            }
            _ => {}
        }
    }

    /// Takes the transient line away.
    fn forget(&self) {
        if self.transient {
            anstream::eprint!("\r\x1b[2K");
        }
    }
}

/// A class with what was found, on as many lines as that needs.
fn show(report: &ClassReport) {
    let outcome = format!("{:<11}", report.outcome.to_string());
    let outcome = match report.outcome {
        Found::Refused => print::good(&outcome),
        Found::LetIn | Found::Fetched | Found::Broke => print::bad(&outcome),
        Found::Noted => print::warning(&outcome),
        _ => print::faint(&outcome),
    };
    let why = report.why.as_ref().map(|why| print::faint(&format!(" ({why})"))).unwrap_or_default();
    print::line(format!("{outcome} {:<22} {}{why}", report.id, report.name));
    if report.outcome.is_finding() {
        detail("means", report.means);
        detail("see", report.reference);
        show_findings(&report.findings);
    }
}

/// The first few of them: where one variant is let in, many are.
fn show_findings(findings: &[Finding]) {
    const MOST: usize = 3;
    /// Longer lines are of no use on a terminal.
    const LONG: usize = 2000;
    for finding in findings.iter().take(MOST) {
        detail(&finding.outcome.to_string(), &format!("{}: {}", visible(&finding.variant), finding.evidence));
    }
    if let Some(first) = findings.first() {
        match first.request.len() {
            0 => {}
            len if len > LONG => {
                detail(
                    "repeat",
                    &format!("{len} characters; --save DIR keeps the token in a file, --json shows all"),
                );
            }
            _ => detail("repeat", &visible(&first.request)),
        }
    }
    if let Some(more) = findings.len().checked_sub(MOST).filter(|more| *more > 0) {
        detail("more", &format!("{more} variants; --json shows all"));
    }
}

fn detail(label: &str, text: &str) {
    print::line(format!("            {label:<8}{text}"));
}

fn sum_up(report: &Report) {
    let count = |outcome: Found| format!("{} {outcome}", report.count(outcome));
    let counts = [Found::Refused, Found::LetIn, Found::Fetched, Found::Broke, Found::Noted, Found::NotTested];
    let counts: Vec<String> = counts.into_iter().map(count).collect();
    print::line(format!("\n{}; {} requests", counts.join(", "), report.requests));
    if report.classes.iter().any(|class| class.outcome.is_finding()) {
        print::line("The lines to repeat a request have the good token in $TOKEN.");
    }
}

fn list(as_json: bool) {
    if as_json {
        let classes = Class::all().map(|class| {
            json!({
                "id": class.id, "name": class.name, "means": class.means, "reference": class.reference,
                "needs": class.needs(), "note": class.is_note(),
            })
        });
        return print::json(&classes.collect());
    }
    for class in Class::all() {
        print::line(format!("{} {}", print::strong(&format!("{:<22}", class.id)), class.name));
        detail("means", class.means);
        detail("see", class.reference);
        if let Some(needs) = class.needs() {
            detail("needs", needs);
        }
    }
}
