//! `gatepass token decrypt`: what is inside, verified where it is a signed token and the keys are named.

use std::io::{IsTerminal as _, Write as _};

use gatepass_jose::jwe::{Decrypted, Decrypter, DecryptionKey, DecryptionKeys};
use gatepass_jose::{ContentEncryption, Limits, Typ, base64url};
use serde_json::{Value, json};

use super::anatomy::Anatomy;
use super::encrypt::{password, refused, shared_key};
use super::verify::Verdict;
use crate::args::token::Decrypt;
use crate::complaint::{Complaint, Outcome};
use crate::json_text::visible;
use crate::key_file::{Key, KeyFile};
use crate::print;

/// Texts that are encrypted may be longer than what travels in a header.
const MAX_TOKEN: usize = 16 * 1024 * 1024;
/// The most that compressed content may become.
const MAX_DECOMPRESSED: usize = 1024 * 1024;

pub(crate) async fn run(decrypt: &Decrypt) -> anyhow::Result<Outcome> {
    let token = decrypt.token.read()?;
    let header = Anatomy::of(&token).header();
    let keys = decryption_keys(decrypt, header.as_ref())?;
    let enc = if decrypt.enc.is_empty() { ContentEncryption::all().collect() } else { decrypt.enc.clone() };
    let mut decrypter =
        Decrypter::new(keys, &enc).with_limits(Limits { token_bytes: MAX_TOKEN, ..Limits::DEFAULT });
    if decrypt.decompress {
        decrypter = decrypter.with_decompression(MAX_DECOMPRESSED);
    }
    let is_json = token.trim_start().starts_with('{');
    let decrypted =
        if is_json { decrypter.decrypt_json(token.as_bytes()) } else { decrypter.decrypt(&token) };
    let decrypted = decrypted.map_err(|error| {
        let complaint = Complaint::refused("the token is not decrypted").at(&error);
        match error {
            gatepass_jose::jwe::DecryptError::Parts => {
                complaint.try_this("gatepass token inspect, which shows what it is")
            }
            gatepass_jose::jwe::DecryptError::Compressed => {
                complaint.try_this("--decompress, if you trust who sent it")
            }
            _ => complaint,
        }
    })?;
    let verdict = verdict(decrypt, &decrypted).await?;
    let outcome = verdict.as_ref().map_or(Outcome::Good, Verdict::outcome);
    if decrypt.json {
        print::json(&for_machines(&decrypted, verdict.as_ref()));
    } else if let Some(verdict) = verdict {
        verdict.for_people();
    } else {
        if is_token(&decrypted) {
            anstream::eprintln!(
                "note: inside is a signed token that nobody has verified; --jwks, --issuer or --verify-key do"
            );
        }
        show(decrypted.plaintext())?;
    }
    Ok(outcome)
}

/// The keys of the file, the password, or what is wrong with them. A key without a name is taken to be the
/// one that the token asks for: who names a file means the key in it.
fn decryption_keys(decrypt: &Decrypt, header: Option<&Value>) -> Result<DecryptionKeys, Complaint> {
    let input = &decrypt.key;
    let asked = header.and_then(|header| header.get("kid")).and_then(Value::as_str);
    let kid = input.kid.as_deref().or(asked);
    if let (Some(file), Some(alg)) = (&input.password_file, input.alg) {
        let key = DecryptionKey::from_password(alg, kid.unwrap_or_default(), &password(file)?);
        return key
            .map(|key| DecryptionKeys::new(vec![key]))
            .map_err(|error| refused("the password", &error, Some(alg)));
    }
    let Some(file) = &input.key else {
        return Err(Complaint::unusable("no key was named").try_this("--key FILE"));
    };
    let file = KeyFile::read(file)?;
    let name = file.name.clone();
    let chosen = if file.keys.len() > 1 { kid } else { input.kid.as_deref() };
    let Key::Private(mut jwk) = file.chosen(chosen)? else {
        return Err(Complaint::unusable(format!("cannot decrypt with {name}"))
            .at("it holds a public key, and decrypting takes the private one"));
    };
    jwk.kid = jwk.kid.take().or_else(|| kid.map(str::to_owned));
    let enc = match decrypt.enc.as_slice() {
        [enc] => Some(*enc),
        _ => None,
    };
    let key = shared_key(&jwk, input.alg, enc).map_err(|error| refused(&name, &error, input.alg))?;
    Ok(DecryptionKeys::new(vec![key]))
}

/// The verification that was asked for, which the content must be a token for.
async fn verdict(decrypt: &Decrypt, decrypted: &Decrypted) -> anyhow::Result<Option<Verdict>> {
    let trust = &decrypt.trust;
    if trust.jwks.is_none() && trust.issuer.is_none() && decrypt.verify_key.is_none() {
        return Ok(None);
    }
    let inside = std::str::from_utf8(decrypted.plaintext()).ok().filter(|_| is_token(decrypted));
    let inside = inside.ok_or_else(|| {
        Complaint::refused("there is no token inside to verify")
            .at("the header must say so with \"cty\": \"JWT\" (RFC 7519 section 5.2)")
            .try_this("no --jwks, --issuer or --verify-key, to see the text as it is")
    })?;
    Ok(Some(Verdict::of(inside, trust, decrypt.verify_key.as_ref(), decrypt.verify_alg).await?))
}

fn is_token(decrypted: &Decrypted) -> bool {
    decrypted.cty().is_some_and(|cty| Typ::new("JWT").matches(cty))
}

/// The text as it is, for files and pipes; on a terminal, without what that would obey.
fn show(plaintext: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        let text = String::from_utf8_lossy(plaintext);
        let lines: Vec<String> = text.lines().map(visible).collect();
        print::line(lines.join("\n"));
    } else {
        out.write_all(plaintext)?;
    }
    Ok(())
}

/// The content is withheld where it was to be verified and is refused.
fn for_machines(decrypted: &Decrypted, verdict: Option<&Verdict>) -> Value {
    let shown = verdict.is_none_or(|verdict| verdict.outcome() == Outcome::Good);
    let text = std::str::from_utf8(decrypted.plaintext()).ok().filter(|_| shown);
    let binary = (shown && text.is_none()).then(|| base64url::encode(decrypted.plaintext()));
    json!({
        "alg": decrypted.alg(),
        "enc": decrypted.enc(),
        "kid": decrypted.kid(),
        "typ": decrypted.typ(),
        "cty": decrypted.cty(),
        "plaintext": text,
        "plaintext_base64url": binary,
        "verification": verdict.map(Verdict::for_machines),
    })
}
