//! `gatepass jwk …`

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use gatepass_jose::JwkAlg;

use crate::input::Input;

#[derive(Debug, Subcommand)]
pub(crate) enum Jwk {
    /// Make a key: the private JWK goes to standard output, or to a file that only you can read
    Generate(Generate),
    /// Turn keys into another form: JWK, JWK Set, PEM, DER or the text of a secret, each from each
    Convert(Convert),
    /// Strip the private half, of a key or of each key of a set
    Public(Public),
    /// Print the thumbprint that names a key by its content (RFC 7638)
    Thumbprint(Thumbprint),
    /// Show what a key is and what is unwise about it, without its private half
    Show(Show),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
With --json: `kid`, `alg`, `thumbprint`, `out`, `public_out`, `private` (null with --out), `public` (null for a secret).")]
pub(crate) struct Generate {
    /// What the key is for: a signature algorithm as ES256, EdDSA or ML-DSA-65, one of key management as
    /// ECDH-ES or RSA-OAEP-256, or of content encryption as A256GCM, for direct use
    #[arg(long)]
    pub(crate) alg: JwkAlg,
    /// The key's name; its thumbprint where left out
    #[arg(long)]
    pub(crate) kid: Option<String>,
    /// The size of an RSA key: 2048, 3072 or 4096
    #[arg(long, value_name = "BITS")]
    pub(crate) bits: Option<u32>,
    /// The curve of a key for ECDH-ES: P-256, P-384, P-521 or X25519
    #[arg(long, value_name = "CURVE")]
    pub(crate) curve: Option<gatepass_jose::Curve>,
    /// A new file for the private key, readable by you alone; what is there already is never overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// A new file for the public key, to give away
    #[arg(long, value_name = "FILE")]
    pub(crate) public_out: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
With --json: the JWK or JWK Set on one line; else `pem`, `secret` or `der` (in base64url); with --out, `out` and `private`.")]
pub(crate) struct Convert {
    /// Files with keys in any form, or `-` for standard input; several make a set
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<Input>,
    /// The form to turn them into
    #[arg(long, value_name = "FORM")]
    pub(crate) to: Form,
    /// The algorithm to write into a JWK that names none
    #[arg(long)]
    pub(crate) alg: Option<JwkAlg>,
    /// The name to write into a JWK that has none; its thumbprint where left out
    #[arg(long)]
    pub(crate) kid: Option<String>,
    /// A new file for the answer, or `-` for standard output; private keys need one of the two
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A form of a key, to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One key as JSON
    Jwk,
    /// A JWK Set
    Jwks,
    /// PKCS#8 for a private key, SubjectPublicKeyInfo for a public one
    Pem,
    /// The same in binary
    Der,
    /// A secret in base64url, as `secret_file` of the server takes it
    Secret,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Public {
    /// A file with a key or a JWK Set, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Input,
    /// Print the answer on one line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0, 1 if a key is refused, 2 if there is none to read.
With --json: `keys` (`kid`, `thumbprint`, `uri`), `unusable` (`key`, `why`).")]
pub(crate) struct Thumbprint {
    /// A file with a key or a JWK Set, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Input,
    /// Print it as a URI (RFC 9278)
    #[arg(long)]
    pub(crate) uri: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0, 1 if a key is refused, 2 if there is none to read.
With --json: `form`, `keys` (`kty`, `crv`, `bits`, `alg`, `use`, `kid`, `thumbprint`, `private`, `warnings`), `warnings`,
`unusable` (`key`, `why`).")]
pub(crate) struct Show {
    /// A file with a key or a JWK Set, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Input,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
