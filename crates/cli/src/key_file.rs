//! Keys in files, whatever their form: JWK, JWK Set, PEM, DER, or a secret in base64url.

use gatepass_jose::{
    Alg, Jwk, JwkAlg, KeyError, PemError, PrivateJwk, PublicParams, SecretKey, SigningKey, VerifyingKey,
    parse_strict_json,
};
use serde::de::IgnoredAny;

use crate::complaint::Complaint;
use crate::input::Input;
use crate::json_text::{elements, members, visible};

/// What a file holds.
pub(crate) struct KeyFile {
    /// What it is called in messages.
    pub(crate) name: String,
    pub(crate) form: Form,
    pub(crate) keys: Vec<Key>,
    /// Keys of a set that cannot be used, and why.
    pub(crate) unusable: Vec<Unusable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Jwk,
    JwkSet,
    Pem,
    Der,
    Secret,
}

/// One key of a file.
pub(crate) enum Key {
    Public(Jwk),
    /// A private key, or a secret.
    Private(PrivateJwk),
}

/// A key of a set that is passed over.
pub(crate) struct Unusable {
    /// Its `kid`, or its place in the set.
    pub(crate) name: String,
    pub(crate) why: String,
}

impl KeyFile {
    /// Reads a file and tells its form by its content.
    pub(crate) fn read(input: &Input) -> Result<Self, Complaint> {
        let bytes = input.read()?;
        Self::parse(&input.to_string(), &bytes)
    }

    /// As [`read`](Self::read), of what is called `name`.
    pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Self, Complaint> {
        let cannot = || Complaint::unusable(format!("cannot read a key from {name}"));
        if let Ok(text) = std::str::from_utf8(bytes) {
            if text.trim_start().starts_with('{') {
                return Self::parse_json(name, text);
            }
            if text.contains("-----BEGIN ") {
                let keys = pem(name, text)?;
                return Ok(Self { name: name.to_owned(), form: Form::Pem, keys, unusable: Vec::new() });
            }
            if text.trim().is_empty() {
                return Err(cannot().at("it is empty"));
            }
            let secret = SecretKey::parse(text).map_err(|_| {
                cannot().at("it is no JWK, no PEM, and no secret in base64url without padding").try_this(
                    "base64 -w0 FILE | tr '+/' '-_' | tr -d '=', for a secret that is meant as the text itself",
                )
            })?;
            return Ok(Self::one(name, Form::Secret, Key::Private(PrivateJwk::from_secret(&secret))));
        }
        Ok(Self::one(name, Form::Der, der(bytes).map_err(|error| cannot().at(error))?))
    }

    fn parse_json(name: &str, text: &str) -> Result<Self, Complaint> {
        let cannot = || Complaint::unusable(format!("cannot read a key from {name}"));
        parse_strict_json::<IgnoredAny>(text.as_bytes()).map_err(|error| cannot().at(error))?;
        let top = members(text);
        let Some(keys) = top.iter().find(|member| member.name() == "keys") else {
            return Ok(Self::one(name, Form::Jwk, jwk(text).map_err(|error| refused(name, &error))?));
        };
        if !keys.value.starts_with('[') {
            return Err(cannot().at("the member \"keys\" is not an array"));
        }
        let mut file =
            Self { name: name.to_owned(), form: Form::JwkSet, keys: Vec::new(), unusable: Vec::new() };
        for (place, element) in elements(keys.value).into_iter().enumerate() {
            match jwk(element) {
                Ok(key) => file.keys.push(key),
                Err(why) => file.unusable.push(Unusable { name: name_of(element, place), why }),
            }
        }
        Ok(file)
    }

    fn one(name: &str, form: Form, key: Key) -> Self {
        Self { name: name.to_owned(), form, keys: vec![key], unusable: Vec::new() }
    }

