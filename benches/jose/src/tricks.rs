//! What each trick on the way of a verification or a signature brings: the way with it against the way without it.

mod scan;
mod through_value;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use data_encoding::BASE64URL_NOPAD;
use gatepass_bench::claims::BorrowedClaims;
use gatepass_bench::rounds::{Contestant, Effort, interleave, timed};
use gatepass_bench::sample::{AUDIENCE, ISSUER, KID, Sample};
use gatepass_bench::table::{Table, section};
use gatepass_bench_jose::{Ours, ours};
use gatepass_jose::{
    Alg, Audience, Issuer, KeySet, Scratch, SecretKey, SigningKey, Typ, Verifier, jwt, parse_strict_json,
};
use gatepass_token::{AccessClaims, access_verifier};

use self::scan::NoMemberTwice;
use self::through_value::ThroughValue;

/// A way of doing something.
struct Way<'w> {
    name: &'static str,
    contestant: Box<dyn Contestant + 'w>,
}

/// A trick: two ways, by name.
struct Trick {
    name: &'static str,
    with: &'static str,
    without: &'static str,
}

const SIGNED: &str = "signing with HS256";
const SIGNED_ANEW: &str = "signing, header encoded every time";
const WHOLE: &str = "the whole of HS256";
const WHOLE_ES256: &str = "the whole of ES256";
const PARSED_HEADER: &str = "header parsed every time";
const FRESH_BUFFER: &str = "a fresh buffer every time";
const OWNED: &str = "owned strings, the buffer kept";
const THROUGH_VALUE: &str = "owned strings by way of a tree";
const SIMD: &str = "base64-simd";
const DATA_ENCODING: &str = "data-encoding";
const BASE64: &str = "base64 0.23";
const STRICT: &str = "strict parse";
const PLAIN: &str = "plain parse";
const SCANNED: &str = "plain parse, then a pass of its own";

const fn trick(name: &'static str, with: &'static str, without: &'static str) -> Trick {
    Trick { name, with, without }
}

const TRICKS: [Trick; 7] = [
    trick("header bytes are recognised per key", WHOLE, PARSED_HEADER),
    trick("one buffer for all payloads", WHOLE, FRESH_BUFFER),
    trick("claims are slices of it", WHOLE, OWNED),
    trick("parsed straight into the struct, not into a tree first", OWNED, THROUGH_VALUE),
    trick("base64 with SIMD, against data-encoding", SIMD, DATA_ENCODING),
    trick("base64 with SIMD, against base64", SIMD, BASE64),
    trick("the search for duplicates rides on the parse", STRICT, SCANNED),
];

pub(crate) fn run(ours: &Ours, effort: Effort) -> Result<()> {
    let (sample, slow) = (ours.signatures_of(Alg::HS256)?, ours.signatures_of(Alg::ES256)?);
    section(
        "Tricks",
        &format!(
            "Each trick alone: the same work with it and without it, everything else as it is, interleaved, {} rounds of {} ms. The
             first four are whole verifications with HS256, the others a part of one: decoding or parsing the same payload.
             Without the first: tokens whose header has its members in another order than those that were seen before.
             Shares are of a whole verification into borrowed claims, which has all of the tricks.",
            effort.rounds,
            effort.slice.as_millis(),
        ),
    );
    let (respelt, forgetful) = (Respelt::new(sample)?, forgetful(sample)?);
    let payloads = sample.claims.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let mut ways = whole_ways(sample, slow, &respelt);
    ways.extend(base64_ways(sample)?);
    ways.extend(parse_ways(&payloads));
    ways.extend(sign_ways(sample, &forgetful));
    let names: Vec<_> = ways.iter().map(|way| way.name).collect();
    let mut contestants: Vec<_> = ways.into_iter().map(|way| way.contestant).collect();
    let measured = interleave(effort, &mut contestants)?;
    let at = |name| names.iter().position(|own| *own == name).context("not measured");
    let micros = |nanos: f64| format!("{:.3}", nanos / 1000.0);

    let (whole, slow) = (measured.median(at(WHOLE)?), measured.median(at(WHOLE_ES256)?));
    let mut table = Table::new(&["trick", "with, µs", "without, µs", "brings, µs", "of HS256", "of ES256"]);
    let mut add = |name: &str, with: usize, without: usize| {
        let brings = measured.over(without, with);
        table.row([
            name.to_owned(),
            micros(measured.median(with)),
            micros(measured.median(without)),
            micros(brings),
            format!("{:.1} %", brings / whole * 100.0),
            format!("{:.1} %", brings / slow * 100.0),
        ]);
    };
    for Trick { name, with, without } in TRICKS {
        add(name, at(with)?, at(without)?);
    }
    add("what is left of it: plain against strict parse", at(PLAIN)?, at(STRICT)?);
    table.print();
    println!("  Whole verifications: HS256 {} µs, ES256 {} µs.", micros(whole), micros(slow));
    let (signed, anew) = (at(SIGNED)?, at(SIGNED_ANEW)?);
    let (brings, signed) = (measured.over(anew, signed), measured.median(signed));
    println!(
        "  Signing with HS256: {} µs, of which keeping the encoded header saves {} µs ({:.1} %).\n",
        micros(signed),
        micros(brings),
        brings / signed * 100.0
    );
    Ok(())
}

