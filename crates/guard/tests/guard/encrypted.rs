use gatepass_guard::{Decryption, DecryptionKeys, Denied, Guard, IssuerConfig, StartError};
use gatepass_jose::jwe::{DecryptionKey, Encrypter};
use gatepass_jose::{ContentEncryption, Curve, KeyManagement, Typ, base64url, jwt};
use serde_json::{Value, json};

use crate::issuer::{Issuer, guard, new_key, now};

const ENC: ContentEncryption = ContentEncryption::A256GCM;

fn p256(kid: &str) -> DecryptionKey {
    DecryptionKey::generate(KeyManagement::EcdhEsA256KW, Some(Curve::P256), Some(kid)).unwrap()
}

fn encrypted(token: &str, key: &DecryptionKey) -> String {
    Encrypter::new(ENC).with_cty("JWT").encrypt(token.as_bytes(), &key.encryption_key().unwrap()).unwrap()
}

fn config(issuer: &Issuer, keys: &[&DecryptionKey], required: bool) -> IssuerConfig {
    let keys = DecryptionKeys::new(keys.iter().copied().cloned().collect());
    IssuerConfig { decryption: Some(Decryption { keys, required }), ..issuer.config() }
}

async fn check(guard: &Guard, token: &str) -> Result<(), &'static str> {
    guard.verify(token).await.map(|_| ()).map_err(|denied| denied.check())
}

/// The message with another protected header, which its tag does not cover.
fn with_header(message: &str, change: impl FnOnce(&mut Value)) -> String {
    let (header, rest) = message.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&base64url::decode(header).unwrap()).unwrap();
    change(&mut header);
    format!("{}.{rest}", base64url::encode(header.to_string().as_bytes()))
}

/// The message with its last part but `from_end` spoiled.
fn spoiled(message: &str, from_end: usize) -> String {
    let mut parts: Vec<String> = message.split('.').map(str::to_owned).collect();
    let at = parts.len() - 1 - from_end;
    let first = if parts[at].starts_with('A') { "B" } else { "A" };
    parts[at].replace_range(..1, first);
    parts.join(".")
}