    /// The key of the file: the one of that `kid`, where one is named, or the only one.
    pub(crate) fn chosen(mut self, kid: Option<&str>) -> Result<Key, Complaint> {
        let cannot = |why: String| Complaint::unusable(format!("cannot use {}", self.name)).at(why);
        let at = match (self.keys.as_slice(), kid) {
            ([], _) => match self.unusable.first() {
                Some(key) => return Err(refused(&self.name, &format!("{}: {}", key.name, key.why))),
                None => return Err(cannot("it holds no key".to_owned())),
            },
            ([only], _) if only.kid().is_none() => Some(0),
            (keys, Some(_)) => keys.iter().position(|key| key.kid() == kid),
            ([_], None) => Some(0),
            (several, None) => {
                let several = several.len();
                return Err(cannot(format!("it holds {several} keys")).try_this("--kid NAME, to choose one"));
            }
        };
        let at = at.ok_or_else(|| cannot("none of its keys has that `kid`".to_owned()))?;
        Ok(self.keys.swap_remove(at))
    }

    /// As [`chosen`](Self::chosen), of a private key or a secret.
    fn private(mut self, kid: Option<&str>) -> Result<PrivateJwk, Complaint> {
        let name = self.name.clone();
        self.keys.retain(Key::is_private);
        let none = self.keys.is_empty() && self.unusable.is_empty();
        match self.chosen(kid) {
            Ok(Key::Private(jwk)) => Ok(jwk),
            _ if none => Err(Complaint::unusable(format!("cannot use {name}"))
                .at("it holds no private key, only what everybody may know")),
            Ok(Key::Public(_)) => Err(Complaint::unusable(format!("cannot use {name}"))),
            Err(complaint) => Err(complaint),
        }
    }

    /// The key that signs.
    pub(crate) fn signing_key(self, alg: Option<Alg>, kid: Option<&str>) -> Result<SigningKey, Complaint> {
        let name = self.name.clone();
        let mut jwk = self.private(kid)?;
        name_key(&mut jwk, kid);
        SigningKey::from_jwk(&jwk, alg).map_err(|error| {
            let remedy = match (jwk.secret(), alg) {
                (Some(_), None) if jwk.alg.is_none() => {
                    "--alg HS256, which a secret cannot say by itself".to_owned()
                }
                (Some(_), _) => "gatepass jwk generate --alg HS256 --out new.jwk".to_owned(),
                (None, None) if jwk.alg.is_none() => {
                    "--alg NAME, where the key's type allows several".to_owned()
                }
                (None, _) => "gatepass jwk generate --alg ES256 --out new.jwk".to_owned(),
            };
            Complaint::refused(format!("cannot sign with {name}")).at(error).try_this(remedy)
        })
    }
}

impl Key {
    /// The key that verifies, for one of the algorithms allowed. A key without a name gets the one that is
    /// asked for: who names a file means the key in it.
    pub(crate) fn into_verifying_key(
        self,
        allowed: &[Alg],
        kid: Option<&str>,
    ) -> Result<VerifyingKey, KeyError> {
        let mut public = match self {
            Self::Public(jwk) => jwk,
            Self::Private(mut jwk) => match jwk.public() {
                Some(public) => public,
                None => {
                    name_key(&mut jwk, kid);
                    let alg = allowed.iter().find(|alg| alg.is_symmetric());
                    return SigningKey::from_jwk(&jwk, alg.copied())?.verifying_key();
                }
            },
        };
        public.kid = public.kid.or_else(|| kid.map(str::to_owned));
        VerifyingKey::from_jwk(&public, allowed)
    }

    /// Whether both sides share it.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Private(jwk) if jwk.secret().is_some())
    }

    /// Whether whoever has it can sign, or read what is encrypted.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Private(_))
    }

    pub(crate) fn is_rsa(&self) -> bool {
        match self {
            Self::Public(jwk) => matches!(jwk.key, PublicParams::Rsa { .. }),
            Self::Private(jwk) => jwk.public().is_some_and(|jwk| matches!(jwk.key, PublicParams::Rsa { .. })),
        }
    }

    pub(crate) fn thumbprint(&self) -> String {
        match self {
            Self::Public(jwk) => jwk.thumbprint(),
            Self::Private(jwk) => jwk.thumbprint(),
        }
    }

    pub(crate) fn alg(&self) -> Option<JwkAlg> {
        match self {
            Self::Public(jwk) => jwk.alg,
            Self::Private(jwk) => jwk.alg,
        }
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        match self {
            Self::Public(jwk) => jwk.kid.as_deref(),
            Self::Private(jwk) => jwk.kid.as_deref(),
        }
    }
}

