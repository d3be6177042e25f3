//! One service per mistake.

use futures_util::StreamExt as _;
use gatepass_attack::{Class, Outcome};
use gatepass_jose::Alg;

use crate::service::Service;
use crate::{findings, full_attack};

/// A mistake by its class's id, the algorithm of the service that makes it, what the attack says of it, and
/// the classes that it cannot be made without.
type Row = (&'static str, Alg, Outcome, &'static [&'static str]);

const MISTAKES: &[Row] = &[
    ("alg-none", Alg::ES256, Outcome::LetIn, &[]),
    // Whatever is not spelt as it should be is unknown.
    (
        "alg-unknown",
        Alg::ES256,
        Outcome::LetIn,
        &["alg-member-case", "alg-swap", "alg-case", "header-malformed"],
    ),
    ("alg-duplicate", Alg::ES256, Outcome::LetIn, &["header-duplicate"]),
    ("alg-member-case", Alg::ES256, Outcome::LetIn, &[]),
    ("signature-empty", Alg::ES256, Outcome::LetIn, &["alg-member-case"]), // its signature is empty
    ("signature-missing", Alg::ES256, Outcome::LetIn, &[]),
    ("signature-partial", Alg::HS256, Outcome::LetIn, &[]),
    ("signature-of-another", Alg::ES256, Outcome::LetIn, &[]),
    ("ecdsa-psychic", Alg::ES256, Outcome::LetIn, &[]),
    ("ecdsa-encoding", Alg::ES256, Outcome::LetIn, &[]),
    ("eddsa-malleable", Alg::EdDSA, Outcome::LetIn, &[]),
    ("rsa-malleable", Alg::RS256, Outcome::LetIn, &[]),
    ("base64-malleable", Alg::ES256, Outcome::LetIn, &["token-surrounded"]), // it skips what is no base64
    ("hmac-confusion", Alg::ES256, Outcome::LetIn, &[]),
    // The content of /dev/null is empty too.
    ("hmac-empty", Alg::ES256, Outcome::LetIn, &["kid-path", "kid-sql", "kid-odd"]),
    ("hmac-weak", Alg::HS256, Outcome::LetIn, &[]),
    ("embedded-jwk", Alg::ES256, Outcome::LetIn, &[]),
    ("embedded-x5c", Alg::ES256, Outcome::LetIn, &[]),
    ("jku-followed", Alg::ES256, Outcome::LetIn, &[]),
    ("x5u-followed", Alg::ES256, Outcome::LetIn, &[]),
    ("kid-followed", Alg::ES256, Outcome::LetIn, &[]),
    ("iss-followed", Alg::ES256, Outcome::LetIn, &[]),
    ("kid-path", Alg::ES256, Outcome::LetIn, &[]),
    ("kid-sql", Alg::ES256, Outcome::LetIn, &[]),
    ("kid-command", Alg::ES256, Outcome::LetIn, &[]),
    ("kid-odd", Alg::ES256, Outcome::LetIn, &[]),
    ("alg-swap", Alg::RS256, Outcome::LetIn, &[]),
    ("alg-case", Alg::ES256, Outcome::LetIn, &[]),
    ("header-duplicate", Alg::ES256, Outcome::LetIn, &[]),
    ("header-malformed", Alg::ES256, Outcome::LetIn, &[]),
    ("crit-unknown", Alg::ES256, Outcome::LetIn, &[]),
    ("crit-malformed", Alg::ES256, Outcome::LetIn, &[]),
    ("b64-false", Alg::ES256, Outcome::LetIn, &[]),
    ("exp-past", Alg::ES256, Outcome::LetIn, &["exp-overflow", "claim-case"]),
    ("exp-missing", Alg::ES256, Outcome::LetIn, &["claim-case"]),
    ("exp-type", Alg::ES256, Outcome::LetIn, &[]),
    ("exp-overflow", Alg::ES256, Outcome::LetIn, &[]),
    ("nbf-future", Alg::ES256, Outcome::LetIn, &[]),
    ("nbf-type", Alg::ES256, Outcome::LetIn, &[]),
    ("iss-wrong", Alg::ES256, Outcome::LetIn, &[]),
    ("iss-missing", Alg::ES256, Outcome::LetIn, &["claim-case"]),
    ("aud-wrong", Alg::ES256, Outcome::LetIn, &[]),
    ("aud-missing", Alg::ES256, Outcome::LetIn, &["claim-case"]),
    ("aud-replay", Alg::ES256, Outcome::LetIn, &[]),
    ("typ-wrong", Alg::ES256, Outcome::LetIn, &["id-token"]),
    ("typ-missing", Alg::ES256, Outcome::LetIn, &["id-token"]),
    ("id-token", Alg::ES256, Outcome::LetIn, &[]),
    ("claim-case", Alg::ES256, Outcome::LetIn, &[]),
    ("claim-duplicate", Alg::ES256, Outcome::LetIn, &[]),
    ("payload-malformed", Alg::ES256, Outcome::LetIn, &[]),
    ("part-count", Alg::ES256, Outcome::LetIn, &["jwe-as-jws"]), // it takes the first three of five, too
    ("jwe-as-jws", Alg::ES256, Outcome::LetIn, &["part-count"]), // the good token twice has five parts
    ("json-serialization", Alg::ES256, Outcome::LetIn, &[]),
    ("nested", Alg::ES256, Outcome::LetIn, &[]),
    ("malformed", Alg::ES256, Outcome::Broke, &["header-malformed"]), // an array is no object
    ("deep-json", Alg::ES256, Outcome::Broke, &[]),
    ("oversized", Alg::ES256, Outcome::Broke, &["deep-json"]), // deep is long
    ("jwe-to-public-key", Alg::RS256, Outcome::LetIn, &[]),
    ("jwe-zip", Alg::RS256, Outcome::Broke, &[]),
    ("jwe-iterations", Alg::ES256, Outcome::Broke, &[]),
    ("two-fields", Alg::ES256, Outcome::LetIn, &[]),
    ("token-list", Alg::ES256, Outcome::LetIn, &["token-surrounded"]),
    ("token-surrounded", Alg::ES256, Outcome::LetIn, &[]),
    ("token-in-query", Alg::ES256, Outcome::LetIn, &[]),
    ("token-in-body", Alg::ES256, Outcome::LetIn, &[]),
    // Going where the token says is a mistake even where the key that is found there is not believed.
    ("fetches-only", Alg::ES256, Outcome::Fetched, &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_found_and_no_other() {
    let wrong: Vec<String> = futures_util::stream::iter(MISTAKES)
        .map(async |(mistake, alg, outcome, implied)| {
            let service = Service::new(mistake, *alg);
            let report = full_attack(&service, &service.serve().await).await.run(|_| {}).await.unwrap();
            assert_eq!(report.stopped, None, "{mistake}");
            let found = findings(&report);
            let own = if *mistake == "fetches-only" { "jku-followed" } else { mistake };
            let named: Vec<&str> = found.keys().copied().filter(|id| *id != own).collect();
            let mut want = implied.to_vec();
            want.sort_unstable();
            let is_right = found.get(own) == Some(outcome) && named == want;
            (!is_right).then(|| {
                let shown: Vec<String> = report
                    .classes
                    .iter()
                    .filter(|class| class.outcome.is_finding())
                    .map(|class| {
                        let first = class
                            .findings
                            .first()
                            .map(|finding| format!("{}: {}", finding.variant, finding.evidence));
                        format!("    {} {} {first:?}", class.id, class.outcome)
                    })
                    .collect();
                format!("{mistake}: wanted {outcome}, with {want:?}; found\n{}", shown.join("\n"))
            })
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_class_has_a_service_that_makes_its_mistake() {
    for class in Class::all().filter(|class| !class.is_note()) {
        assert!(MISTAKES.iter().any(|(mistake, ..)| *mistake == class.id), "{}", class.id);
    }
}
