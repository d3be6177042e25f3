//! Values to store.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatepass_issuer::Binding;
use gatepass_issuer::client::{
    Client, ClientExtensions, ClientLogout, Credential, ExchangePolicy, GrantType, ResponseFormats,
    SealedSecret, SecretDigest,
};
use gatepass_issuer::id::{ClientId, SessionId, StreamId, UserId};
use gatepass_issuer::keys::{KeyRecord, KeyTerms};
use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::rotation::{Presented, RefreshPolicy, Renewal};
use gatepass_issuer::session::Session;
use gatepass_issuer::signals::{Delivery, Stream, StreamConfig, StreamStatus};
use gatepass_issuer::store::{HolderRevocation, NewRevocation, Store};
use gatepass_issuer::user::{RoleName, User};
use gatepass_jose::{Alg, Timestamp};
use gatepass_revocation::{Entry, Kind, Reason};

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

/// So many seconds after [`NOW`], or before it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
}

/// Ten bytes that nobody else got, in this process or another; later ones are greater.
pub(crate) fn unique() -> [u8; 10] {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 10];
    bytes[..5].copy_from_slice(&PROCESS.to_be_bytes()[..5]);
    bytes[5..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes()[3..]);
    bytes
}

pub(crate) fn user(name: &str) -> User {
    User {
        id: UserId::new(NOW, unique()),
        username: name.parse().unwrap(),
        name: Some(format!("{name}, whoever that \"is\"").parse().unwrap()),
        password: PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"),
        email: None,
        roles: Vec::new(),
        disabled: false,
        created_at: NOW,
    }
}

pub(crate) fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(crate) fn client(id: &str) -> Client {
    Client {
        id: id.parse().unwrap(),
        name: format!("The \"client\" {id}, größer"),
        credential: Credential::Secret(SecretDigest([7; 32])),
        grants: vec![GrantType::ClientCredentials, GrantType::RefreshToken],
        scope: "orders:read orders:write".parse().unwrap(),
        audience: vec!["https://api.example.com".into(), "with space".into()],
        redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
        post_logout_redirect_uris: vec!["https://app.example.com/".parse().unwrap()],
        logout: ClientLogout {
            backchannel: Some("https://app.example.com/backchannel?x=1".parse().unwrap()),
            frontchannel: Some("https://app.example.com/frontchannel".parse().unwrap()),
        },
        trusted: true,
        require_pkce: false,
        require_pushed: true,
        exchange: Some(ExchangePolicy {
            audience: vec!["https://orders.internal".into()],
            from: vec!["https://api.example.com".into()],
            impersonate: true,
        }),
        extensions: ClientExtensions {
            dpop_bound_access_tokens: true,
            tls_client_certificate_bound_access_tokens: true,
            require_signed_request_object: true,
            authorization_details_types: vec!["payment".into()],
            subject_type: Default::default(),
            sector_identifier_uri: Some("https://app.example.com/uris".parse().unwrap()),
            default_max_age: Some(300),
            require_auth_time: true,
            default_acr_values: vec!["urn:gatepass:acr:password".to_owned()].try_into().unwrap(),
            keys: None,
            endpoint_audience: true,
            token_endpoint_auth_signing_alg: Some(gatepass_jose::Alg::HS256),
            request_object_signing_alg: Some(gatepass_jose::Alg::PS256),
            responses: ResponseFormats {
                userinfo_signed_response_alg: Some(gatepass_jose::Alg::ES256),
                ..ResponseFormats::default()
            },
        },
        disabled: false,
        created_at: NOW,
    }
}

pub(crate) fn session(user: UserId) -> Session {
    session_at(user, NOW)
}

pub(crate) fn session_at(user: UserId, now: Timestamp) -> Session {
    let policy = RefreshPolicy::default();
    Session {
        id: SessionId::new(now, unique()),
        user,
        client: ClientId::first_party(),
        login: None,
        scope: None,
        authorization_details: Default::default(),
        resource: None,
        more_resources: Vec::new(),
        device: "Firefox 145 on Debian".into(),
        created_at: now,
        auth_time: Some(now),
        generation: 1,
        rotated_at: None,
        idle_expires_at: now.saturating_add(policy.idle),
        expires_at: now.saturating_add(policy.absolute),
        revoked_at: None,
        bound: false,
        binding: Binding::default(),
        pairwise_subject: None,
        claims: Default::default(),
        provider: None,
    }
}

pub(crate) fn key(kid: &str) -> KeyRecord {
    KeyRecord {
        kid: kid.into(),
        alg: Alg::ES256,
        sealed: vec![0, 1, 2, 255],
        published_at: NOW,
        signs_from: None,
        signed_until: None,
        terms: KeyTerms::default(),
    }
}

/// A receiver's stream that has taken what is in the log up to a place.
pub(crate) fn stream(client: &str, taken_up_to: u64) -> Stream {
    Stream {
        id: StreamId::new(NOW, unique()),
        client: client.parse().unwrap(),
        config: StreamConfig {
            delivery: Delivery::Push("https://siem.example.com/events".parse().unwrap()),
            events_requested: vec!["https://example.com/event".into()],
            description: Some("größer".into()),
            status: StreamStatus::Paused,
            reason: None,
        },
        authorization: Some(SealedSecret(vec![3])),
        taken_up_to,
    }
}

/// The refresh token of `generation`, presented at `now`.
pub(crate) fn presented(generation: u32, now: Timestamp) -> Presented {
    Presented {
        generation,
        client: ClientId::first_party(),
        scope: None,
        authorization_details: None,
        resource: None,
        binding: Binding::default(),
        renewal: Renewal::Rotate,
        now,
        policy: RefreshPolicy::default(),
    }
}

pub(crate) fn revocation(id: &str) -> NewRevocation {
    NewRevocation {
        kind: Kind::Session,
        id: id.into(),
        issued_before: NOW,
        forget_after: NOW.saturating_add(Duration::from_secs(960)),
        reason: Reason::LOGOUT,
    }
}

pub(crate) fn for_holder() -> HolderRevocation {
    HolderRevocation { issued_before: NOW, forget_after: at(960), reason: Reason::CLAIMS_CHANGED }
}

/// Creates a user and starts a session of theirs.
pub(crate) async fn started(store: &dyn Store, name: &str) -> Session {
    let user = user(name);
    store.create_user(&user).await.unwrap();
    let session = session(user.id);
    store.start_session(&session).await.unwrap().unwrap();
    session
}

/// The whole log.
pub(crate) async fn log(store: &dyn Store) -> Vec<Entry> {
    store.revocations_after(0, u32::MAX).await.unwrap()
}

/// The ids in the log.
pub(crate) async fn logged(store: &dyn Store) -> Vec<String> {
    log(store).await.into_iter().map(|entry| entry.id).collect()
}
