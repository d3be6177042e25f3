use gatepass_guard::{Denied, Guard, IssuerConfig, KeySource, Revocation, StartError};
use gatepass_jose::{Alg, JwkSet, SecretKey, SigningKey, Typ, jwt};
use serde_json::{Value, json};
use url::Url;

use crate::issuer::{AUDIENCE, Issuer, guard, inline, new_key, now};

async fn check(guard: &Guard, token: &str) -> Result<(), &'static str> {
    guard.verify(token).await.map(|_| ()).map_err(|denied| denied.check())
}

#[tokio::test]
async fn what_is_verified_of_a_token() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.config()]).await;
    let at = |offset: i64| now().as_secs() + offset;
    let without = |name: &str| {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        issuer.sign(&claims)
    };
    let another_type = |typ: &Typ| jwt::sign(typ, &issuer.claims(), &issuer.keys.lock().unwrap()[0]).unwrap();
    let signed_by = |key: SigningKey| jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &key).unwrap();
    let public = serde_json::to_vec(&issuer.jwk_set().keys[0]).unwrap();
    let good = issuer.token();
    let (head, _) = good.rsplit_once('.').unwrap();
    let cases = [
        ("as_issued", good.clone(), Ok(())),
        ("several_audiences", issuer.token_with("aud", json!(["x", AUDIENCE])), Ok(())),
        ("another_audience", issuer.token_with("aud", "https://other.example.com"), Err("wrong-audience")),
        ("no_audience", without("aud"), Err("bad-claims")),
        ("another_issuer", issuer.token_with("iss", "https://other.example.com"), Err("wrong-issuer")),
        ("issuer_with_a_slash", issuer.token_with("iss", format!("{}/", issuer.url)), Err("wrong-issuer")),
        ("expired_within_the_skew", issuer.token_with("exp", at(-50)), Ok(())),
        ("expired", issuer.token_with("exp", at(-61)), Err("expired")),
        ("no_expiry", without("exp"), Err("bad-claims")),
        ("not_yet_valid", issuer.token_with("nbf", at(70)), Err("not-yet-valid")),
        ("no_subject", without("sub"), Err("bad-claims")),
        ("no_jti", without("jti"), Err("bad-claims")),
        ("no_client", without("client_id"), Err("bad-claims")),
        ("id_token", another_type(&Typ::new("JWT")), Err("wrong-type")),
        ("revocation_snapshot", another_type(&Typ::new("gatepass-revocations+jwt")), Err("wrong-type")),
        ("key_of_the_same_name", signed_by(new_key("k1")), Err("bad-signature")),
        (
            "another_algorithm",
            signed_by(SigningKey::generate(Alg::EdDSA, Some("k1")).unwrap()),
            Err("alg-mismatch"),
        ),
        (
            "public_key_as_secret",
            signed_by(SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new(public)).unwrap()),
            Err("alg-mismatch"),
        ),
        ("signature_cut_off", format!("{head}."), Err("bad-signature")),
        ("two_parts", head.to_owned(), Err("malformed")),
        ("empty", String::new(), Err("malformed")),
        ("far_too_long", "a.".repeat(20_000), Err("too-long")),
    ];
    for (name, token, want) in cases {
        assert_eq!(check(&guard, &token).await, want, "{name}");
    }
}

#[tokio::test]
async fn an_issuer_speaks_for_itself_alone() {
    let (ours, partner) = (Issuer::start().await, Issuer::start().await);
    let guard = guard([ours.config(), partner.config()]).await;
    let forged = |iss: &Issuer, key: &SigningKey| jwt::sign(&Typ::ACCESS_TOKEN, &iss.claims(), key).unwrap();
    // Both name their key "k1".
    let partner_as_ours = forged(&ours, &partner.keys.lock().unwrap()[0]);
    let cases = [
        ("ours", ours.token(), Ok(())),
        ("partner", partner.token(), Ok(())),
        ("partner_as_ours", partner_as_ours, Err("bad-signature")),
        ("nobody", ours.token_with("iss", "https://evil.example.com"), Err("untrusted-issuer")),
        ("no_issuer", ours.token_with("iss", Value::Null), Err("malformed")),
        ("not_even_a_token", "a.b.c".to_owned(), Err("malformed")),
    ];
    for (name, token, want) in cases {
        assert_eq!(check(&guard, &token).await, want, "{name}");
    }
}

