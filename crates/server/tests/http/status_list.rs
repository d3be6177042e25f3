//! Token Status Lists: which access tokens are revoked, for whoever fetches the list.

use std::time::Duration;

use gatepass_issuer::admin::ChangeUser;
use gatepass_jose::{Alg, JwkSet, KeySet, Typ, jws};
use gatepass_revocation::{Kind, Reason};
use gatepass_server::HttpConfig;
use gatepass_token::{Status, StatusList, StatusListClaim};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::claims;
use crate::fixture::{Fixture, ISSUER};

const TTL: Duration = Duration::from_secs(30);

async fn fixture() -> Fixture {
    Fixture::with(HttpConfig::default(), |config| config.status_list_ttl = Some(TTL)).await
}

/// The claims of the list that a token has its place in.
async fn list_of(fixture: &Fixture, token: &str) -> Value {
    let uri = claims(token)["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
    let answer = fixture.get(uri.strip_prefix(ISSUER).unwrap()).send().await.expect(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/statuslist+jwt");
    assert_eq!(answer.header("cache-control"), "public, max-age=30");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let set = JwkSet::parse(&fixture.get("/.well-known/jwks.json").send().await.body).unwrap();
    let verifier = jws::Verifier::new(KeySet::from_jwks(&set, &[Alg::ES256]));
    let verifier = verifier.requiring_typ(Typ::new("statuslist+jwt"));
    let verified = verifier.verify(std::str::from_utf8(&answer.body).unwrap()).unwrap();
    let list: Value = serde_json::from_slice(verified.payload()).unwrap();
    assert_eq!((&list["iss"], &list["sub"], &list["ttl"]), (&json!(ISSUER), &json!(uri), &json!(30)));
    assert_eq!(list["iat"], fixture.now().as_secs());
    list
}

async fn status(fixture: &Fixture, token: &str) -> Status {
    let list = list_of(fixture, token).await;
    let claim: StatusListClaim = serde_json::from_value(list["status_list"].clone()).unwrap();
    let idx = claims(token)["status"]["status_list"]["idx"].as_u64().unwrap();
    StatusList::decode(&claim, 1 << 20).unwrap().status(idx.try_into().unwrap()).unwrap()
}

#[tokio::test]
async fn whatever_revokes_a_token_shows_in_its_list() {
    let fixture = fixture().await;
    let roles = ChangeUser { roles: Some(vec!["auditor".parse().unwrap()]), ..ChangeUser::default() };
    for way in ["session", "subject", "token", "roles", "client", "all"] {
        let (token, other) = (fixture.log_in("alice").await.access, fixture.batch_token().await);
        let is = claims(&token);
        for token in [&token, &other] {
            assert_eq!(status(&fixture, token).await, Status::VALID, "{way}: before");
        }
        let revoke = async |kind, id: &Value| {
            let id = id.as_str().unwrap_or_default();
            fixture.issuer.revoke(kind, id, Reason::ADMIN, fixture.now()).await.unwrap();
        };
        match way {
            "session" => revoke(Kind::Session, &is["sid"]).await,
            "subject" => revoke(Kind::Subject, &is["sub"]).await,
            "token" => revoke(Kind::Token, &is["jti"]).await,
            "client" => revoke(Kind::Client, &is["client_id"]).await,
            "all" => revoke(Kind::All, &Value::Null).await,
            _ => drop(fixture.issuer.change_user(fixture.alice, roles.clone(), fixture.now()).await.unwrap()),
        }
        fixture.pass(Duration::from_secs(1));
        assert_eq!(status(&fixture, &token).await, Status::INVALID, "{way}");
        let others = if way == "all" { Status::INVALID } else { Status::VALID };
        assert_eq!(status(&fixture, &other).await, others, "{way}: of another subject and client");
        let next = fixture.log_in("alice").await.access;
        assert_eq!(status(&fixture, &next).await, Status::VALID, "{way}: minted afterwards");
    }
}

#[tokio::test]
async fn a_list_has_room_for_tokens_that_are_still_to_come_and_is_made_once_for_many_who_ask() {
    let fixture = fixture().await;
    let token = fixture.batch_token().await;
    let early = list_of(&fixture, &token).await;
    let next = fixture.batch_token().await;
    assert_ne!(claims(&token)["status"]["status_list"]["idx"], claims(&next)["status"]["status_list"]["idx"]);
    let claim: StatusListClaim = serde_json::from_value(early["status_list"].clone()).unwrap();
    assert!(claim.lst.len() < 1000, "{} characters", claim.lst.len());
    let idx = claims(&next)["status"]["status_list"]["idx"].as_u64().unwrap() as usize;
    let early = StatusList::decode(&claim, 1 << 20).unwrap();
    assert_eq!(
        early.status(idx),
        Ok(Status::VALID),
        "whoever fetched it before the token was minted admits it"
    );
    let path = claims(&token)["status"]["status_list"]["uri"].as_str().unwrap().replace(ISSUER, "");
    let fetch = async || fixture.get(&path).send().await.expect(StatusCode::OK).body;
    assert_eq!(fetch().await, fetch().await, "the same signature: it was not made twice");
}

#[tokio::test]
async fn there_are_no_lists_unless_the_operator_wants_them() {
    let fixture = Fixture::new().await;
    assert!(claims(&fixture.batch_token().await).get("status").is_none());
    let answer = fixture.get("/status-lists/x").send().await;
    assert_eq!(answer.problem(), (404, "not-found".to_owned()));
    let listing = self::fixture().await;
    assert_eq!(listing.get("/status-lists/x").send().await.status, StatusCode::NOT_FOUND);
}
