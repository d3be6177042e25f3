//! `gatepass jwk public`: what may be given away.

use gatepass_jose::{Jwk, JwkSet};
use serde::Serialize;

use crate::args::jwk::Public;
use crate::complaint::{Complaint, Outcome};
use crate::json_text::laid_out;
use crate::key_file::{Form, Key, KeyFile};
use crate::print;

pub(crate) fn run(public: &Public) -> anyhow::Result<Outcome> {
    let file = KeyFile::read(&public.file)?;
    for unusable in &file.unusable {
        anstream::eprintln!("note: {} is left out: {}", unusable.name, unusable.why);
    }
    let is_set = file.form == Form::JwkSet;
    let name = file.name;
    let mut keys = Vec::new();
    for key in file.keys {
        match half(&key) {
            Some(jwk) => keys.push(jwk),
            None if is_set => anstream::eprintln!("note: a secret is left out: it has no public half"),
            None => {
                return Err(Complaint::refused(format!("{name} has no public half"))
                    .at("it is a secret: whoever can verify with it can sign with it")
                    .try_this("gatepass jwk generate --alg ES256, for a key of two halves")
                    .into());
            }
        }
    }
    match keys.pop() {
        Some(only) if !is_set => show(&only, public.json),
        last => {
            keys.extend(last);
            show(&JwkSet { keys }, public.json);
        }
    }
    Ok(Outcome::Good)
}

/// The public half of a key; `None` for a secret.
pub(super) fn half(key: &Key) -> Option<Jwk> {
    match key {
        Key::Public(jwk) => Some(jwk.clone()),
        Key::Private(jwk) => jwk.public(),
    }
}

fn show(value: &impl Serialize, on_one_line: bool) {
    let json = serde_json::to_string(value).unwrap_or_default(); // strings are all there is in a key
    print::line(if on_one_line { json } else { laid_out(&json) });
}
