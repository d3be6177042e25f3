//! As much of DER as it takes to find the public key in a document. What verifies keys reads them
//! with the crypto library; this only looks, also at those that the library refuses.

/// A key as it stands in a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key<'d> {
    Rsa {
        n: &'d [u8],
        e: &'d [u8],
    },
    /// On a curve, by the name that JWK gives it where it has one.
    Curve(&'static str),
    /// Of an algorithm or curve that is not known here.
    Unknown,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

#[rustfmt::skip] // a table
const CURVES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "P-256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
    (&[0x2b, 0x65, 0x6e], "X25519"),
    (&[0x2b, 0x65, 0x6f], "X448"),
];
/// rsaEncryption and id-RSASSA-PSS.
const RSA: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a],
];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// What follows in a document.
#[derive(Clone, Copy)]
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// The next element's tag and content.
    fn element(&mut self) -> Option<(u8, &'d [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have that tag.
    fn content(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    fn sequence(&mut self) -> Option<Self> {
        self.content(SEQUENCE).map(Reader)
    }
}

/// `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
pub(super) fn public_key(der: &[u8]) -> Option<Key<'_>> {
    let mut info = Reader(der).sequence()?;
    let mut algorithm = info.sequence()?;
    let name = algorithm.content(OID)?;
    let (_, key) = info.content(BIT_STRING)?.split_first()?;
    if RSA.contains(&name) { rsa_public_key(key) } else { Some(curve(name, &mut algorithm)) }
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1).
pub(super) fn rsa_public_key(der: &[u8]) -> Option<Key<'_>> {
    let mut numbers = Reader(der).sequence()?;
    Some(Key::Rsa { n: numbers.content(INTEGER)?, e: numbers.content(INTEGER)? })
}

/// `RSAPrivateKey` (RFC 8017 appendix A.1.2).
pub(super) fn rsa_private_key(der: &[u8]) -> Option<Key<'_>> {
    let mut numbers = Reader(der).sequence()?;
    numbers.content(INTEGER)?;
    Some(Key::Rsa { n: numbers.content(INTEGER)?, e: numbers.content(INTEGER)? })
}

/// `PrivateKeyInfo` (RFC 5958 section 2).
pub(super) fn private_key(der: &[u8]) -> Option<Key<'_>> {
    let mut info = Reader(der).sequence()?;
    info.content(INTEGER)?;
    let mut algorithm = info.sequence()?;
    let name = algorithm.content(OID)?;
    let key = info.content(OCTET_STRING)?;
    if RSA.contains(&name) { rsa_private_key(key) } else { Some(curve(name, &mut algorithm)) }
}

/// `ECPrivateKey` (RFC 5915 section 3).
pub(super) fn ec_private_key(der: &[u8]) -> Option<Key<'_>> {
    let mut key = Reader(der).sequence()?;
    key.content(INTEGER)?;
    key.content(OCTET_STRING)?;
    let parameters = key.content(CONTEXT_0)?;
    Some(curve(EC, &mut Reader(parameters)))
}

/// The key in a `Certificate` (RFC 5280 section 4.1).
pub(super) fn certificate(der: &[u8]) -> Option<Key<'_>> {
    let mut certificate = Reader(der).sequence()?.sequence()?;
    let mut without_version = certificate;
    if certificate.element()?.0 == CONTEXT_0 {
        without_version = certificate;
    }
    // serial number, signature algorithm, issuer, validity, subject
    for _ in 0..5 {
        without_version.element()?;
    }
    public_key(without_version.0)
}

/// A curve by its own name, or by the parameters of `id-ecPublicKey`.
fn curve<'d>(name: &[u8], parameters: &mut Reader<'_>) -> Key<'d> {
    let name = if name == EC { parameters.content(OID).unwrap_or_default() } else { name };
    CURVES.iter().find(|(oid, _)| *oid == name).map_or(Key::Unknown, |(_, name)| Key::Curve(name))
}