/// A signing key after it has signed tokens of as many other types as it keeps headers of.
fn forgetful(sample: &Sample) -> Result<SigningKey> {
    let key = SigningKey::from_secret(sample.alg, KID, &SecretKey::new([7; 32]))?;
    let claims = sample.claims.first().context("no claims")?;
    for typ in ["a+jwt", "b+jwt", "c+jwt", "d+jwt"] {
        jwt::sign(&Typ::new(typ), claims, &key)?;
    }
    Ok(key)
}

fn sign_ways<'w>(sample: &'w Sample, forgetful: &'w SigningKey) -> Vec<Way<'w>> {
    let with = |key: &'w SigningKey| {
        timed(move |call| {
            let claims = &sample.claims[call % sample.claims.len()];
            jwt::sign(&Typ::ACCESS_TOKEN, claims, key).map_or(0, |token| token.len() as u64)
        })
    };
    vec![
        Way { name: SIGNED, contestant: with(&sample.signer) },
        Way { name: SIGNED_ANEW, contestant: with(forgetful) },
    ]
}

/// Tokens of another spelling of the same header, and a verifier that has seen the usual one.
struct Respelt {
    verifier: Verifier,
    tokens: Vec<String>,
}

impl Respelt {
    fn new(sample: &Sample) -> Result<Self> {
        let keys = KeySet::new(vec![sample.signer.verifying_key()?]);
        let verifier = access_verifier(Issuer::new(ISSUER)?, Audience::new([AUDIENCE])?, keys);
        let usual = sample.tokens.first().context("no tokens")?;
        verifier.verify::<AccessClaims>(usual, sample.now)?;
        let header = format!(r#"{{"kid":"{KID}","typ":"at+jwt","alg":"{}"}}"#, sample.alg);
        let forge = |claims| sample.forge(&header, &serde_json::to_string(claims)?);
        let tokens = sample.claims.iter().map(forge).collect::<Result<Vec<_>>>()?;
        for (token, usual) in tokens.iter().zip(&sample.tokens) {
            ensure!(token.len() == usual.len(), "the other spelling is of another length");
            verifier.verify::<AccessClaims>(token, sample.now)?;
        }
        Ok(Self { verifier, tokens })
    }
}

fn whole_ways<'w>(sample: &'w Sample, slow: &'w Sample, respelt: &'w Respelt) -> Vec<Way<'w>> {
    let token = |call: usize| &sample.tokens[call % sample.tokens.len()];
    let way = |name, contestant| Way { name, contestant };
    let [mut scratch, mut kept, mut tree] = std::array::from_fn(|_| Scratch::default());
    vec![
        way(WHOLE, timed(ours::borrowed(sample))),
        way(WHOLE_ES256, timed(ours::borrowed(slow))),
        way(
            PARSED_HEADER,
            timed(move |call| {
                let token = &respelt.tokens[call % respelt.tokens.len()];
                let verifier = &respelt.verifier;
                let verified = verifier.verify_in::<BorrowedClaims<'_>>(token, sample.now, &mut scratch);
                verified.map_or(0, |claims| claims.sub.len() as u64)
            }),
        ),
        way(
            FRESH_BUFFER,
            timed(move |call| {
                let mut fresh = Scratch::default();
                let verifier = &sample.verifier;
                let verified = verifier.verify_in::<BorrowedClaims<'_>>(token(call), sample.now, &mut fresh);
                verified.map_or(0, |claims| claims.sub.len() as u64)
            }),
        ),
        way(
            OWNED,
            timed(move |call| {
                let verified = sample.verifier.verify_in::<AccessClaims>(token(call), sample.now, &mut kept);
                verified.map_or(0, |claims| claims.sub.len() as u64)
            }),
        ),
        way(
            THROUGH_VALUE,
            timed(move |call| {
                let verified = sample.verifier.verify_in::<ThroughValue>(token(call), sample.now, &mut tree);
                verified.map_or(0, |claims| claims.0.sub.len() as u64)
            }),
        ),
    ]
}