#[tokio::test]
async fn keys_that_are_given_need_no_issuer() {
    let issuer = Issuer::start().await;
    issuer.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let guard = guard([inline(&issuer)]).await;
    assert_eq!(check(&guard, &issuer.token()).await, Ok(()));
    issuer.keys.lock().unwrap().push(new_key("k2"));
    assert_eq!(check(&guard, &issuer.token()).await, Err("unknown-key"));
    assert_eq!(guard.status().issuers[0].key_set_age, None);
}

#[tokio::test]
async fn a_shared_secret_goes_by_any_name() {
    let secret = SecretKey::generate().unwrap();
    let issuer = Issuer::start().await;
    let keys = KeySource::Secret { alg: Alg::HS256, secret: secret.clone(), previous: None };
    let guard = guard([IssuerConfig { keys, ..issuer.config() }]).await;
    let token = |kid: &str, secret: &SecretKey| {
        let key = SigningKey::from_secret(Alg::HS256, kid, secret).unwrap();
        jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &key).unwrap()
    };
    for kid in ["shared", "2026-11", "shared"] {
        assert_eq!(check(&guard, &token(kid, &secret)).await, Ok(()), "{kid}");
    }
    assert_eq!(check(&guard, &token("shared", &SecretKey::generate().unwrap())).await, Err("bad-signature"));
    assert_eq!(check(&guard, &token("new", &SecretKey::generate().unwrap())).await, Err("bad-signature"));
    assert_eq!(check(&guard, &issuer.token()).await, Err("alg-mismatch"), "published keys do not count");
}

#[tokio::test]
async fn a_previous_secret_verifies_until_it_is_taken_away() {
    let [old, new, strange] = std::array::from_fn(|_| SecretKey::generate().unwrap());
    let issuer = Issuer::start().await;
    let trusting = async |secret: &SecretKey, previous: Option<&SecretKey>| {
        let keys = KeySource::Secret { alg: Alg::HS256, secret: secret.clone(), previous: previous.cloned() };
        guard([IssuerConfig { keys, ..issuer.config() }]).await
    };
    let sign = |kid: &str, secret: &SecretKey, claims: &Value| {
        let key = SigningKey::from_secret(Alg::HS256, kid, secret).unwrap();
        jwt::sign(&Typ::ACCESS_TOKEN, claims, &key).unwrap()
    };
    let during = trusting(&new, Some(&old)).await;
    // Whatever they call their keys: by names of their own, by one for both, or not at all.
    for (old_kid, new_kid) in [("a", "b"), ("same", "same"), ("", ""), ("a", ""), ("", "b")] {
        for (kid, secret) in [(old_kid, &old), (new_kid, &new), (old_kid, &old)] {
            let admitted = during.verify(&sign(kid, secret, &issuer.claims())).await;
            let admitted = admitted.unwrap_or_else(|denied| panic!("{old_kid} {new_kid}: {denied}"));
            assert!(kid.is_empty() || admitted.kid() == Some(kid), "{kid}, not {:?}", admitted.kid());
        }
        for kid in [old_kid, new_kid, "other"] {
            let forged = sign(kid, &strange, &issuer.claims());
            assert_eq!(check(&during, &forged).await, Err("bad-signature"), "{kid}");
        }
    }
    let mut expired = issuer.claims();
    expired["exp"] = json!(1);
    let expired = sign("a", &old, &expired);
    assert_eq!(check(&during, &expired).await, Err("expired"), "it is a token of theirs");
    assert_eq!(during.status().issuers[0].keys, 2);

    let after = trusting(&new, None).await;
    assert_eq!(check(&after, &sign("a", &old, &issuer.claims())).await, Err("bad-signature"));
    assert_eq!(check(&after, &sign("b", &new, &issuer.claims())).await, Ok(()));
}