/// Gives a key without a name the one of the command line, or its thumbprint.
pub(crate) fn name_key(jwk: &mut PrivateJwk, kid: Option<&str>) {
    if jwk.kid.is_none() {
        jwk.kid = Some(kid.map_or_else(|| jwk.thumbprint(), str::to_owned));
    }
}

fn refused(name: &str, why: &str) -> Complaint {
    Complaint::refused(format!("the key in {name} is refused")).at(why)
}

/// A private key where a member says so, else a public one.
fn jwk(text: &str) -> Result<Key, String> {
    let is_private = members(text).iter().any(|member| matches!(member.name().as_str(), "d" | "k" | "priv"));
    if is_private {
        PrivateJwk::parse(text.as_bytes()).map(Key::Private).map_err(|error| error.to_string())
    } else {
        Jwk::parse(text.as_bytes()).map(Key::Public).map_err(|error| error.to_string())
    }
}

fn name_of(jwk: &str, place: usize) -> String {
    let kid = members(jwk).iter().find(|member| member.name() == "kid").map(|member| member.value.to_owned());
    let kid = kid.and_then(|kid| serde_json::from_str::<String>(&kid).ok());
    kid.map_or_else(|| format!("key {}", place + 1), |kid| format!("\"{}\"", visible(&kid)))
}

/// The keys of a PEM file, one a block. Parameters of a curve, which older tools write in front of a key, are
/// passed over.
fn pem(name: &str, text: &str) -> Result<Vec<Key>, Complaint> {
    let cannot = |why: &str| Complaint::unusable(format!("cannot read a key from {name}")).at(why);
    let mut keys = Vec::new();
    for (label, block) in blocks(text) {
        let key = match label {
            _ if label.ends_with(" PARAMETERS") => continue,
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Jwk::from_pem(block).map(Key::Public),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                PrivateJwk::from_pem(block).map(Key::Private)
            }
            "ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
            "CERTIFICATE" => {
                return Err(cannot("it holds a certificate")
                    .try_this("openssl x509 -pubkey -noout -in FILE, for the key in it"));
            }
            "OPENSSH PRIVATE KEY" => {
                return Err(cannot("it is in the form of OpenSSH")
                    .try_this("ssh-keygen -p -m PKCS8 -f FILE, on a copy of it"));
            }
            _ => return Err(cannot("it holds something else than keys")),
        };
        keys.push(key.map_err(|error| match error {
            PemError::Encrypted => {
                cannot("it is encrypted with a password").try_this("openssl pkey -in FILE, to decrypt it")
            }
            PemError::Key(why) => refused(name, &why.to_string()),
            other => cannot(&other.to_string()),
        })?);
    }
    if keys.is_empty() { Err(cannot("no block of it is a key, or none has an end")) } else { Ok(keys) }
}

/// The blocks of a PEM file, each with its label; one without an end is left out.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    const BEGIN: &str = "-----BEGIN ";
    text.match_indices(BEGIN).filter_map(move |(at, _)| {
        let rest = text.get(at..)?;
        let label = rest.get(BEGIN.len()..)?.split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let len = rest.find(&end)? + end.len();
        Some((label, rest.get(..len)?))
    })
}

/// The key of a DER document: PKCS#8, SEC 1, PKCS#1 or SubjectPublicKeyInfo.
fn der(bytes: &[u8]) -> Result<Key, String> {
    let private = PrivateJwk::from_pkcs8_der(bytes)
        .or_else(|_| PrivateJwk::from_sec1_der(bytes))
        .or_else(|_| PrivateJwk::from_pkcs1_der(bytes));
    let key = private.map(Key::Private).or_else(|_| Jwk::from_pkcs1_der(bytes).map(Key::Public));
    key.or_else(|_| Jwk::from_spki_der(bytes).map(Key::Public)).map_err(|error| error.to_string())
}
