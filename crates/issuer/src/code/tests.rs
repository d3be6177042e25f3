use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "https://app.example.com/callback";

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn verifier(text: &str) -> CodeVerifier {
    CodeVerifier::parse(text).unwrap()
}

fn details(text: &str) -> AuthorizationDetails {
    AuthorizationDetails::parse(text).unwrap()
}

fn login() -> Session {
    Session {
        id: SessionId::from_bytes([1; 16]),
        user: UserId::from_bytes([2; 16]),
        client: ClientId::sign_on(),
        login: None,
        scope: None,
        authorization_details: AuthorizationDetails::default(),
        resource: None,
        device: "Firefox".into(),
        created_at: NOW,
        auth_time: Some(NOW),
        generation: 1,
        rotated_at: None,
        idle_expires_at: later(3600),
        expires_at: later(7200),
        revoked_at: None,
        bound: false,
        binding: Binding::default(),
        pairwise_subject: None,
        claims: Default::default(),
        provider: None,
    }
}

fn code() -> AuthorizationCode {
    AuthorizationCode {
        digest: CodeDigest([7; 32]),
        client: "web".parse().unwrap(),
        redirect_uri: REDIRECT.into(),
        challenge: Some(verifier(VERIFIER).challenge()),
        jkt: None,
        user: login().user,
        login: login().id,
        scope: "openid offline_access".parse().unwrap(),
        authorization_details: details(r#"[{"type":"a"},{"type":"b"}]"#),
        claims: Default::default(),
        resource: "https://api.example.com".into(),
        nonce: None,
        expires_at: later(60),
        used_at: None,
        session: None,
    }
}

fn presented() -> PresentedCode {
    PresentedCode {
        client: "web".parse().unwrap(),
        confidential: false,
        may_refresh: true,
        redirect_uri: Some(REDIRECT.into()),
        verifier: Some(verifier(VERIFIER)),
        resource: None,
        authorization_details: None,
        binding: Binding::default(),
        session: SessionId::from_bytes([3; 16]),
        now: NOW,
        policy: RefreshPolicy::default(),
        access_token_lifetime: Duration::from_secs(900),
        subjects: Default::default(),
    }
}

/// A case of the table: what differs from a good exchange.
type Change = fn(&mut AuthorizationCode, &mut Option<Session>, &mut PresentedCode);

#[test]
fn a_code_gives_nothing_with_any_binding_wrong() {
    use CodeRefusal::*;
    let cases: [(&str, Change, Option<CodeRefusal>); 31] = [
        ("good", |_, _, _| {}, None),
        ("last_moment", |_, _, shown| shown.now = Timestamp::from_millis(later(60).as_millis() - 1), None),
        ("a_key_that_nobody_asked_for", |_, _, shown| shown.binding.jkt = Some(Jkt([1; 32])), None),
        (
            "the_key_asked_for",
            |code, _, shown| (code.jkt, shown.binding.jkt) = (Some(Jkt([1; 32])), Some(Jkt([1; 32]))),
            None,
        ),
        (
            "another_key",
            |code, _, shown| (code.jkt, shown.binding.jkt) = (Some(Jkt([1; 32])), Some(Jkt([2; 32]))),
            Some(WrongKey),
        ),
        ("no_key", |code, _, _| code.jkt = Some(Jkt([1; 32])), Some(WrongKey)),
        (
            "fewer_details",
            |_, _, shown| shown.authorization_details = Some(details(r#"[{"type":"b"}]"#)),
            None,
        ),
        (
            "other_details",
            |_, _, shown| shown.authorization_details = Some(details(r#"[{"type":"c"}]"#)),
            Some(WrongAuthorizationDetails),
        ),
        ("same_resource", |code, _, shown| shown.resource = Some(code.resource.clone()), None),
        ("no_redirect_uri_as_oauth_2_1_sends_it", |_, _, shown| shown.redirect_uri = None, None),
        ("too_late", |_, _, shown| shown.now = later(60), Some(Expired)),
        ("other_client", |_, _, shown| shown.client = "evil".parse().unwrap(), Some(WrongClient)),
        ("first_party", |_, _, shown| shown.client = ClientId::first_party(), Some(WrongClient)),
        (
            "other_redirect_uri",
            |_, _, shown| shown.redirect_uri = Some("https://evil.example/callback".into()),
            Some(WrongRedirectUri),
        ),
        (
            "redirect_uri_with_a_slash",
            |_, _, shown| shown.redirect_uri = Some(format!("{REDIRECT}/")),
            Some(WrongRedirectUri),
        ),
        (
            "redirect_uri_in_another_case",
            |_, _, shown| shown.redirect_uri = Some(REDIRECT.to_uppercase()),
            Some(WrongRedirectUri),
        ),
        (
            "empty_redirect_uri",
            |_, _, shown| shown.redirect_uri = Some(String::new()),
            Some(WrongRedirectUri),
        ),
        ("no_verifier", |_, _, shown| shown.verifier = None, Some(VerifierMissing)),
        (
            "other_verifier",
            |_, _, shown| shown.verifier = Some(verifier(&"a".repeat(43))),
            Some(WrongVerifier),
        ),
        (
            "the_challenge_as_verifier",
            |_, _, shown| {
                shown.verifier = Some(verifier(&verifier(VERIFIER).challenge().to_string()));
            },
            Some(WrongVerifier),
        ),
        (
            "verifier_with_more",
            |_, _, shown| shown.verifier = Some(verifier(&format!("{VERIFIER}A"))),
            Some(WrongVerifier),
        ),
        ("exempt", |code, _, shown| (code.challenge, shown.verifier) = (None, None), None),
        ("challenge_removed_on_its_way", |code, _, _| code.challenge = None, Some(VerifierUnexpected)),
        (
            "exempt_without_redirect_uri",
            |code, _, shown| (code.challenge, shown.verifier, shown.redirect_uri) = (None, None, None),
            Some(WrongRedirectUri),
        ),
        (
            "other_resource",
            |_, _, shown| shown.resource = Some("https://other.example.com".into()),
            Some(WrongResource),
        ),
        ("login_forgotten", |_, login, _| *login = None, Some(LoginEnded)),
        ("logged_out", |_, login, _| login.as_mut().unwrap().revoked_at = Some(NOW), Some(LoginEnded)),
        ("login_idle", |_, login, _| login.as_mut().unwrap().idle_expires_at = NOW, Some(LoginEnded)),
        ("login_used_up", |_, login, _| login.as_mut().unwrap().expires_at = NOW, Some(LoginEnded)),
        (
            "login_of_somebody_else",
            |_, login, _| login.as_mut().unwrap().user = UserId::from_bytes([9; 16]),
            Some(LoginEnded),
        ),
        ("clock_stepped_back", |_, _, shown| shown.now = Timestamp::from_secs(1_763_779_000), None),
    ];
    for (name, change, want) in cases {
        let (mut code, mut login, mut presented) = (code(), Some(login()), presented());
        change(&mut code, &mut login, &mut presented);
        let burnt = match decide(&code, login.as_ref(), &presented) {
            Decision::Give(_) => None,
            Decision::Burn(refusal) => Some(refusal),
            Decision::Replay => panic!("{name}: it was not used"),
        };
        assert_eq!(burnt, want, "{name}");
        code.used_at = Some(NOW);
        assert_eq!(decide(&code, login.as_ref(), &presented), Decision::Replay, "{name}, again");
    }
}

#[test]
fn a_session_without_refresh_token_ends_with_its_access_token() {
    let given = |scope: &str, may_refresh| {
        let code = AuthorizationCode { scope: scope.parse().unwrap(), ..code() };
        let presented = PresentedCode { may_refresh, ..presented() };
        match decide(&code, Some(&login()), &presented) {
            Decision::Give(session) => session,
            other => panic!("{other:?}"),
        }
    };
    let policy = RefreshPolicy::default();
    for (name, scope, may_refresh, lives) in [
        ("offline", "openid offline_access", true, policy.absolute),
        ("not_asked_for", "openid", true, Duration::from_secs(900)),
        ("not_registered", "openid offline_access", false, Duration::from_secs(900)),
    ] {
        let session = given(scope, may_refresh);
        assert_eq!(session.expires_at.since(NOW), lives, "{name}");
        assert_eq!(session.login, Some(login().id), "{name}");
        assert!(session.idle_expires_at <= session.expires_at, "{name}");
    }
}

#[test]
fn debug_output_shows_no_code() {
    let code = Code::from_random(&[5; 32]);
    assert!(!format!("{code:?} {:?}", CodeDigest([5; 32])).contains(&code.expose()[8..16]));
}