/// Decoding into a buffer that is used again.
fn base64_ways(sample: &Sample) -> Result<Vec<Way<'_>>> {
    let encoded = sample.tokens.iter().map(|token| token.split('.').nth(1).context("no payload"));
    let encoded: Vec<&[u8]> = encoded.map(|part| part.map(str::as_bytes)).collect::<Result<_>>()?;
    let longest = encoded.iter().map(|part| part.len()).max().unwrap_or(0);
    let [simd, other, third] = [0; 3].map(|_| (encoded.clone(), vec![0; longest]));
    Ok(vec![
        Way { name: SIMD, contestant: decoder(simd, decode_simd) },
        Way { name: DATA_ENCODING, contestant: decoder(other, decode_data_encoding) },
        Way { name: BASE64, contestant: decoder(third, decode_base64) },
    ])
}

/// A decoder gives the number of decoded bytes.
type Decode = fn(&[u8], &mut [u8]) -> usize;

fn decoder<'d>((encoded, mut buffer): (Vec<&'d [u8]>, Vec<u8>), decode: Decode) -> Box<dyn Contestant + 'd> {
    timed(move |call| decode(encoded[call % encoded.len()], &mut buffer) as u64)
}

fn decode_simd(text: &[u8], buffer: &mut [u8]) -> usize {
    base64_simd::URL_SAFE_NO_PAD
        .decode(text, base64_simd::Out::from_slice(buffer))
        .map_or(0, |decoded| decoded.len())
}

fn decode_data_encoding(text: &[u8], buffer: &mut [u8]) -> usize {
    let Ok(len) = BASE64URL_NOPAD.decode_len(text.len()) else { return 0 };
    buffer.get_mut(..len).and_then(|buffer| BASE64URL_NOPAD.decode_mut(text, buffer).ok()).unwrap_or(0)
}

fn decode_base64(text: &[u8], buffer: &mut [u8]) -> usize {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode_slice(text, buffer).unwrap_or(0)
}

/// Parsing the same payload into borrowed claims, which is what the whole way does.
fn parse_ways(payloads: &[String]) -> Vec<Way<'_>> {
    let payload = |call: usize| payloads[call % payloads.len()].as_str();
    let plain = |text| serde_json::from_str::<BorrowedClaims<'_>>(text).map_or(0, |claims| claims.sub.len());
    let way = |name, contestant| Way { name, contestant };
    vec![
        way(
            STRICT,
            timed(move |call| {
                let claims = parse_strict_json::<BorrowedClaims<'_>>(payload(call).as_bytes());
                claims.map_or(0, |claims| claims.sub.len() as u64)
            }),
        ),
        way(
            PLAIN,
            timed(move |call| {
                let text = std::str::from_utf8(payload(call).as_bytes()).unwrap_or_default();
                plain(text) as u64
            }),
        ),
        way(
            SCANNED,
            timed(move |call| {
                let text = std::str::from_utf8(payload(call).as_bytes()).unwrap_or_default();
                match serde_json::from_str::<NoMemberTwice>(text) {
                    Ok(NoMemberTwice) => plain(text) as u64,
                    Err(_) => 0,
                }
            }),
        ),
    ]
}
