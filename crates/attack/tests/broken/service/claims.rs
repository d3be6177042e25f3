//! What a token says, and whether that is enough.

use gatepass_jose::{base64url, parse_strict_json};
use serde_json::Value;

use super::{AUDIENCE, ISSUER, Members, No, Service, Verified, first_wins, without_trailer};
use crate::{NOW, OTHER_AUDIENCE};

impl Service {
    pub(super) fn require_parsable(&self, payload: &str) -> Verified<()> {
        let deep = |bytes: Vec<u8>| bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 400;
        if self.makes("deep-json") && base64url::decode(payload).is_ok_and(deep) {
            return Err(No::Crashed);
        }
        Ok(())
    }

    pub(super) fn payload(&self, encoded: &str) -> Verified<Members> {
        let bytes = self.decode(encoded)?;
        let claims = match self.mistake {
            "claim-duplicate" => first_wins(&bytes),
            "claim-duplicate-last" => serde_json::from_slice(&bytes).ok(),
            "payload-malformed" => without_trailer(&bytes),
            "claim-case" => parse_strict_json::<Members>(&bytes).ok().map(|claims| {
                claims.into_iter().rev().map(|(name, value)| (name.to_lowercase(), value)).collect()
            }),
            _ => parse_strict_json(&bytes).ok(),
        };
        claims.ok_or(No::Refused)
    }

    pub(super) fn require_claims(&self, claims: &Members) -> Verified<()> {
        let claim = |name: &str| claims.get(name).filter(|value| !value.is_null());
        let holds = self.issuer_holds(claim("iss"))
            && self.audience_holds(claim("aud"))
            && self.expiry_holds(claim("exp"))
            && self.start_holds(claim("nbf"));
        if holds { Ok(()) } else { Err(No::Refused) }
    }

    pub(super) fn issuer_holds(&self, issuer: Option<&Value>) -> bool {
        match issuer {
            None => self.makes("iss-missing"),
            Some(Value::String(issuer)) => {
                let is_strangers = self.makes("iss-followed") && issuer.starts_with("http://127.0.0.1");
                let is_nearly = self.makes("iss-wrong") && issuer.starts_with(ISSUER);
                issuer == ISSUER || is_strangers || is_nearly
            }
            Some(_) => false,
        }
    }

    pub(super) fn audience_holds(&self, audience: Option<&Value>) -> bool {
        let is_own = |audience: &str| match self.mistake {
            "aud-wrong" => audience.contains(AUDIENCE),
            "aud-replay" => audience == AUDIENCE || audience == OTHER_AUDIENCE,
            _ => audience == AUDIENCE,
        };
        match audience {
            None => self.makes("aud-missing"),
            Some(Value::String(audience)) => is_own(audience),
            Some(Value::Array(several)) => {
                several.iter().all(Value::is_string) && several.iter().filter_map(Value::as_str).any(is_own)
            }
            Some(_) => false,
        }
    }

    pub(super) fn expiry_holds(&self, expiry: Option<&Value>) -> bool {
        match expiry {
            None => self.makes("exp-missing"),
            Some(Value::Number(_)) if self.makes("exp-past") => true,
            Some(Value::Number(expiry)) if self.makes("exp-overflow") => {
                let wrapped = expiry.as_f64().unwrap_or_default() as i64 as u32; // the mistake
                i64::from(wrapped) > NOW
            }
            Some(Value::Number(expiry)) => expiry.as_f64().is_some_and(|expiry| expiry > NOW as f64),
            Some(_) => self.makes("exp-type"),
        }
    }

    pub(super) fn start_holds(&self, start: Option<&Value>) -> bool {
        match start {
            None => true,
            Some(Value::Number(_)) if self.makes("nbf-future") => true,
            Some(Value::Number(start)) => start.as_f64().is_some_and(|start| start <= NOW as f64),
            Some(_) => self.makes("nbf-type"),
        }
    }
}
