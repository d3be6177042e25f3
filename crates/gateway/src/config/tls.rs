//! `[tls]`: the certificate that clients see, and whose they may show.

use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use super::raw::{Field, RawTls};
use crate::tls::{Asked, Pair, ServerFiles, Tls, TlsFile};

/// Checks `[tls]`, and reads the files that it names.
pub(super) fn check(source: &Source<'_>, table: &Field<RawTls>) -> Result<Option<Tls>, ConfigError> {
    let Some(table) = table else { return Ok(None) };
    let RawTls { certificate, key, client_ca } = table.get_ref();
    let certificate =
        source.required(table, certificate, "certificate", "the PEM file with the gateway's certificates")?;
    let key = source.required(table, key, "key", "the PEM file with the certificate's private key")?;
    let path = |file: &Spanned<String>| source.folder.join(file.get_ref());
    let pair = Pair { certificate: path(certificate), key: path(key) };
    let asked = client_ca.as_ref().map_or(Asked::Nobodys, |file| Asked::VouchedFor(path(file)));
    Tls::load(ServerFiles { pair, asked }).map(Some).map_err(|error| {
        let at = match error.file {
            TlsFile::Certificate => certificate,
            TlsFile::Key => key,
            TlsFile::Ca => client_ca.as_ref().unwrap_or(certificate),
        };
        source.error(at, error.to_string())
    })
}
