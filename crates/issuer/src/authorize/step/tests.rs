use std::time::Duration;

use gatepass_token::AuthorizationDetails;

use super::*;
use crate::authorize::{Back, Prompt, ResponseMode, WantedContexts};
use crate::client::{Client, ClientExtensions, Credential, GrantType, SecretDigest};
use crate::id_token::{ACR_PASSWORD, IdTokenHint};
use crate::resource::GrantedResources;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

fn request() -> AuthorizationRequest {
    let client = Client {
        id: "web".parse().unwrap(),
        name: "Web".into(),
        credential: Credential::Secret(SecretDigest([0; 32])),
        grants: vec![GrantType::AuthorizationCode],
        scope: "orders:read".parse().unwrap(),
        audience: Vec::new(),
        redirect_uris: ["https://app.example.com/cb", "http://127.0.0.1/cb", "com.example.app:/cb"]
            .map(|uri| uri.parse().unwrap())
            .to_vec(),
        post_logout_redirect_uris: Vec::new(),
        logout: crate::client::ClientLogout::default(),
        trusted: false,
        require_pkce: true,
        require_pushed: false,
        exchange: None,
        extensions: ClientExtensions::default(),
        disabled: false,
        created_at: NOW,
    };
    AuthorizationRequest {
        back: back(&client, "https://app.example.com/cb"),
        client,
        scope: "openid orders:read".parse().unwrap(),
        authorization_details: AuthorizationDetails::default(),
        resources: GrantedResources::one("https://api.example.com"),
        nonce: None,
        challenge: None,
        jkt: None,
        prompt: Prompt::default(),
        max_age: None,
        contexts: Default::default(),
        login_hint: None,
        ui_locales: None,
        hint: IdTokenHint::Absent,
        claims: Default::default(),
        object: None,
        pushed: None,
    }
}

fn back(client: &Client, uri: &str) -> Back {
    Back {
        client: client.id.clone(),
        redirect_uri: client.registered_redirect_uri(uri).unwrap(),
        mode: ResponseMode::Query,
        state: None,
    }
}

/// Somebody, logged in so many seconds ago.
fn ago(seconds: u64) -> Option<Timestamp> {
    Some(NOW.saturating_sub(Duration::from_secs(seconds)))
}

#[test]
fn who_is_asked_to_log_in() {
    const LOGIN: Done = Done { login: true, consent: false };
    const NONE: Done = Done { login: false, consent: false };
    let plain = request;
    let prompt = |prompt| AuthorizationRequest { prompt, ..request() };
    let none = || prompt(Prompt { none: true, ..Prompt::default() });
    let again = || prompt(Prompt { login: true, ..Prompt::default() });
    let max_age = |seconds| AuthorizationRequest { max_age: Some(Duration::from_secs(seconds)), ..request() };
    let quiet =
        |request| AuthorizationRequest { prompt: Prompt { none: true, ..Prompt::default() }, ..request };
    let required = Step::Refuse(Refusal::LOGIN_REQUIRED);
    let cases = [
        ("nobody", plain(), None, NONE, Step::LogIn),
        ("somebody", plain(), ago(60), NONE, Step::Give),
        ("nobody_quietly", none(), None, NONE, required),
        ("somebody_quietly", none(), ago(60), NONE, Step::Give),
        ("again", again(), ago(60), NONE, Step::LogIn),
        ("again_done", again(), ago(0), LOGIN, Step::Give),
        ("young_enough", max_age(60), ago(60), NONE, Step::Give),
        ("too_old", max_age(60), ago(61), NONE, Step::LogIn),
        ("too_old_quietly", quiet(max_age(60)), ago(61), NONE, required),
        ("max_age_zero", max_age(0), ago(0), NONE, Step::LogIn),
        ("max_age_zero_done", max_age(0), ago(0), LOGIN, Step::Give),
        ("too_old_meanwhile", max_age(60), ago(61), LOGIN, Step::LogIn),
        (
            "old_as_its_tokens_say",
            max_age(60),
            Some(Timestamp::from_millis(NOW.as_millis() - 60_001)),
            NONE,
            Step::LogIn,
        ),
        (
            "clock_stepped_back",
            max_age(60),
            Some(NOW.saturating_add(Duration::from_secs(9))),
            NONE,
            Step::Give,
        ),
    ];
    let allowed = request().scope;
    for (name, request, login, done, want) in cases {
        let situation = Situation {
            login,
            is_hinted: true,
            is_in_context: true,
            consented: Some(&allowed),
            done,
            now: NOW,
        };
        assert_eq!(decide(&request, &situation), want, "{name}");
    }
    let cases = [
        ("another_hinted", plain(), ago(60), NONE, Step::LogIn),
        ("another_hinted_quietly", none(), ago(60), NONE, required),
        ("another_than_hinted_logged_in", plain(), ago(0), LOGIN, required),
    ];
    for (name, request, login, done, want) in cases {
        let situation = Situation {
            login,
            is_hinted: false,
            is_in_context: true,
            consented: Some(&allowed),
            done,
            now: NOW,
        };
        assert_eq!(decide(&request, &situation), want, "{name}");
    }
}

