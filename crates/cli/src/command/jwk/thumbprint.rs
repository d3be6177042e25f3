//! `gatepass jwk thumbprint`: a key's name by its content.

use serde_json::json;

use crate::args::jwk::Thumbprint;
use crate::complaint::{Complaint, Outcome};
use crate::json_text::visible;
use crate::key_file::{Form, Key, KeyFile};
use crate::print;

/// RFC 9278 section 3.
const URI: &str = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

pub(crate) fn run(thumbprint: &Thumbprint) -> anyhow::Result<Outcome> {
    let file = KeyFile::read(&thumbprint.file)?;
    if file.keys.iter().any(Key::is_secret) {
        anstream::eprintln!(
            "note: the thumbprint of a secret is a hash of it: who can guess the secret can check the guess"
        );
    }
    if thumbprint.json {
        let keys = file.keys.iter().map(|key| {
            json!({ "kid": key.kid(), "thumbprint": key.thumbprint(), "uri": format!("{URI}{}", key.thumbprint()) })
        });
        let unusable = file.unusable.iter().map(|key| json!({ "key": key.name, "why": key.why }));
        print::json(&json!({ "keys": keys.collect::<Vec<_>>(), "unusable": unusable.collect::<Vec<_>>() }));
    } else {
        let prefix = if thumbprint.uri { URI } else { "" };
        for key in &file.keys {
            let kid = match (file.form, key.kid()) {
                (Form::JwkSet, Some(kid)) => format!("  {}", visible(kid)),
                _ => String::new(),
            };
            print::line(format!("{prefix}{}{kid}", key.thumbprint()));
        }
    }
    match file.unusable.first() {
        Some(key) if !thumbprint.json => {
            Err(Complaint::refused(format!("{} of {} is refused", key.name, file.name)).at(&key.why).into())
        }
        Some(_) => Ok(Outcome::Refused),
        None => Ok(Outcome::Good),
    }
}