#[tokio::test]
async fn what_is_inside_is_verified_like_any_other_token() {
    let issuer = Issuer::start().await;
    let rsa = DecryptionKey::generate(KeyManagement::RsaOaep256, None, Some("r")).unwrap();
    let (key, other) = (p256("k"), p256("k"));
    let guard = guard([config(&issuer, &[&key, &rsa], false)]).await;
    let good = issuer.token();
    let message = encrypted(&good, &key);
    let forged = jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &new_key("k1")).unwrap();
    let id_token = jwt::sign(&Typ::new("JWT"), &issuer.claims(), &issuer.keys.lock().unwrap()[0]).unwrap();
    let typed = |cty: Option<&str>, content: &[u8]| {
        let encrypter = Encrypter::new(ENC);
        let encrypter = cty.map_or(encrypter.clone(), |cty| encrypter.with_cty(cty));
        encrypter.encrypt(content, &key.encryption_key().unwrap()).unwrap()
    };
    let zipped = Encrypter::new(ENC).with_cty("JWT").with_compression();
    let zipped = zipped.encrypt(good.as_bytes(), &key.encryption_key().unwrap()).unwrap();
    let cases = [
        ("by_agreement", message.clone(), Ok(())),
        ("by_rsa", encrypted(&good, &rsa), Ok(())),
        ("not_encrypted", good.clone(), Ok(())),
        ("expired", encrypted(&issuer.token_with("exp", now().as_secs() - 61), &key), Err("expired")),
        ("another_audience", encrypted(&issuer.token_with("aud", "https://x"), &key), Err("wrong-audience")),
        ("nobody_signed_it", encrypted(&forged, &key), Err("bad-signature")),
        ("an_id_token", encrypted(&id_token, &key), Err("wrong-type")),
        ("claims_alone", typed(Some("JWT"), issuer.claims().to_string().as_bytes()), Err("malformed")),
        ("encrypted_twice", encrypted(&message, &key), Err("malformed")),
        ("of_no_type", typed(None, good.as_bytes()), Err("undecryptable")),
        ("of_another_type", typed(Some("text/plain"), good.as_bytes()), Err("undecryptable")),
        ("no_text", typed(Some("JWT"), &[0xff, 0xfe]), Err("undecryptable")),
        ("for_another_key_of_the_same_name", encrypted(&good, &other), Err("undecryptable")),
        ("for_an_unknown_key", encrypted(&good, &p256("x")), Err("undecryptable")),
        ("compressed", zipped, Err("undecryptable")),
        ("critical", with_header(&message, |header| header["crit"] = json!(["exp"])), Err("undecryptable")),
        (
            "another_algorithm",
            with_header(&message, |header| header["alg"] = json!("dir")),
            Err("undecryptable"),
        ),
        (
            "a_weaker_one",
            with_header(&message, |header| header["alg"] = json!("ECDH-ES+A128KW")),
            Err("undecryptable"),
        ),
        (
            "another_content",
            with_header(&message, |header| header["enc"] = json!("A128GCM")),
            Err("undecryptable"),
        ),
        (
            "off_the_curve",
            with_header(&message, |header| header["epk"]["y"] = header["epk"]["x"].clone()),
            Err("undecryptable"),
        ),
        ("tag", spoiled(&message, 0), Err("undecryptable")),
        ("content", spoiled(&message, 1), Err("undecryptable")),
        ("vector", spoiled(&message, 2), Err("undecryptable")),
        ("key", spoiled(&message, 3), Err("undecryptable")),
        ("nothing", "....".into(), Err("undecryptable")),
        ("too_long", format!("{message}{}", "A".repeat(20_000)), Err("undecryptable")),
    ];
    for (name, token, want) in cases {
        assert_eq!(check(&guard, &token).await, want, "{name}");
    }
    // Whoever sends them learns nothing of which it was.
    let said = async |token: &str| guard.verify(token).await.unwrap_err().problem();
    let wrong = said(&spoiled(&message, 0)).await;
    for token in [
        spoiled(&message, 3),
        encrypted(&good, &other),
        typed(None, good.as_bytes()),
        encrypted(&forged, &key),
    ] {
        assert_eq!(said(&token).await, wrong);
    }
}

#[tokio::test]
async fn a_token_that_must_be_encrypted_is() {
    let issuer = Issuer::start().await;
    let key = p256("k");
    let strict = guard([config(&issuer, &[&key], true)]).await;
    assert_eq!(check(&strict, &encrypted(&issuer.token(), &key)).await, Ok(()));
    assert_eq!(strict.verify(&issuer.token()).await.unwrap_err(), Denied::NotEncrypted);
    // Without a key nothing is opened.
    let plain = guard([issuer.config()]).await;
    assert_eq!(check(&plain, &encrypted(&issuer.token(), &key)).await, Err("malformed"));
    let start = Guard::start([config(&issuer, &[], false)]).await;
    assert!(matches!(start, Err(StartError::Decryption { .. })));
}

#[tokio::test]
async fn an_issuers_tokens_are_opened_with_its_own_key_alone() {
    let (ours, partner) = (Issuer::start().await, Issuer::start().await);
    let (key, theirs) = (p256("k"), p256("k"));
    let both = guard([config(&ours, &[&key], true), config(&partner, &[&theirs], false)]).await;
    let cases = [
        ("ours", encrypted(&ours.token(), &key), Ok(())),
        ("theirs", encrypted(&partner.token(), &theirs), Ok(())),
        ("ours_for_their_key", encrypted(&ours.token(), &theirs), Err("undecryptable")),
        ("theirs_for_our_key", encrypted(&partner.token(), &key), Err("undecryptable")),
        ("ours_not_encrypted", ours.token(), Err("not-encrypted")),
        ("theirs_not_encrypted", partner.token(), Ok(())),
    ];
    for (name, token, want) in cases {
        assert_eq!(check(&both, &token).await, want, "{name}");
    }
    // Of several guards, the one that has a key is asked.
    let (with_key, without) = (guard([config(&ours, &[&key], true)]).await, guard([ours.config()]).await);
    let token = encrypted(&ours.token(), &key);
    assert!(with_key.opens(&token) && !without.opens(&token) && !with_key.opens(&ours.token()));
}