#[tokio::test]
async fn the_verified_token_gives_its_claims() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.config()]).await;
    let admitted = guard.verify(&issuer.token()).await.unwrap();
    assert_eq!(
        (admitted.sub.as_str(), admitted.sid.as_deref(), admitted.kid()),
        ("ann", Some("s1"), Some("k1"))
    );
    assert!(admitted.scope.contains("orders:read"));
    assert_eq!(admitted.claim("tenant"), Some(&json!("acme")));
    assert_eq!(admitted.claim("unheard_of"), None);
    assert_eq!(admitted.custom::<Value>().unwrap()["iss"], json!(issuer.url));
    assert!(matches!(admitted.custom::<Vec<u8>>(), Err(Denied::CustomClaims(_))));
}

#[tokio::test]
async fn a_configuration_that_leaves_something_open_does_not_start() {
    let good = || IssuerConfig::new("https://auth.example.com", [AUDIENCE], Revocation::None);
    let far = Url::parse("http://keys.example.com/").unwrap();
    let secret = |alg, secret, previous| KeySource::Secret { alg, secret, previous };
    let good_one = || SecretKey::generate().unwrap();
    let short = secret(Alg::HS256, SecretKey::new(*b"short"), None);
    let short_previous = secret(Alg::HS256, good_one(), Some(SecretKey::new(*b"short")));
    let not_hmac = secret(Alg::ES256, good_one(), None);
    type Check = fn(&StartError) -> bool;
    let cases: [(&str, Vec<IssuerConfig>, Check); 13] = [
        ("no_issuer", vec![], |e| matches!(e, StartError::NoIssuer)),
        ("twice_the_same", vec![good(), good()], |e| matches!(e, StartError::DuplicateIssuer { .. })),
        ("empty_issuer", vec![IssuerConfig { issuer: "".into(), ..good() }], |e| {
            matches!(e, StartError::IssuerUrl { .. })
        }),
        ("no_audience", vec![IssuerConfig { audience: vec![], ..good() }], |e| {
            matches!(e, StartError::NoAudience { .. })
        }),
        (
            "an_empty_audience",
            vec![IssuerConfig { audience: vec![AUDIENCE.into(), "".into()], ..good() }],
            |e| matches!(e, StartError::NoAudience { .. }),
        ),
        ("no_algorithm", vec![IssuerConfig { algs: vec![], ..good() }], |e| {
            matches!(e, StartError::Algs { .. })
        }),
        ("hmac_without_a_secret", vec![IssuerConfig { algs: vec![Alg::ES256, Alg::HS256], ..good() }], |e| {
            matches!(e, StartError::Algs { .. })
        }),
        ("short_secret", vec![IssuerConfig { keys: short, ..good() }], |e| {
            matches!(e, StartError::Secret { .. })
        }),
        ("short_previous_secret", vec![IssuerConfig { keys: short_previous, ..good() }], |e| {
            matches!(e, StartError::Secret { .. })
        }),
        ("secret_for_ecdsa", vec![IssuerConfig { keys: not_hmac, ..good() }], |e| {
            matches!(e, StartError::Secret { .. })
        }),
        ("no_key_given", vec![IssuerConfig { keys: KeySource::Inline(JwkSet::default()), ..good() }], |e| {
            matches!(e, StartError::NoUsableKey { .. })
        }),
        (
            "issuer_over_http",
            vec![IssuerConfig { issuer: "http://auth.example.com".into(), ..good() }],
            |e| matches!(e, StartError::InsecureUrl { .. }),
        ),
        ("keys_over_http", vec![IssuerConfig { keys: KeySource::JwksUri(far), ..good() }], |e| {
            matches!(e, StartError::InsecureUrl { .. })
        }),
    ];
    for (name, configs, is_expected) in cases {
        let error = Guard::start(configs).await.expect_err(name);
        assert!(is_expected(&error), "{name}: {error}");
    }
}
