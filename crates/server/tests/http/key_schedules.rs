//! Signing keys, each algorithm by its own schedule, and starts that find another configuration.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatepass_issuer::admin::{AdminError, ChangeClient, NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, GrantType};
use gatepass_issuer::keys::KeyState;
use gatepass_issuer::store::Store;
use gatepass_issuer::{Config, Issuer, MasterKey, ResourceServer, ResourceServers, RetiredKey, Signing};
use gatepass_jose::{Alg, SigningKey, Timestamp};
use gatepass_server::HttpConfig;
use gatepass_store::Embedded;
use http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{API, Answer, Fixture, ISSUER, START, folder, resource_server};

const DAY: u64 = 24 * 3600;

/// A server whose API has keys of another algorithm than the server itself, on a longer schedule.
async fn fixture() -> Fixture {
    let change = |config: &mut Config| {
        config.resource_servers = signed_with(Alg::Ed25519);
        config.key_schedules.insert(Alg::Ed25519, Duration::from_secs(90 * DAY));
    };
    Fixture::with(HttpConfig::default(), change).await
}

fn signed_with(alg: Alg) -> ResourceServers {
    let server = ResourceServer { signing: Signing::Published(alg), ..resource_server(API) };
    ResourceServers::new(&gatepass_jose::Issuer::new(ISSUER).unwrap(), vec![server]).unwrap()
}

async fn rotate(fixture: &Fixture, admin: &str, body: Value) -> Answer {
    fixture.post("/admin/v1/keys/rotate").bearer(admin).json(&body).send().await
}

/// Algorithm and state of each key, in order.
fn states(answer: &Value) -> Vec<String> {
    let state = |key: &Value| format!("{} {}", key["alg"].as_str().unwrap(), key["state"].as_str().unwrap());
    let mut states: Vec<String> = answer["keys"].as_array().unwrap().iter().map(state).collect();
    states.sort();
    states
}

