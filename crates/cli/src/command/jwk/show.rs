//! `gatepass jwk show`: what a key is, without its private half.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gatepass_jose::KeyUse;
use serde_json::{Value, json};

use super::facts::Facts;
use crate::args::jwk::Show;
use crate::complaint::Outcome;
use crate::input::Input;
use crate::json_text::visible;
use crate::key_file::{Form, KeyFile};
use crate::print;

pub(crate) fn run(show: &Show) -> anyhow::Result<Outcome> {
    let file = KeyFile::read(&show.file)?;
    let keys: Vec<Facts> = file.keys.iter().map(Facts::of).collect();
    let private = keys.iter().any(|facts| facts.private);
    let mut warnings: Vec<&str> = Vec::new();
    if private && is_open_to_others(&show.file) {
        warnings.push("others on this machine can read the file: chmod 600");
    }
    if private && keys.iter().any(|facts| !facts.private) {
        warnings.push("the set mixes private and public keys: it must not be published");
    }
    if show.json {
        let keys: Vec<Value> = keys.iter().map(Facts::for_machines).collect();
        let unusable: Vec<Value> =
            file.unusable.iter().map(|key| json!({ "key": key.name, "why": key.why })).collect();
        print::json(
            &json!({ "form": form(file.form), "keys": keys, "warnings": warnings, "unusable": unusable }),
        );
    } else {
        for (place, facts) in keys.iter().enumerate() {
            if place > 0 {
                print::line("");
            }
            for_people(facts, file.form);
        }
        for warning in &warnings {
            print::line(format!("{} {warning}", print::warning("!")));
        }
        for key in &file.unusable {
            print::line(format!("\n{} {} is refused: {}", print::bad("✗"), key.name, key.why));
        }
        if keys.is_empty() && file.unusable.is_empty() {
            print::line("an empty set");
        }
    }
    Ok(if file.unusable.is_empty() { Outcome::Good } else { Outcome::Refused })
}

fn for_people(facts: &Facts, form: Form) {
    let line = |name: &str, value: String| print::line(format!("{name:<12}{value}"));
    let curve = facts.curve.as_deref().map(|curve| format!(", {curve}")).unwrap_or_default();
    line("type", format!("{}{curve}", facts.kty));
    if let Some(bits) = facts.bits {
        line("size", format!("{bits} bits"));
    }
    line("alg", facts.alg.map_or_else(|| print::faint("not said"), |alg| alg.to_string()));
    let key_use = match facts.key_use.or(facts.alg.map(|alg| alg.key_use())) {
        Some(KeyUse::Sig) => "signatures".to_owned(),
        Some(KeyUse::Enc) => "encryption".to_owned(),
        None => print::faint("not said"),
    };
    line("use", key_use);
    line("kid", facts.kid.as_deref().map_or_else(|| print::faint("none"), visible));
    line("thumbprint", facts.thumbprint.clone());
    line("private", if facts.private { print::strong("yes: keep it to yourself") } else { "no".to_owned() });
    line("form", self::form(form).to_owned());
    for warning in &facts.warnings {
        print::line(format!("{} {warning}", print::warning("!")));
    }
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Jwk => "JWK",
        Form::JwkSet => "JWK Set",
        Form::Pem => "PEM",
        Form::Der => "DER",
        Form::Secret => "secret",
    }
}

fn is_open_to_others(input: &Input) -> bool {
    match input {
        Input::Stdin => false,
        Input::File(path) => {
            fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0)
        }
    }
}
