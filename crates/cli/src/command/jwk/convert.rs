//! `gatepass jwk convert`: keys in another form.

use std::io::{IsTerminal as _, Write as _};

use gatepass_jose::{Jwk, JwkAlg, PrivateJwk, base64url};
use serde_json::json;
use zeroize::Zeroizing;

use super::new_file::{self, Readers};
use crate::args::jwk::{Convert, Form};
use crate::complaint::{Complaint, Outcome};
use crate::json_text::laid_out;
use crate::key_file::{Key, KeyFile};
use crate::print;

pub(crate) fn run(convert: &Convert) -> anyhow::Result<Outcome> {
    let mut keys = Vec::new();
    for input in &convert.files {
        let file = KeyFile::read(input)?;
        if let Some(key) = file.unusable.first() {
            let what = format!("{} of {} is refused", key.name, file.name);
            return Err(Complaint::refused(what).at(&key.why).into());
        }
        keys.extend(file.keys);
    }
    if convert.kid.is_some() && keys.len() != 1 {
        return Err(Complaint::unusable(format!("--kid names one key, and there are {}", keys.len())).into());
    }
    let is_private = keys.iter().any(Key::is_private);
    let keys = keys.into_iter().map(|key| completed(key, convert)).collect::<Result<Vec<_>, _>>()?;
    let written = write(&keys, convert.to)?;
    deliver(&written, is_private, convert)?;
    Ok(Outcome::Good)
}

/// Gives a key the name and the algorithm that it lacks. A secret is not named by its thumbprint: that
/// would be a hash of it for everybody.
fn completed(key: Key, convert: &Convert) -> Result<Key, Complaint> {
    let refused = |error| Complaint::refused("the key cannot be given that `alg`").at(error);
    match key {
        Key::Public(mut jwk) => {
            set_alg(&mut jwk.alg, convert.alg)?;
            jwk.kid = jwk.kid.clone().or_else(|| convert.kid.clone()).or_else(|| Some(jwk.thumbprint()));
            let json = serde_json::to_vec(&jwk)
                .map_err(|error| Complaint::refused("the key cannot be written").at(error))?;
            Jwk::parse(&json).map(Key::Public).map_err(refused)
        }
        Key::Private(mut jwk) => {
            set_alg(&mut jwk.alg, convert.alg)?;
            let thumbprint = || jwk.secret().is_none().then(|| jwk.thumbprint());
            jwk.kid = jwk.kid.clone().or_else(|| convert.kid.clone()).or_else(thumbprint);
            PrivateJwk::parse(jwk.to_json().as_bytes()).map(Key::Private).map_err(refused)
        }
    }
}

fn set_alg(own: &mut Option<JwkAlg>, wanted: Option<JwkAlg>) -> Result<(), Complaint> {
    match (&own, wanted) {
        (Some(own), Some(wanted)) if *own != wanted => {
            Err(Complaint::refused(format!("the key is for {own}, not for {wanted}"))
                .at("one key is for one algorithm (RFC 8725 section 3.1)")
                .try_this(format!("gatepass jwk generate --alg {wanted}")))
        }
        _ => {
            *own = own.or(wanted);
            Ok(())
        }
    }
}

