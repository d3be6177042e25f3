//! The keys that a token is verified with, and where they came from.

use gatepass_jose::{Alg, KeySet, VerifyingKey};
use url::Url;

use super::checks::KeyringName;
use crate::args::token::Trust;
use crate::complaint::Complaint;
use crate::fetch::Fetch;
use crate::input::Input;
use crate::key_file::{KeyFile, Unusable};

/// Keys ready for use.
pub(super) struct Keyring {
    pub(super) set: KeySet,
    pub(super) name: KeyringName,
    /// Keys of the set that cannot verify, and why.
    pub(super) unusable: Vec<Unusable>,
}

impl Keyring {
    /// Gets the keys that the options name. `kid` is what the token asks for: a key file without names is
    /// taken to mean it.
    pub(super) async fn gather(
        trust: &Trust,
        key: Option<&Input>,
        alg: Option<Alg>,
        kid: Option<&str>,
    ) -> Result<Self, Complaint> {
        if let Some(input) = key {
            return Self::of_file(KeyFile::read(input)?, alg, kid);
        }
        match (&trust.jwks, &trust.issuer) {
            (Some(jwks), _) if jwks.starts_with("https://") || jwks.starts_with("http://") => {
                let url = Url::parse(jwks)
                    .map_err(|error| Complaint::unusable(format!("--jwks {jwks} is no URL")).at(error))?;
                let document = Fetch::new(trust.insecure_http)?.document(&url).await?;
                Self::of_set(KeyFile::parse(jwks, &document)?, alg)
            }
            (Some(jwks), _) => {
                let Ok(input) = jwks.parse::<Input>();
                Self::of_set(KeyFile::read(&input)?, alg)
            }
            (None, Some(issuer)) => {
                let fetch = Fetch::new(trust.insecure_http)?;
                let url = fetch.jwks_uri(issuer).await?;
                let document = fetch.document(&url).await?;
                Self::of_set(KeyFile::parse(url.as_str(), &document)?, alg)
            }
            (None, None) => {
                Err(Complaint::unusable("no keys were named").try_this("--jwks, --issuer or --key"))
            }
        }
    }

    /// The one key of a file, which must be usable.
    fn of_file(file: KeyFile, alg: Option<Alg>, kid: Option<&str>) -> Result<Self, Complaint> {
        if file.keys.len() + file.unusable.len() != 1 {
            return Self::of_set(file, alg);
        }
        let name = file.name.clone();
        let key = file.chosen(None)?;
        let secret = key.is_secret();
        // Six algorithms share RSA keys. A published set leaves RS256 unsaid; a file of one's own is asked about.
        let allowed = match alg {
            Some(alg) => vec![alg],
            None if key.is_rsa() && key.alg().is_none() => Vec::new(),
            None => asymmetric(),
        };
        let key = key.into_verifying_key(&allowed, kid).map_err(|error| {
            let remedy = match (alg, secret) {
                (None, true) => "--alg HS256, which a secret cannot say by itself",
                (None, false) => "--alg NAME, the algorithm that the issuer signs with",
                (Some(_), _) => "another --alg, or the issuer's right key",
            };
            Complaint::refused(format!("cannot verify with the key in {name}")).at(error).try_this(remedy)
        })?;
        Ok(Self { set: KeySet::new(vec![key]), name: KeyringName::OneIn(name), unusable: Vec::new() })
    }

    /// All keys of a set that can verify. A secret in a set is passed over: who published it gave it away.
    fn of_set(file: KeyFile, alg: Option<Alg>) -> Result<Self, Complaint> {
        let allowed = alg.map_or_else(asymmetric, |alg| vec![alg]);
        let name = KeyringName::SetAt(file.name);
        let (mut keys, mut unusable): (Vec<VerifyingKey>, _) = (Vec::new(), file.unusable);
        for (place, key) in file.keys.into_iter().enumerate() {
            let kid = key
                .kid()
                .map_or_else(|| format!("key {}", place + 1), |kid| format!("\"{}\"", kid.escape_debug()));
            if key.is_private() {
                unusable.push(Unusable {
                    name: kid,
                    why: "it is private, and stands in a set of public keys".to_owned(),
                });
                continue;
            }
            match key.into_verifying_key(&allowed, None) {
                Ok(key) => keys.push(key),
                Err(error) => unusable.push(Unusable { name: kid, why: error.to_string() }),
            }
        }
        Ok(Self { set: KeySet::new(keys), name, unusable })
    }
}

fn asymmetric() -> Vec<Alg> {
    Alg::all().filter(|alg| !alg.is_symmetric()).collect()
}