#[test]
fn who_is_asked_to_log_in_in_another_way() {
    const LOGIN: Done = Done { login: true, consent: false };
    const NONE: Done = Done { login: false, consent: false };
    let wants = |essential| {
        let contexts = WantedContexts::of(&[], Some(ACR_PASSWORD), essential, &[ACR_PASSWORD]).unwrap();
        AuthorizationRequest { contexts, ..request() }
    };
    let quiet =
        |request| AuthorizationRequest { prompt: Prompt { none: true, ..Prompt::default() }, ..request };
    let required = Step::Refuse(Refusal::LOGIN_REQUIRED);
    let unmet = Step::Refuse(Refusal::UNMET_AUTHENTICATION_REQUIREMENTS);
    let cases = [
        ("a_wish", wants(false), NONE, Step::LogIn),
        ("a_wish_quietly", quiet(wants(false)), NONE, Step::Give),
        ("a_wish_that_the_user_does_not_share", wants(false), LOGIN, Step::Give),
        ("a_condition", wants(true), NONE, Step::LogIn),
        ("a_condition_quietly", quiet(wants(true)), NONE, required),
        ("a_condition_that_was_not_met", wants(true), LOGIN, unmet),
    ];
    let allowed = request().scope;
    for (name, request, done, want) in cases {
        let situation = Situation {
            login: ago(0),
            is_hinted: true,
            is_in_context: false,
            consented: Some(&allowed),
            done,
            now: NOW,
        };
        assert_eq!(decide(&request, &situation), want, "{name}");
        let met = Situation { is_in_context: true, ..situation };
        assert_eq!(decide(&request, &met), Step::Give, "{name}: met");
    }
}

#[test]
fn who_is_asked_for_consent() {
    let all = request().scope;
    let some = "openid".parse().unwrap();
    let public = |uri: &str| {
        let client = Client { credential: Credential::None, ..request().client };
        AuthorizationRequest { back: back(&client, uri), client, ..request() }
    };
    let trusted = |request: AuthorizationRequest| AuthorizationRequest {
        client: Client { trusted: true, ..request.client.clone() },
        ..request
    };
    let asking =
        |request| AuthorizationRequest { prompt: Prompt { consent: true, ..Prompt::default() }, ..request };
    let quiet =
        |request| AuthorizationRequest { prompt: Prompt { none: true, ..Prompt::default() }, ..request };
    let done = Done { login: false, consent: true };
    let not = Done::default();
    let required = Step::Refuse(Refusal::CONSENT_REQUIRED);
    let https = "https://app.example.com/cb";
    let cases = [
        ("first_time", request(), None, not, Step::Consent),
        ("first_time_done", request(), None, done, Step::Give),
        ("first_time_quietly", quiet(request()), None, not, required),
        ("allowed_before", request(), Some(&all), not, Step::Give),
        ("more_than_before", request(), Some(&some), not, Step::Consent),
        ("asked_again", asking(request()), Some(&all), not, Step::Consent),
        ("asked_again_done", asking(request()), Some(&all), done, Step::Give),
        ("trusted", trusted(request()), None, not, Step::Give),
        ("trusted_and_asking", asking(trusted(request())), None, not, Step::Consent),
        ("public_on_the_web", public(https), Some(&all), not, Step::Give),
        ("public_on_loopback", public("http://127.0.0.1:9/cb"), Some(&all), not, Step::Consent),
        ("public_on_loopback_quietly", quiet(public("http://127.0.0.1:9/cb")), Some(&all), not, required),
        ("public_with_its_own_scheme", public("com.example.app:/cb"), Some(&all), not, Step::Consent),
        ("public_on_loopback_trusted", trusted(public("http://127.0.0.1:9/cb")), None, not, Step::Consent),
    ];
    for (name, request, consented, done, want) in cases {
        let situation =
            Situation { login: ago(60), is_hinted: true, is_in_context: true, consented, done, now: NOW };
        assert_eq!(decide(&request, &situation), want, "{name}");
    }
}
