use std::time::Duration;

use super::*;
use crate::binding::Binding;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

fn after(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn login() -> Session {
    Session {
        id: SessionId::from_bytes([1; 16]),
        user: UserId::from_bytes([2; 16]),
        client: ClientId::sign_on(),
        login: None,
        scope: None,
        resource: None,
        device: "a telephone".into(),
        created_at: NOW,
        auth_time: Some(NOW),
        generation: 1,
        rotated_at: None,
        idle_expires_at: after(3600),
        expires_at: after(3600),
        revoked_at: None,
        authorization_details: Default::default(),
        bound: false,
        binding: Binding::default(),
        pairwise_subject: None,
        claims: Default::default(),
        provider: None,
    }
}

fn allowed() -> Allowed {
    Allowed { user: login().user, login: login().id }
}

fn asked(state: DeviceState) -> DeviceAuthorization {
    DeviceAuthorization {
        digest: DeviceCodeDigest([3; 32]),
        user_code: UserCodeDigest([4; 32]),
        client: "tv".parse().unwrap(),
        scope: "openid orders:read".parse().unwrap(),
        authorization_details: AuthorizationDetails::parse(r#"[{"type":"payment"}]"#).unwrap(),
        resource: "https://api.example.com".into(),
        expires_at: after(600),
        state,
    }
}

fn presented(client: &str, now: Timestamp) -> PresentedCode {
    PresentedCode {
        client: client.parse().unwrap(),
        confidential: false,
        may_refresh: true,
        redirect_uri: None,
        verifier: None,
        resource: None,
        authorization_details: None,
        binding: Binding::default(),
        session: SessionId::from_bytes([5; 16]),
        now,
        policy: Default::default(),
        access_token_lifetime: Duration::from_secs(900),
        subjects: Default::default(),
    }
}

#[test]
fn what_a_device_code_gives() {
    let used = SessionId::from_bytes([6; 16]);
    let refuse = DeviceDecision::Refuse;
    let stranger = Session { user: UserId::from_bytes([9; 16]), ..login() };
    let ended = Session { revoked_at: Some(NOW), ..login() };
    let cases = [
        ("pending", DeviceState::Pending, login(), "tv", 599, refuse(DeviceRefusal::Pending)),
        ("denied", DeviceState::Denied, login(), "tv", 1, refuse(DeviceRefusal::Denied)),
        ("at_its_end", DeviceState::Pending, login(), "tv", 600, refuse(DeviceRefusal::Expired)),
        (
            "allowed_and_late",
            DeviceState::Allowed(allowed()),
            login(),
            "tv",
            600,
            refuse(DeviceRefusal::Expired),
        ),
        (
            "another_client",
            DeviceState::Allowed(allowed()),
            login(),
            "evil",
            1,
            refuse(DeviceRefusal::WrongClient),
        ),
        (
            "another_client_of_a_used_one",
            DeviceState::Used(Some(used)),
            login(),
            "evil",
            1,
            refuse(DeviceRefusal::WrongClient),
        ),
        ("logged_out", DeviceState::Allowed(allowed()), ended, "tv", 1, refuse(DeviceRefusal::LoginEnded)),
        ("not_theirs", DeviceState::Allowed(allowed()), stranger, "tv", 1, refuse(DeviceRefusal::LoginEnded)),
        ("again", DeviceState::Used(Some(used)), login(), "tv", 1, DeviceDecision::Replay(Some(used))),
        ("again_much_later", DeviceState::Used(None), login(), "tv", 9999, DeviceDecision::Replay(None)),
    ];
    for (name, state, login, client, seconds, want) in cases {
        let decision = decide(&asked(state), Some(&login), &presented(client, after(seconds)));
        assert_eq!(decision, want, "{name}");
    }
    let state = DeviceState::Allowed(allowed());
    assert_eq!(
        decide(&asked(state.clone()), None, &presented("tv", NOW)),
        refuse(DeviceRefusal::LoginEnded),
        "the login is gone"
    );
    let given = decide(&asked(state), Some(&login()), &presented("tv", after(1)));
    let DeviceDecision::Give(session) = given else { panic!("{given:?}") };
    let (login, id) = (login(), SessionId::from_bytes([5; 16]));
    assert_eq!((session.id, session.login, session.auth_time), (id, Some(login.id), login.auth_time));
    assert_eq!(session.expires_at, after(901), "without offline_access, no longer than its access token");
}