fn kids(set: &Value) -> BTreeSet<String> {
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_algorithm_has_its_schedule_and_is_rotated_alone() {
    let fixture = fixture().await;
    let admin = fixture.admin().await;
    let list = fixture.get("/admin/v1/keys").bearer(&admin).send().await.expect(StatusCode::OK).json();
    let start = (START / 1000) as u64;
    let schedule = |alg: &str, days: u64, from: u64| json!({"alg": alg, "rotate_every": days * DAY, "next_rotation": from + days * DAY});
    assert_eq!(list["schedules"], json!([schedule("ES256", 30, start), schedule("Ed25519", 90, start)]));

    fixture.pass(Duration::from_secs(60));
    let answer = rotate(&fixture, &admin, json!({"alg": "Ed25519"})).await.expect(StatusCode::OK).json();
    let want =
        ["ES256 published", "ES256 signing", "Ed25519 published", "Ed25519 signing", "Ed25519 verifying"];
    assert_eq!(states(&answer), want);
    let want = json!([schedule("ES256", 30, start), schedule("Ed25519", 90, start + 60)]);
    assert_eq!(answer["schedules"], want);

    fixture.pass(Duration::from_secs(31 * DAY));
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    let admin = fixture.admin().await;
    let list = fixture.get("/admin/v1/keys").bearer(&admin).send().await.expect(StatusCode::OK).json();
    let rotated = |alg: &str| states(&list).contains(&format!("{alg} verifying"));
    assert!(rotated("ES256") && !rotated("Ed25519"), "30 days are over, 90 are not: {list}");
}

#[tokio::test]
async fn what_is_no_algorithm_of_published_keys_is_not_rotated() {
    let fixture = fixture().await;
    let admin = fixture.admin().await;
    let before = fixture.get("/.well-known/jwks.json").send().await.json();
    for emergency in [false, true] {
        for alg in ["PS512", "HS256", "none", "", "es256", "RSA-OAEP"] {
            let answer = rotate(&fixture, &admin, json!({"alg": alg, "emergency": emergency})).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{alg}");
            answer.problem();
        }
    }
    for body in [json!({"alg": ["ES256"]}), json!({"emergency": "yes"}), json!({"alg": {"ES256": null}})] {
        assert_eq!(rotate(&fixture, &admin, body.clone()).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(fixture.get("/.well-known/jwks.json").send().await.json(), before);
}

#[tokio::test]
async fn an_emergency_refuses_what_the_keys_of_one_algorithm_signed_and_of_no_other() {
    let fixture = fixture().await;
    let admin = fixture.admin().await;
    let is_active = async |token: &str| {
        let call = fixture.post("/oauth/introspect").basic("batch", &fixture.secret);
        call.form(&format!("token={token}")).send().await.expect(StatusCode::OK).json()["active"] == true
    };
    // One of a key that signs no more, and one of the key that signs.
    let old = fixture.batch_token().await;
    rotate(&fixture, &admin, json!({"alg": "Ed25519"})).await.expect(StatusCode::OK);
    let new = fixture.batch_token().await;
    let before = kids(&fixture.get("/.well-known/jwks.json").send().await.json());
    assert!(is_active(&old).await && is_active(&new).await);

    let emergency = json!({"alg": "Ed25519", "emergency": true});
    let answer = rotate(&fixture, &admin, emergency).await.expect(StatusCode::OK).json();
    let want = ["ES256 published", "ES256 signing", "Ed25519 published", "Ed25519 signing"];
    assert_eq!(states(&answer), want);
    assert!(!is_active(&old).await && !is_active(&new).await);
    let token = fixture.batch_token().await;
    assert!(is_active(&token).await, "the key that waited signs");
    let after = kids(&fixture.get("/.well-known/jwks.json").send().await.json());
    assert_eq!(before.difference(&after).count(), 2);

    assert_eq!(
        rotate(&fixture, &admin, json!({})).await.status,
        StatusCode::UNAUTHORIZED,
        "it was for the API"
    );
    let admin = fixture.admin().await;
    rotate(&fixture, &admin, json!({"emergency": true})).await.expect(StatusCode::OK);
    assert!(!is_active(&token).await);
    assert_eq!(rotate(&fixture, &admin, json!({})).await.status, StatusCode::UNAUTHORIZED);
    rotate(&fixture, &fixture.admin().await, json!({})).await.expect(StatusCode::OK);
}

/// One store, and starts on it with one configuration or another.
struct Starts {
    master: MasterKey,
    store: Arc<Embedded>,
    _dir: tempfile::TempDir,
}

impl Starts {
    fn new() -> Self {
        let dir = folder();
        let store = Arc::new(Embedded::open(dir.path()).unwrap());
        Self { master: MasterKey::generate().unwrap(), store, _dir: dir }
    }

    async fn start(&self, now: Timestamp, change: impl FnOnce(&mut Config)) -> Issuer {
        let mut config = Config::new(gatepass_jose::Issuer::new(ISSUER).unwrap(), signed_with(Alg::ES256));
        change(&mut config);
        Issuer::open(config, &self.master, Arc::clone(&self.store) as _, now).await.unwrap()
    }
}

fn after(secs: u64) -> Timestamp {
    Timestamp::from_millis(START).saturating_add(Duration::from_secs(secs))
}

fn signer(issuer: &Issuer, now: Timestamp) -> String {
    let keys = issuer.list_keys(now);
    keys.into_iter().find(|key| key.state == KeyState::Signing).unwrap().kid
}

#[tokio::test]
async fn an_algorithm_that_is_dropped_signs_nothing_more_and_its_keys_leave() {
    let starts = Starts::new();
    let of = |issuer: &Issuer, now| {
        let keys = issuer.list_keys(now).into_iter().filter(|key| key.alg == Alg::Ed25519);
        keys.map(|key| key.state).collect::<Vec<_>>()
    };
    let with = starts.start(after(0), |config| config.response_algs = vec![Alg::Ed25519]).await;
    with.maintain(after(600)).await.unwrap();
    assert_eq!(of(&with, after(600)).len(), 2);
    drop(with);
    let without = starts.start(after(700), |_| {}).await;
    assert_eq!(of(&without, after(700)), [KeyState::Verifying]);
    assert!(without.rotate_keys(Some(Alg::Ed25519), after(700)).await.is_err());
    let kid = |issuer: &Issuer| {
        issuer.list_keys(after(700)).into_iter().find(|key| key.alg == Alg::Ed25519).unwrap().kid
    };
    without.maintain(after(700 + 1200)).await.unwrap();
    let last = kid(&without);
    without.maintain(after(700 + 1201)).await.unwrap();
    assert!(of(&without, after(700 + 1201)).is_empty(), "{last} is dead");
}

#[tokio::test]
async fn a_key_of_a_dropped_algorithm_can_be_withdrawn_and_none_takes_its_place() {
    let starts = Starts::new();
    drop(starts.start(after(0), |config| config.response_algs = vec![Alg::Ed25519]).await);
    let without = starts.start(after(1), |_| {}).await;
    let find = || without.list_keys(after(1)).into_iter().find(|key| key.alg == Alg::Ed25519);
    let kid = find().unwrap().kid;
    assert!(
        without.withdraw_key(&kid, gatepass_revocation::Reason::KEY_COMPROMISED, after(1)).await.unwrap()
    );
    assert!(find().is_none());
    assert!(without.rotate_keys(Some(Alg::Ed25519), after(1)).await.is_err(), "no key is there");
    let again = without.withdraw_key(&kid, gatepass_revocation::Reason::KEY_COMPROMISED, after(1)).await;
    assert!(!again.unwrap(), "it is announced, and nothing is there");
}

#[tokio::test]
async fn an_emergency_counts_for_an_algorithm_that_is_dropped_as_long_as_its_keys_verify() {
    let starts = Starts::new();
    let with = starts.start(after(0), |config| config.response_algs = vec![Alg::Ed25519]).await;
    with.maintain(after(600)).await.unwrap();
    drop(with);
    let without = starts.start(after(700), |_| {}).await;
    let reason = || gatepass_revocation::Reason::KEY_COMPROMISED;
    without.replace_keys(Some(Alg::Ed25519), reason(), after(700)).await.unwrap();
    assert!(without.list_keys(after(700)).iter().all(|key| key.alg != Alg::Ed25519));
    assert!(without.replace_keys(Some(Alg::Ed25519), reason(), after(700)).await.is_err(), "nothing is left");
}

/// As where a change has become durable, and whoever made it could not see it to its end.
#[tokio::test]
async fn a_change_that_is_in_the_store_alone_is_taken_over_and_not_undone() {
    let starts = Starts::new();
    let mut leaked = Vec::new();
    for (late, what) in [(1, "schedule"), (31 * DAY, "rotation"), (62 * DAY, "emergency")] {
        let (one, other) = (starts.start(after(late), |_| {}).await, starts.start(after(late), |_| {}).await);
        let kid = signer(&one, after(late));
        assert_eq!(kid, signer(&other, after(late)));
        let reason = || gatepass_revocation::Reason::KEY_COMPROMISED;
        one.withdraw_key(&kid, reason(), after(late)).await.unwrap();
        leaked.push(kid);
        match what {
            "schedule" => other.maintain(after(late + 30 * DAY)).await.unwrap(),
            "rotation" => other.rotate_keys(None, after(late)).await.unwrap(),
            _ => other.replace_keys(None, reason(), after(late)).await.unwrap(),
        }
        let next = starts.start(after(late + 30 * DAY), |_| {}).await;
        for issuer in [other, next] {
            let keys = issuer.list_keys(after(late));
            assert!(keys.iter().all(|key| !leaked.contains(&key.kid)), "{what}: {leaked:?} of {keys:?}");
        }
    }
}

#[tokio::test]
async fn a_shorter_max_age_waits_for_the_copies_that_were_fetched_under_the_longer_one() {
    let starts = Starts::new();
    let hour = Duration::from_secs(3600);
    drop(starts.start(after(0), |config| config.jwks_max_age = hour).await);
    let minute = |config: &mut Config| config.jwks_max_age = Duration::from_secs(60);
    let issuer = starts.start(after(1), minute).await;
    let first = signer(&issuer, after(1));
    issuer.rotate_keys(None, after(1)).await.unwrap();
    let second = signer(&issuer, after(1));
    assert_ne!(first, second, "whoever has a copy has this key");
    issuer.rotate_keys(None, after(2)).await.unwrap();
    for secs in [2, 122, 3601, 7200] {
        issuer.maintain(after(secs)).await.unwrap();
        assert_eq!(signer(&issuer, after(secs)), second, "a copy from before may live after {secs} s");
    }
    assert_ne!(signer(&issuer, after(7201)), second);
    // With the keys of that time gone, nobody reckons with an hour any more.
    let late = 2 * DAY;
    for secs in [7201, 10_000, 12_000, late] {
        issuer.rotate_keys(None, after(secs)).await.unwrap();
    }
    issuer.maintain(after(late + 7200)).await.unwrap();
    let now = late + 20_000;
    issuer.maintain(after(now)).await.unwrap();
    issuer.rotate_keys(None, after(now)).await.unwrap();
    let signs = signer(&issuer, after(now));
    issuer.rotate_keys(None, after(now)).await.unwrap();
    assert_ne!(signer(&issuer, after(now + 120)), signs, "two minutes are enough");
}

#[tokio::test]
async fn a_key_stays_for_tokens_that_were_given_a_longer_life_than_they_get_now() {
    let starts = Starts::new();
    let long = |config: &mut Config| config.access_token_lifetime = Duration::from_secs(DAY);
    let short = |config: &mut Config| config.access_token_lifetime = Duration::from_secs(60);
    let before = starts.start(after(0), long).await;
    let kid = signer(&before, after(0));
    drop(before);
    let issuer = starts.start(after(1), short).await;
    issuer.rotate_keys(None, after(1)).await.unwrap();
    let stays = |now| issuer.list_keys(now).iter().any(|key| key.kid == kid);
    for (secs, want) in [(3600, true), (DAY + 301, true), (DAY + 302, false)] {
        issuer.maintain(after(secs)).await.unwrap();
        assert_eq!(stays(after(secs)), want, "after {secs} s");
    }
}

#[tokio::test]
async fn a_client_whose_algorithm_is_served_no_more_can_still_be_disabled() {
    let starts = Starts::new();
    let new = |id: &str, grant| NewClient {
        id: Some(id.parse().unwrap()),
        name: id.to_owned(),
        credential: NewCredential::Secret,
        grants: vec![grant],
        scope: "openid".parse().unwrap(),
        audience: Vec::new(),
        sign_on: SignOnClient {
            redirect_uris: vec!["https://shop.example.com/callback".parse().unwrap()],
            ..SignOnClient::default()
        },
        exchange: None,
        extensions: ClientExtensions::default(),
    };
    let both = |config: &mut Config| config.response_algs = vec![Alg::RS256];
    let (id, at) = ("shop".parse().unwrap(), after(DAY));
    let issuer = starts.start(after(1), both).await;
    issuer.maintain(at).await.unwrap();
    let (shop, _) = issuer.create_client(new("shop", GrantType::AuthorizationCode), at).await.unwrap();
    assert_eq!(shop.extensions.responses.id_token_signed_response_alg, Some(Alg::RS256));
    let machine =
        NewClient { sign_on: SignOnClient::default(), ..new("machine", GrantType::ClientCredentials) };
    let (machine, _) = issuer.create_client(machine, at).await.unwrap();
    assert_eq!(machine.extensions.responses.id_token_signed_response_alg, None, "it logs nobody in");
    drop(issuer);

    let issuer = starts.start(at, |_| {}).await;
    let changed = async |change| issuer.change_client(&id, change, at).await.map(|(client, _)| client);
    let renamed =
        changed(ChangeClient { name: Some("Shop".into()), ..ChangeClient::default() }).await.unwrap();
    assert_eq!(renamed.name, "Shop");
    let asked = changed(ChangeClient { default_max_age: Some(Some(60)), ..ChangeClient::default() }).await;
    assert!(matches!(asked, Err(AdminError::UnservedAlg { .. })), "{asked:?}");
    assert!(
        changed(ChangeClient { disabled: Some(true), ..ChangeClient::default() }).await.unwrap().disabled
    );
}

#[tokio::test]
async fn a_withdrawn_key_is_no_retired_one_of_the_stores_either() {
    let starts = Starts::new();
    let (one, other) = (starts.start(after(1), |_| {}).await, starts.start(after(1), |_| {}).await);
    let kid = signer(&one, after(1));
    let jwk = SigningKey::generate(Alg::ES256, Some(&kid)).unwrap().public_jwk().unwrap();
    let retired = RetiredKey { kid: kid.clone(), alg: Alg::ES256, jwk, forget_after: after(90 * DAY) };
    starts.store.put_retired_keys(&[retired]).await.unwrap();
    other.withdraw_key(&kid, gatepass_revocation::Reason::KEY_COMPROMISED, after(1)).await.unwrap();
    assert_eq!(starts.store.list_retired_keys().await.unwrap(), []);
}
