//! A certificate for a gateway under test, which nobody else trusts.

use std::fs;
use std::path::{Path, PathBuf};

/// What a gateway's file says to use [`self_signed`]'s.
pub const TLS: &str = "\n[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";

/// Leaves `server.pem` and `server.key` in a folder, and gives the path of the first.
pub fn self_signed(folder: &Path, host: &str) -> PathBuf {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([host.to_owned()]).expect("a certificate");
    let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.join(name));
    for (file, kind, der) in [
        (&certificate, "CERTIFICATE", cert.der().to_vec()),
        (&key, "PRIVATE KEY", signing_key.serialize_der()),
    ] {
        let base64 = base64_simd::STANDARD.encode_to_string(der);
        let text = format!("-----BEGIN {kind}-----\n{base64}\n-----END {kind}-----\n");
        fs::write(file, text).expect("writing a certificate");
    }
    certificate
}
