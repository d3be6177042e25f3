//! `gatepass token verify`: each check of a verification, with what it expected and found.

use gatepass_jose::{
    Alg, Audience, Claims, Issuer, NumericDate, Registered, Rejection, Scratch, Verifier, decode_unverified,
    not_null,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::checks::{self, Check, Finding, Seen, Terms, explain};
use super::compact::compact;
use super::keyring::Keyring;
use crate::args::token::{Trust, Verify};
use crate::complaint::{Complaint, Outcome};
use crate::input::Input;
use crate::json_text::laid_out;
use crate::key_file::Unusable;
use crate::{clock, print};

pub(crate) async fn run(verify: &Verify) -> anyhow::Result<Outcome> {
    let given = verify.token.read()?;
    let token = compact(&given)?;
    let verdict = Verdict::of(&token, &verify.trust, verify.key.as_ref(), verify.alg).await?;
    if verify.json {
        print::json(&verdict.for_machines());
    } else {
        verdict.for_people();
    }
    Ok(verdict.outcome())
}

/// A token, held against the terms.
pub(super) struct Verdict {
    findings: Vec<(Check, Finding)>,
    rejection: Option<Rejection>,
    /// What a person may want to do about the rejection.
    remedy: Option<&'static str>,
    /// The verified claims, as they are spelt.
    claims: Option<String>,
    kid: Option<String>,
    terms: Terms,
    unusable: Vec<Unusable>,
}

/// The claims that are checked. All may be missing, so that the check that needs one says so.
#[derive(Debug, Deserialize)]
struct Checked {
    #[serde(default, deserialize_with = "not_null")]
    iss: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "not_null")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<NumericDate>,
}

impl Claims for Checked {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: self.iss.as_deref(),
            audience: self.aud.as_ref().map(|aud| aud as _),
            expires: self.exp,
            not_before: self.nbf,
        }
    }
}

impl Verdict {
    pub(super) async fn of(
        token: &str,
        trust: &Trust,
        key: Option<&Input>,
        alg: Option<Alg>,
    ) -> anyhow::Result<Self> {
        let header = decode_unverified(token).ok();
        let kid = header.as_ref().and_then(|header| header.unverified_kid());
        let keyring = Keyring::gather(trust, key, alg, kid).await?;
        let terms = terms(trust, &keyring)?;
        let verifier =
            Verifier::new(terms.issuer.clone(), terms.audience.clone(), terms.typ.clone(), keyring.set);
        let mut scratch = Scratch::default();
        let result = verifier.verify_in::<Checked>(token, terms.now, &mut scratch);
        let payload = scratch.into_payload();
        // A rejection after the signature leaves claims that somebody trusted did sign: their dates are good
        // for saying why.
        let dates = serde_json::from_slice(&payload).unwrap_or_default();
        let seen = Seen { token, header: header.as_ref(), dates };
        let findings = explain(result.as_ref().err(), &seen, &terms);
        let remedy = result.as_ref().err().and_then(|rejection| remedy(rejection, token));
        let (rejection, claims, kid) = match result {
            Ok(verified) => (None, String::from_utf8(payload).ok(), Some(verified.kid().to_owned())),
            Err(rejection) => (Some(rejection), None, None),
        };
        Ok(Self { findings, rejection, remedy, claims, kid, terms, unusable: keyring.unusable })
    }

    pub(super) fn outcome(&self) -> Outcome {
        if self.rejection.is_none() { Outcome::Good } else { Outcome::Refused }
    }

    pub(super) fn for_people(&self) {
        for (check, finding) in &self.findings {
            let name = check.name();
            print::line(match finding {
                Finding::Passed(detail) => format!("{} {name:<11} {detail}", print::good("✓")),
                Finding::Failed(detail) => format!("{} {name:<11} {detail}", print::bad("✗")),
                Finding::NotRun => print::faint(&format!("· {name:<11} not run")),
            });
        }
        match (&self.rejection, &self.claims) {
            (None, Some(claims)) => {
                print::line(format!("\n{}", print::strong(&print::good("verified"))));
                print::line(laid_out(claims));
                print::line(print::faint("not looked at: whether it was revoked since"));
            }
            _ => self.show_refusal(),
        }
    }

    fn show_refusal(&self) {
        print::line(format!("\n{}", print::strong(&print::bad("refused: do not trust anything it says"))));
        if let Some(remedy) = self.remedy {
            print::line(format!("  try:   {remedy}"));
        }
        if matches!(self.rejection, Some(Rejection::UnknownKey { .. })) {
            for Unusable { name, why } in &self.unusable {
                print::line(format!("  passed over: {name}: {why}"));
            }
        }
    }

    /// `claims` only where the token is verified.
    pub(super) fn for_machines(&self) -> Value {
        let rejection = self
            .rejection
            .as_ref()
            .map(|rejection| json!({ "code": rejection.code(), "detail": rejection.to_string() }));
        let unusable: Vec<Value> =
            self.unusable.iter().map(|key| json!({ "key": key.name, "why": key.why })).collect();
        let claims = self.claims.as_deref().and_then(|claims| serde_json::from_str::<Value>(claims).ok());
        json!({
            "verified": self.rejection.is_none(),
            "checks": checks::for_machines(&self.findings, self.rejection.as_ref(), &self.terms),
            "rejection": rejection,
            "kid": self.kid,
            "claims": claims,
            "now": self.terms.now.as_secs(),
            "unusable_keys": unusable,
        })
    }
}

fn terms(trust: &Trust, keyring: &Keyring) -> Result<Terms, Complaint> {
    let nobody = |option: &str| {
        Complaint::unusable(format!("{option} is missing or empty"))
            .at("who does not say whose tokens are taken, and for whom, cannot verify one (RFC 8725 sections 3.8 and 3.9)")
    };
    let issuer = trust.iss.as_deref().or(trust.issuer.as_deref()).unwrap_or_default();
    Ok(Terms {
        issuer: Issuer::new(issuer).map_err(|_| nobody("--iss"))?,
        audience: Audience::new(trust.audience.iter().cloned()).map_err(|_| nobody("--audience"))?,
        typ: trust.typ.clone(),
        now: trust.now.map_or_else(clock::now, |now| now.0),
        keys: keyring.name.clone(),
        kids: keyring.set.keys().iter().map(|key| key.kid().to_owned()).collect(),
    })
}

/// What to do about a rejection, where there is something to do besides refusing the token.
fn remedy(rejection: &Rejection, token: &str) -> Option<&'static str> {
    if token.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer ")) {
        return Some("the token alone, without `Bearer`");
    }
    match rejection {
        Rejection::Malformed(_) if token.matches('.').count() == 4 => {
            Some("gatepass token decrypt, first: five parts are an encrypted token")
        }
        Rejection::Malformed(_) => Some("gatepass token inspect, which shows what is broken"),
        Rejection::UnknownKey { .. } => Some("the issuer's present key set: keys rotate"),
        Rejection::AlgMismatch { .. } => {
            Some("--alg NAME, but only where the key set names no algorithm and the issuer documents another")
        }
        Rejection::Typ { .. } => Some("--typ NAME, but only if tokens of that type are what you take"),
        Rejection::Expired { .. } | Rejection::NotYetValid { .. } => {
            Some("--now TIME, to look back or ahead; the clock of this machine may also be wrong")
        }
        _ => None,
    }
}
