//! `alg`, `crit`, `b64`, `kid` and `typ`.

use gatepass_jose::{Alg, base64url, parse_strict_json};
use serde_json::{Value, json};

use super::{KID, Members, No, Service, TYP, Verified, first_wins, without_trailer};

impl Service {
    pub(super) fn header(&self, encoded: &str) -> Verified<Members> {
        let bytes = self.decode(encoded)?;
        if self.makes("deep-json") && bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 400 {
            return Err(No::Crashed);
        }
        let lenient = serde_json::from_slice::<Value>(&bytes);
        if self.makes("malformed") && lenient.as_ref().is_ok_and(|value| !value.is_object()) {
            return Err(No::Crashed);
        }
        let members = match self.mistake {
            "alg-duplicate" | "header-duplicate-last" => {
                lenient.ok().and_then(|value| value.as_object().cloned())
            }
            "header-duplicate" => first_wins(&bytes),
            "header-malformed" => without_trailer(&bytes),
            _ => parse_strict_json::<Members>(&bytes).ok(),
        };
        members.ok_or(No::Refused)
    }

    /// Whether a mistake makes this pass without a look at the signature.
    pub(super) fn passes_unsigned(&self, encoded: &str, header: &Members, signature: &str) -> bool {
        let alg = header.get("alg").and_then(Value::as_str);
        match self.mistake {
            "alg-none" => alg.is_some_and(|alg| alg.trim().eq_ignore_ascii_case("none")),
            "alg-unknown" => alg.is_none_or(|alg| {
                !alg.to_ascii_lowercase().contains("none") && alg.parse::<Alg>().is_err() && alg.is_ascii()
            }),
            "alg-duplicate" => {
                let text = base64url::decode(encoded).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                alg == Some("none") && text.contains(&format!("\"alg\":\"{}\"", self.alg))
            }
            "alg-member-case" => header.iter().any(|(name, value)| {
                name != "alg" && name.eq_ignore_ascii_case("alg") && value == &json!("none")
            }),
            "signature-empty" => signature.is_empty() && self.require_header(header).is_ok(),
            _ => false,
        }
    }

    /// `alg`, `crit`, `b64` and `kid` of a header that is as it should be.
    pub(super) fn require_header(&self, header: &Members) -> Verified<()> {
        let text = |name| header.get(name).and_then(Value::as_str);
        let alg = text("alg");
        let alg_agrees = match self.mistake {
            "alg-swap" => alg.is_some_and(|alg| alg.parse::<Alg>().is_ok()),
            "alg-case" => alg.is_some_and(|alg| alg.trim().eq_ignore_ascii_case(self.alg.name())),
            _ => alg == Some(self.alg.name()),
        };
        let crit_agrees = match header.get("crit") {
            None => true,
            Some(Value::Array(names)) if names.is_empty() => self.makes("crit-registered"),
            Some(Value::Array(names)) => {
                let b64 = names.contains(&json!("b64"));
                let texts = names.iter().all(Value::is_string);
                texts
                    && (self.makes("crit-unknown") && !b64
                        || self.makes("b64-false") && b64 && names.len() == 1)
            }
            Some(_) => self.makes("crit-malformed"),
        };
        let b64_agrees = !header.contains_key("b64") || self.makes("b64-false");
        if alg_agrees && crit_agrees && b64_agrees && text("kid") == Some(KID) {
            Ok(())
        } else {
            Err(No::Refused)
        }
    }

    pub(super) fn require_type(&self, header: &Members, claims: &Members) -> Verified<()> {
        let agrees = match header.get("typ") {
            None => self.makes("typ-missing"),
            Some(Value::String(typ)) if typ == TYP => true,
            Some(_) => self.makes("typ-wrong"),
        };
        let is_id_token = self.makes("id-token") && claims.contains_key("nonce");
        if agrees || is_id_token { Ok(()) } else { Err(No::Refused) }
    }
}
