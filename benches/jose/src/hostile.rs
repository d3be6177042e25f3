//! What refusing costs, against accepting a good token of the same length.

use anyhow::{Context as _, Result, ensure};
use gatepass_bench::rounds::{Effort, interleave, timed};
use gatepass_bench::sample::Sample;
use gatepass_bench::table::{Table, micros, section};
use gatepass_jose::{Alg, Audience, Limits, Timestamp, Typ, base64url, jwt};
use gatepass_token::AccessClaims;

/// The longest token that is looked at.
const LONGEST: usize = Limits::DEFAULT.token_bytes;
/// As many members as an object may have.
const MEMBERS: usize = Limits::DEFAULT.members;

struct Case {
    name: &'static str,
    token: String,
}

pub(crate) fn run(samples: &[Sample], effort: Effort) -> Result<()> {
    section(
        "Hostile tokens",
        "Claims as a struct: refusing a token against accepting a good one of the same length under the same key.
         HS256 is the hardest measure, because there a good token costs least. Target: never more than 1.",
    );
    let mut table = Table::new(&["token", "bytes", "refused as", "µs", "good one, µs", "× good one"]);
    for sample in samples {
        let cases = match sample.alg {
            Alg::HS256 => cases(sample)?,
            _ => forgeries(sample)?,
        };
        for case in cases {
            let good = good_of_length(sample, case.token.len().min(LONGEST))?;
            let issuer_only = case.name.starts_with("choosing");
            let mut contestants = [
                timed(|_| verdict(sample, &good).is_none().into()),
                timed(|_| match issuer_only {
                    true => jwt::unverified_issuer(&case.token).is_ok().into(),
                    false => verdict(sample, &case.token).is_some().into(),
                }),
            ];
            let measured = interleave(effort, &mut contestants)?;
            let code = if issuer_only { Some("nothing, the issuer") } else { verdict(sample, &case.token) };
            table.row([
                format!("{} {}", sample.alg, case.name),
                case.token.len().to_string(),
                code.context("a hostile token was accepted")?.to_owned(),
                micros(measured.median(1)),
                micros(measured.median(0)),
                format!("{:.2}", measured.ratio(1, 0)),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// Why the token is refused; `None` when it is good.
fn verdict(sample: &Sample, token: &str) -> Option<&'static str> {
    sample.verifier.verify::<AccessClaims>(token, sample.now).err().map(|rejection| rejection.code())
}

fn first(sample: &Sample) -> Result<(&str, &AccessClaims)> {
    let token = sample.tokens.first().context("no tokens")?;
    Ok((token, sample.claims.first().context("no claims")?))
}

/// A good token with a role so long that the token has about that length.
fn good_of_length(sample: &Sample, length: usize) -> Result<String> {
    let (token, claims) = first(sample)?;
    let mut claims = claims.clone();
    claims.roles.push("x".repeat(length.saturating_sub(token.len() + 8) * 3 / 4));
    let token = jwt::sign(&Typ::ACCESS_TOKEN, &claims, &sample.signer)?;
    ensure!(verdict(sample, &token).is_none(), "the good token of {length} bytes is refused");
    Ok(token)
}

/// What only costs a signature check.
fn forgeries(sample: &Sample) -> Result<Vec<Case>> {
    let (token, _) = first(sample)?;
    let (input, signature) = token.rsplit_once('.').context("a token without dots")?;
    let mut other = base64url::decode(signature)?;
    if let Some(byte) = other.last_mut() {
        *byte ^= 1;
    }
    Ok(vec![
        Case { name: "another signature", token: format!("{input}.{}", base64url::encode(&other)) },
        Case {
            name: "signature of zeros",
            token: format!("{input}.{}", base64url::encode(&vec![0; other.len()])),
        },
    ])
}

fn cases(sample: &Sample) -> Result<Vec<Case>> {
    let (token, claims) = first(sample)?;
    let (header, rest) = token.split_once('.').context("a token without dots")?;
    let (payload, signature) = rest.split_once('.').context("a token with one dot")?;
    let with_header = |json: &str| format!("{}.{rest}", base64url::encode(json.as_bytes()));
    let signed = |claims: &AccessClaims| jwt::sign(&Typ::ACCESS_TOKEN, claims, &sample.signer);
    let expired = AccessClaims { exp: Timestamp::from_secs(1).into(), ..claims.clone() };
    let elsewhere = AccessClaims { aud: Audience::new(["https://other.example.com"])?, ..claims.clone() };
    let members = |names: &dyn Fn(usize) -> String, count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!("\"{}\":1", names(number))).collect();
        format!("{{{}}}", members.join(","))
    };
    let plain = |number: usize| format!("member{number:03}");
    let escaped = |number: usize| format!("\\u0061{number:03}");
    let short_escaped = |number: usize| format!("\\n{number}");
    let case = |name, token| Case { name, token };
    let mut cases = vec![
        case("no dot", token.replace('.', "")),
        case("four parts", format!("{token}.AA")),
        case("header is no base64url", format!("*{token}")),
        case("header is no JSON", format!("AAAA{token}")),
        case("alg none", with_header(r#"{"alg":"none","typ":"at+jwt","kid":"2026-11-a"}"#)),
        case("unknown kid", with_header(r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-11-b"}"#)),
        case("another type", with_header(r#"{"alg":"HS256","typ":"id+jwt","kid":"2026-11-a"}"#)),
        case("crit", with_header(r#"{"alg":"HS256","typ":"at+jwt","kid":"2026-11-a","crit":["x"]}"#)),
        case("payload of another token", {
            let other =
                sample.tokens.get(1).and_then(|other| other.split('.').nth(1)).context("one token")?;
            format!("{header}.{other}.{signature}")
        }),
        case("signature is no base64url", format!("{header}.{payload}.{signature}*")),
        case("signature cut", token.get(..token.len() - 4).unwrap_or_default().to_owned()),
        case("expired", signed(&expired)?),
        case("another audience", signed(&elsewhere)?),
        case("header with 100 members", with_header(&members(&plain, 100))),
        case("header with 100 escaped members", with_header(&members(&escaped, 100))),
        case("header with all the escaped members", with_header(&members(&short_escaped, MEMBERS))),
        case("header nests 700 deep", with_header(&"[".repeat(700))),
        case("header of one 1.5 kB string", with_header(&format!("{{\"alg\":\"{}\"}}", "x".repeat(1500)))),
        case("16 kB without a dot", "A".repeat(LONGEST)),
        case("16 kB of dots", ".".repeat(LONGEST)),
        case("16 kB with an unknown header", format!("A.{}.A", "A".repeat(LONGEST - 4))),
        case("16 kB, bad signature", format!("{header}.{}.{signature}", "A".repeat(LONGEST - 300))),
        case("a megabyte", "A".repeat(1 << 20)),
    ];
    for (name, count, names) in [
        ("choosing the issuer, all the plain members", MEMBERS, &plain as &dyn Fn(usize) -> String),
        ("choosing the issuer, all the escaped members", MEMBERS, &escaped),
    ] {
        let payload = base64url::encode(members(names, count).as_bytes());
        cases.push(case(name, format!("{header}.{payload}.{signature}")));
    }
    cases.extend(forgeries(sample)?);
    Ok(cases)
}
