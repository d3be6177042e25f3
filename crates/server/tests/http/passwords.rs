//! Passwords that come from another system, and new ones that are refused.

use gatepass_issuer::id::UserId;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, PASSWORD};

/// What Python's bcrypt made of "tangled violet harbour", at a cost of 4.
const BCRYPT: &str = "$2b$04$AXRPEXLoAqsOo/CMf3FWNeQbHqlSpZ1c4UTstNSTmJLSCylciDkx6";
const IMPORTED: &str = "tangled violet harbour";

async fn create(fixture: &Fixture, user: Value) -> Answer {
    fixture.post("/admin/v1/users").bearer(&fixture.admin().await).json(&user).send().await
}

async fn log_in(fixture: &Fixture, username: &str, password: &str) -> StatusCode {
    let body = json!({ "username": username, "password": password });
    fixture.post("/session/login").json(&body).send().await.status
}

async fn kept(fixture: &Fixture, user: &Value) -> String {
    let id: UserId = user["id"].as_str().unwrap().parse().unwrap();
    fixture.issuer.find_user(id).await.unwrap().password.as_phc().to_owned()
}

#[tokio::test]
async fn an_imported_hash_opens_and_is_argon2id_after_the_first_login() {
    let fixture = Fixture::new().await;
    let new = json!({ "username": "carol", "password_hash": BCRYPT, "roles": ["clerk"] });
    let carol = create(&fixture, new).await.expect(StatusCode::CREATED).json();
    assert!(!carol.to_string().contains("$2b$"), "{carol}");
    for (password, status) in [("tangled violet harbor", 401), ("", 400)] {
        assert_eq!(log_in(&fixture, "carol", password).await, status, "{password:?}");
        assert_eq!(kept(&fixture, &carol).await, BCRYPT, "a failure changes nothing");
    }
    assert_eq!(log_in(&fixture, "carol", IMPORTED).await, StatusCode::OK);
    let upgraded = kept(&fixture, &carol).await;
    assert!(upgraded.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{upgraded}");
    assert_eq!(log_in(&fixture, "carol", IMPORTED).await, StatusCode::OK);
    assert_eq!(kept(&fixture, &carol).await, upgraded, "once");
    assert_eq!(log_in(&fixture, "carol", "tangled violet harbor").await, StatusCode::UNAUTHORIZED);

    fixture.issuer.maintain(fixture.now()).await.unwrap();
    assert_eq!(
        log_in(&fixture, "nobody", IMPORTED).await,
        StatusCode::UNAUTHORIZED,
        "whose work is a user's"
    );
}

#[tokio::test]
async fn who_was_disabled_elsewhere_is_disabled_here() {
    let fixture = Fixture::new().await;
    let new = json!({ "username": "carol", "password_hash": BCRYPT, "disabled": true });
    let carol = create(&fixture, new).await.expect(StatusCode::CREATED).json();
    assert_eq!(carol["disabled"], true);
    assert_eq!(log_in(&fixture, "carol", IMPORTED).await, StatusCode::UNAUTHORIZED);
    assert_eq!(kept(&fixture, &carol).await, BCRYPT);
}

#[tokio::test]
async fn hashes_that_are_refused() {
    let fixture = Fixture::new().await;
    let cases = [
        (
            "both",
            json!({ "password": PASSWORD, "password_hash": BCRYPT }),
            "either a `password` or a `password_hash`",
        ),
        ("neither", json!({}), "either a `password` or a `password_hash`"),
        ("plain", json!({ "password_hash": "hunter2" }), "begins with $argon2id$"),
        ("md5", json!({ "password_hash": "$1$salt$qJH7.N4xYta3aEG/dfqo/0" }), "begins with $argon2id$"),
        ("cut_off", json!({ "password_hash": &BCRYPT[..40] }), "cut off"),
        (
            "too_costly",
            json!({ "password_hash": BCRYPT.replace("$04$", "$31$") }),
            "128 MiB or about two seconds",
        ),
        ("a_number", json!({ "password_hash": 5 }), "\"password_hash\" is not valid"),
    ];
    for (name, mut user, want) in cases {
        user["username"] = "carol".into();
        let answer = create(&fixture, user).await;
        assert_eq!(answer.problem(), (400, "invalid-request".into()), "{name}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(want), "{name}: {detail}");
        assert!(!detail.contains("hunter2"), "{name}: {detail}");
    }
}

#[tokio::test]
async fn passwords_that_are_guessed_first_are_refused_with_what_to_do() {
    let fixture = Fixture::new().await;
    let (admin, alice) = (fixture.admin().await, format!("/admin/v1/users/{}", fixture.alice));
    let cases = [
        ("short", "hq7z-mm3w-x9ab", "at least 15 characters; four or five unrelated words"),
        ("common", "iloveyouforever1", "a common password, or nearly one; take four or five unrelated words"),
        ("repeated", "p4ssw0rdp4ssw0rd", "repeats itself"),
        ("run", "qwertyuiopasdfghjkl;", "easy to guess"),
        ("user_name", "ALICE-alice-alice", "easy to guess"),
        ("issuer", "auth.example.com", "the user's name or of this site's"),
    ];
    for (name, password, want) in cases {
        let new = create(&fixture, json!({ "username": "alice2", "password": password })).await;
        let change =
            fixture.call(Method::PATCH, &alice).bearer(&admin).json(&json!({ "password": password }));
        for answer in [new, change.send().await] {
            assert_eq!(answer.problem(), (400, "invalid-request".into()), "{name}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(want), "{name}: {detail}");
            assert!(!detail.contains(password), "{name}: {detail}");
        }
    }
    assert_eq!(log_in(&fixture, "alice", PASSWORD).await, StatusCode::OK, "nothing has changed");
}