fn write(keys: &[Key], form: Form) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    let cannot = |error: &dyn std::fmt::Display| {
        Complaint::refused("the key cannot be written in that form").at(error)
    };
    match form {
        Form::Jwk => Ok(Zeroizing::new(json_of(only(keys, "--to jwks")?)?.as_bytes().to_vec())),
        Form::Jwks => {
            let keys = keys.iter().map(json_of).collect::<Result<Vec<_>, _>>()?;
            let texts: Vec<&str> = keys.iter().map(|text| text.as_str()).collect();
            Ok(Zeroizing::new(format!("{{\"keys\":[{}]}}", texts.join(",")).into_bytes()))
        }
        Form::Pem => {
            let mut pem = Zeroizing::new(Vec::new());
            for key in keys {
                let text = match key {
                    Key::Public(jwk) => {
                        jwk.to_spki_pem().map(Zeroizing::new).map_err(|error| cannot(&error))?
                    }
                    Key::Private(jwk) => jwk.to_pkcs8_pem().map_err(|error| cannot(&error))?,
                };
                pem.extend_from_slice(text.trim_end().as_bytes());
                pem.push(b'\n');
            }
            Ok(pem)
        }
        Form::Der => match only(keys, "--to pem")? {
            Key::Public(jwk) => jwk.to_spki_der().map(Zeroizing::new).map_err(|error| cannot(&error)),
            Key::Private(jwk) => jwk.to_pkcs8_der().map_err(|error| cannot(&error)),
        },
        Form::Secret => match only(keys, "--to jwks")? {
            Key::Private(jwk) if jwk.secret().is_some() => {
                let text = jwk.secret().map(|secret| base64url::encode(secret.expose())).unwrap_or_default();
                Ok(Zeroizing::new(text.into_bytes()))
            }
            _ => Err(cannot(&"only a secret (`oct`) is one string of bytes")),
        },
    }
}

fn only<'k>(keys: &'k [Key], form_of_several: &str) -> Result<&'k Key, Complaint> {
    match keys {
        [key] => Ok(key),
        several => {
            Err(Complaint::unusable(format!("there are {} keys, and that form holds one", several.len()))
                .try_this(form_of_several))
        }
    }
}

fn json_of(key: &Key) -> Result<Zeroizing<String>, Complaint> {
    match key {
        Key::Private(jwk) => Ok(jwk.to_json()),
        Key::Public(jwk) => serde_json::to_string(jwk)
            .map(Zeroizing::new)
            .map_err(|error| Complaint::refused("the key cannot be written").at(error)),
    }
}

/// To a new file or to standard output; a private key goes nowhere unless it is said where.
fn deliver(written: &[u8], is_private: bool, convert: &Convert) -> anyhow::Result<()> {
    let is_binary = convert.to == Form::Der;
    match convert.out.as_deref() {
        None if is_private => Err(Complaint::unusable("this would show a private key")
            .try_this("--out FILE, or `--out -` to have it on standard output all the same")
            .into()),
        None => show(written, convert, is_binary),
        Some(path) if path.as_os_str() == "-" => show(written, convert, is_binary),
        Some(path) => {
            let readers = if is_private { Readers::Owner } else { Readers::Everybody };
            let mut content = Zeroizing::new(written.to_vec());
            if !is_binary && !content.ends_with(b"\n") {
                content.push(b'\n');
            }
            new_file::write(path, &content, readers)?;
            if convert.json {
                print::json(&json!({ "out": path, "private": is_private }));
            }
            Ok(())
        }
    }
}

fn show(written: &[u8], convert: &Convert, is_binary: bool) -> anyhow::Result<()> {
    let text = std::str::from_utf8(written).map(str::trim_end);
    match (convert.to, text) {
        (Form::Jwk | Form::Jwks, Ok(text)) if convert.json => print::line(text),
        (Form::Jwk | Form::Jwks, Ok(text)) => print::line(laid_out(text)),
        (Form::Pem, Ok(text)) if convert.json => print::json(&json!({ "pem": text })),
        (Form::Secret, Ok(text)) if convert.json => print::json(&json!({ "secret": text })),
        (Form::Pem | Form::Secret, Ok(text)) => print::line(text),
        _ if convert.json => print::json(&json!({ "der": base64url::encode(written) })),
        _ if is_binary && std::io::stdout().is_terminal() => {
            return Err(Complaint::unusable("DER is binary, and this is a terminal")
                .try_this("--out FILE, or --to pem")
                .into());
        }
        _ => std::io::stdout().write_all(written)?,
    }
    Ok(())
}
