//! The claims of a new token: those of a file, as they are spelt there, and those given as options.

use gatepass_jose::{NumericDate, SecretKey, Timestamp, parse_strict_json};
use gatepass_token::TokenId;
use serde::de::IgnoredAny;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::token::{ClaimOptions, Lifetime};
use crate::complaint::Complaint;
use crate::json_text::{compact, members};

/// Claims in their order, each value with its own spelling: a number is signed as it was written.
#[derive(Debug, Default)]
pub(super) struct ClaimSet(Vec<(String, Box<RawValue>)>);

impl ClaimSet {
    /// Reads a JSON object.
    pub(super) fn parse(json: &str) -> Result<Self, Complaint> {
        let cannot = || Complaint::unusable("the claims cannot be read");
        parse_strict_json::<IgnoredAny>(json.as_bytes()).map_err(|error| cannot().at(error))?;
        if !json.trim_start().starts_with('{') {
            return Err(cannot().at("they are no JSON object"));
        }
        let mut claims = Self::default();
        for member in members(json) {
            let value = RawValue::from_string(compact(member.value)).map_err(|error| cannot().at(error))?;
            claims.0.push((member.name(), value));
        }
        Ok(claims)
    }

    /// Adds what the options say; each replaces the claim of its name.
    pub(super) fn apply(&mut self, options: &ClaimOptions, now: Timestamp) -> Result<(), Complaint> {
        for claim in &options.others {
            self.set(&claim.name, &claim.value)?;
        }
        for (name, value) in [("iss", &options.iss), ("sub", &options.sub)] {
            if let Some(value) = value {
                self.set(name, &Value::from(value.as_str()))?;
            }
        }
        match options.aud.as_slice() {
            [] => {}
            [single] => self.set("aud", &Value::from(single.as_str()))?,
            several => self.set("aud", &Value::from(several.to_vec()))?,
        }
        if let Some(lifetime) = options.expires_in {
            self.set_times(lifetime, now)?;
        }
        Ok(())
    }

    fn set_times(&mut self, lifetime: Lifetime, now: Timestamp) -> Result<(), Complaint> {
        if let Lifetime::For(length) = lifetime {
            self.set("exp", &Value::from(now.saturating_add(length).as_secs()))?;
        }
        self.set("iat", &Value::from(now.as_secs()))?;
        self.set("nbf", &Value::from(now.as_secs()))?;
        if self.find("jti").is_none() {
            let secret = SecretKey::generate()
                .map_err(|error| Complaint::refused("no `jti` can be made").at(error))?;
            let mut random = [0; 10];
            for (to, from) in random.iter_mut().zip(secret.expose()) {
                *to = *from;
            }
            self.set("jti", &Value::from(TokenId::new(now, random).to_string()))?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Complaint> {
        let raw = RawValue::from_string(value.to_string()).map_err(|error| {
            Complaint::unusable(format!("the claim `{name}` cannot be written")).at(error)
        })?;
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.get())
    }

    /// Refuses what no verifier would take, unless the caller insists that the token never expires.
    pub(super) fn require_sound(&self, lifetime: Option<Lifetime>) -> Result<(), Complaint> {
        for name in ["exp", "nbf", "iat"] {
            if self.find(name).is_some_and(|value| serde_json::from_str::<NumericDate>(value).is_err()) {
                return Err(Complaint::refused(format!("the claim `{name}` is no date"))
                    .at("a date is a number of seconds since 1970 (NumericDate, RFC 7519 section 2)")
                    .try_this("--expires-in 15m, which sets all three"));
            }
        }
        if self.find("exp").is_none() && lifetime != Some(Lifetime::Never) {
            return Err(Complaint::refused("the claims have no `exp`")
                .at("a token without it is good for ever, and verifiers refuse it")
                .try_this("--expires-in 15m, or --expires-in never if that is what you want"));
        }
        Ok(())
    }

    /// The claims without which verifiers of gatepass refuse a token.
    pub(super) fn missing(&self) -> impl Iterator<Item = &'static str> {
        ["iss", "aud"].into_iter().filter(|name| self.find(name).is_none())
    }
}

impl Serialize for ClaimSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    fn options() -> ClaimOptions {
        ClaimOptions {
            typ: gatepass_jose::Typ::ACCESS_TOKEN,
            iss: None,
            aud: Vec::new(),
            sub: None,
            expires_in: None,
            others: Vec::new(),
        }
    }

    fn text(claims: &ClaimSet) -> String {
        serde_json::to_string(claims).unwrap()
    }

    #[test]
    fn what_a_file_says_is_signed_as_it_is_spelt() {
        let claims =
            ClaimSet::parse("{ \"z\": 1.50,\n \"a\": [ 12345678901234567890123 ], \"é\": \"x y\" }").unwrap();
        assert_eq!(text(&claims), r#"{"z":1.50,"a":[12345678901234567890123],"é":"x y"}"#);
    }

    #[test]
    fn options_replace_what_a_file_says() {
        let mut claims = ClaimSet::parse(r#"{"iss":"a","exp":1,"jti":"mine","sub":"s"}"#).unwrap();
        let options = ClaimOptions {
            iss: Some("b".to_owned()),
            aud: vec!["x".to_owned(), "y".to_owned()],
            expires_in: Some(Lifetime::For(Duration::from_secs(900))),
            others: vec!["iss=c".parse().unwrap(), "n:=[1]".parse().unwrap()],
            ..options()
        };
        claims.apply(&options, NOW).unwrap();
        assert_eq!(
            text(&claims),
            r#"{"iss":"b","exp":1763780900,"jti":"mine","sub":"s","n":[1],"aud":["x","y"],"iat":1763780000,"nbf":1763780000}"#
        );
    }

    #[test]
    fn refused_claims() {
        for json in ["", "[]", "1", "{\"a\":1,\"a\":2}", "{", "null"] {
            assert!(ClaimSet::parse(json).is_err(), "{json}");
        }
        let cases = [
            ("no_exp", "{}", None, false),
            ("no_exp_on_purpose", "{}", Some(Lifetime::Never), true),
            ("exp", r#"{"exp":1763780900}"#, None, true),
            ("exp_text", r#"{"exp":"1763780900"}"#, None, false),
            ("exp_milliseconds", r#"{"exp":1763780900000}"#, None, false),
            ("nbf_text", r#"{"exp":1763780900,"nbf":"x"}"#, None, false),
        ];
        for (name, json, lifetime, sound) in cases {
            assert_eq!(ClaimSet::parse(json).unwrap().require_sound(lifetime).is_ok(), sound, "{name}");
        }
        assert_eq!(ClaimSet::parse(r#"{"iss":"a"}"#).unwrap().missing().collect::<Vec<_>>(), ["aud"]);
    }
}
