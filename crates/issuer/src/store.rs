//! What the issuer needs kept: domain operations, each atomic and each told what it must guarantee.
//!
//! A store holds no rule. Where one is needed inside a transaction, as in
//! [`Store::rotate_session`], the store calls the issuer's plain function and keeps what it says.
//!
//! **Durable** means: once the future is ready, a power cut does not undo it.

use async_trait::async_trait;
use gatepass_jose::Timestamp;
use gatepass_revocation::{Entry, Kind, Reason};
use thiserror::Error;

use crate::backchannel_logout::LogoutNotice;
use crate::client::Client;
use crate::code::{AuthorizationCode, CodeDigest, CodeRefusal, PresentedCode};
use crate::consent::Consent;
use crate::device::{DeviceAnswer, DeviceAuthorization, DeviceCodeDigest, DeviceRefusal, UserCodeDigest};
use crate::email::{Email, EmailAddress};
use crate::id::{ClientId, SessionId, StreamId, UserId};
use crate::identity_provider::{LinkedIdentity, ProviderId};
use crate::jti::JtiDigest;
use crate::keys::KeyRecord;
use crate::password::PasswordHash;
use crate::pushed_request::{PushedRequest, RequestUriDigest};
use crate::registration::{InitialAccessToken, Registration, RegistrationTokenDigest};
use crate::retired_key::RetiredKey;
use crate::rotation::{Presented, Refusal};
use crate::secrets::Reseal;
use crate::session::Session;
use crate::signals::Stream;
use crate::status_list::StatusRecord;
use crate::user::{DisplayName, Role, RoleName, User, Username};

/// The engine failed. What was asked for may or may not have happened; the caller must not
/// acknowledge it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

/// Why something could not be created or changed.
#[derive(Clone, Debug, Error)]
pub enum ChangeError {
    /// Something of that name is there already.
    #[error("it exists already")]
    Exists,
    /// There is nothing of that name.
    #[error("it does not exist")]
    Unknown,
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A revocation that has no place in the log yet.
///
/// With one of a user ([`Kind::Subject`]) a store appends the same for every [`Session::pairwise_subject`] that the user's
/// sessions have, ended ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// What `id` names.
    pub kind: Kind,
    /// The `jti`, `sid`, `sub`, `client_id` or `kid`; empty for [`Kind::All`].
    pub id: String,
    /// Tokens minted before this are dead.
    pub issued_before: Timestamp,
    /// When nothing it concerns can be alive any more.
    pub forget_after: Timestamp,
    /// Why.
    pub reason: Reason,
}

impl NewRevocation {
    /// The same for one session.
    #[must_use]
    pub fn of_session(&self, session: SessionId) -> Self {
        Self { kind: Kind::Session, id: session.to_string(), ..self.clone() }
    }

    /// The entry it becomes at place `seq` of the log.
    #[must_use]
    pub fn at(self, seq: u64) -> Entry {
        let Self { kind, id, issued_before, forget_after, reason } = self;
        Entry { seq, kind, id, issued_before, forget_after, reason }
    }
}

/// What [`Store::rotate_session`] did.
#[derive(Clone, Debug)]
pub enum Rotated {
    /// The row moved on; the session is as it is now, with the generation that is current. Durable.
    Rotated(Session, User),
    /// Nothing changed; the session's current generation is the answer.
    Repeated(Session, User),
    /// Nothing changed, and nothing is given.
    Refused(Refusal),
    /// A replay: the session is revoked and the revocation is in the log. Durable.
    Revoked(Session),
}

/// What [`Store::redeem_code`] did.
#[derive(Clone, Debug)]
pub enum Redeemed {
    /// The code is used up, and its session has started. Durable.
    Given(Box<AuthorizationCode>, Box<Session>, Box<User>),
    /// The code is used up and gave nothing. Durable.
    Refused(CodeRefusal),
    /// It was used before. The session that it gave is revoked, and the revocation is in the log, unless
    /// it had given none or that had ended. Durable.
    Replayed(Option<SessionId>),
    /// There is no such code.
    Unknown,
}

/// What [`Store::redeem_device_authorization`] did.
#[derive(Clone, Debug)]
pub enum RedeemedDevice {
    /// The device code is used up, and its session has started. Durable.
    Given(Box<Session>, Box<User>),
    /// It gives nothing, or nothing yet.
    Refused(DeviceRefusal),
    /// It was used before. The session that it gave is revoked, and the revocation is in the log, unless
    /// it had given none or that had ended. Durable.
    Replayed(Option<SessionId>),
    /// There is no such device code.
    Unknown,
}

/// A registration access token, and the one that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationRotation {
    /// What is good until now.
    pub old: RegistrationTokenDigest,
    /// What is good from now on.
    pub new: RegistrationTokenDigest,
}

/// What [`Store::register_client`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registering {
    /// The client is kept. Durable.
    Done,
    /// The token is good for nothing, or not any more.
    UsedUp,
    /// There is a client of that id.
    Exists,
}

/// A change of a user's row; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// New roles, all of them.
    pub roles: Option<Vec<RoleName>>,
    /// Disabled or enabled.
    pub disabled: Option<bool>,
    /// A new password.
    pub password: Option<PasswordHash>,
    /// What must be kept of the password until now; if it is not, nothing changes, as if there were no such user.
    pub expected_password: Option<PasswordHash>,
    /// Another e-mail address, or none.
    pub email: Option<Option<Email>>,
    /// Another name for people to call them by, or none.
    pub name: Option<Option<DisplayName>>,
}

/// A page of a list: what comes after a name or identifier, and at most how many.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Where the last page ended; `None` for the first.
    pub after: Option<T>,
    /// At most so many; the issuer bounds it.
    pub limit: u32,
}

/// The system of record.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a new user. Durable. [`ChangeError::Exists`] when the folded name is taken, or the folded e-mail address, if it is
    /// verified.
    async fn create_user(&self, user: &User) -> Result<(), ChangeError>;
    /// The user of that id.
    async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// The user of that name, compared folded.
    async fn find_user_by_name(&self, name: &Username) -> Result<Option<User>, StoreError>;
    /// The user who has that e-mail address, compared folded, and verified. There is one at most.
    async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, StoreError>;
    /// Users in the order of their ids.
    async fn list_users(&self, page: Page<UserId>) -> Result<Vec<User>, StoreError>;
    /// Changes a user, appends the `revocations`, and, when `end_sessions` names an instant, marks
    /// the user's sessions revoked at it, save `except`, live ones and all that arose from a login: all at once or
    /// nothing. Durable.
    /// Returns the user as it is now. [`ChangeError::Unknown`] when there is none, and [`ChangeError::Exists`] when another
    /// has the new e-mail address verified.
    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        end_sessions: Option<EndSessions>,
        revocations: Vec<NewRevocation>,
    ) -> Result<User, ChangeError>;

    /// Puts `new` in the place of `old`, if that is what is kept of the user's password. Durable. `false`, with nothing
    /// changed, otherwise.
    async fn upgrade_password(
        &self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;
    /// What is kept of the passwords of at most `count` users, each user as likely as any other. May read the whole
    /// table.
    async fn sample_passwords(&self, count: u32) -> Result<Vec<PasswordHash>, StoreError>;

    /// The user whom an identity at a provider is linked to, disabled or not.
    async fn find_linked_user(
        &self,
        provider: &ProviderId,
        subject: &str,
    ) -> Result<Option<User>, StoreError>;
    /// The identities that are linked to a user, in the order of the providers' ids.
    async fn list_identities(&self, user: UserId) -> Result<Vec<LinkedIdentity>, StoreError>;
    /// Keeps a link. Durable. [`ChangeError::Exists`], with nothing changed, when the identity is linked, or the user to
    /// another of that provider; [`ChangeError::Unknown`] when there is no such user.
    async fn link_identity(&self, link: &LinkedIdentity) -> Result<(), ChangeError>;
    /// Keeps a new user as [`Store::create_user`] does, and a link to them as [`Store::link_identity`] does: both or
    /// neither. Durable.
    async fn create_linked_user(&self, user: &User, link: &LinkedIdentity) -> Result<(), ChangeError>;
    /// Removes a user's link to an identity of that provider, and ends at `now` the user's sessions that began with it
    /// ([`Session::provider`]), with `revocation` for each: all at once or nothing. Durable. `false` when there was none.
    async fn unlink_identity(
        &self,
        user: UserId,
        provider: &ProviderId,
        now: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError>;

    /// Keeps a new client. Durable. [`ChangeError::Exists`] when the id is taken.
    async fn create_client(&self, client: &Client) -> Result<(), ChangeError>;
    /// The client of that id.
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;
    /// Clients in the order of their ids.
    async fn list_clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, StoreError>;
    /// Replaces a client's row and appends the `revocations`, both or neither. Durable.
    /// [`ChangeError::Unknown`] when there is none of that id.
    async fn replace_client(
        &self,
        client: &Client,
        revocations: Vec<NewRevocation>,
    ) -> Result<(), ChangeError>;

    /// Removes a client, its registration and what users have allowed it, marks its sessions revoked at `at` and
    /// appends `revocation`: all at once or nothing. Durable. `false` when there is none of that id. May read the whole
    /// table of sessions.
    async fn remove_client(
        &self,
        id: &ClientId,
        at: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError>;

    /// Keeps a token with which clients register themselves. Durable.
    async fn keep_initial_access_token(&self, token: &InitialAccessToken) -> Result<(), StoreError>;
    /// The token of that digest, good or not.
    async fn find_initial_access_token(
        &self,
        digest: RegistrationTokenDigest,
    ) -> Result<Option<InitialAccessToken>, StoreError>;
    /// All of them, at most 1,000.
    async fn list_initial_access_tokens(&self) -> Result<Vec<InitialAccessToken>, StoreError>;
    /// Removes the one that is called so. Durable. `false` when there is none.
    async fn remove_initial_access_token(&self, id: &str) -> Result<bool, StoreError>;
    /// Removes those that expired before `before`.
    async fn forget_initial_access_tokens(&self, before: Timestamp) -> Result<(), StoreError>;
    /// Uses a token once, if it is good at `now`, and keeps the client and its registration: all at once or nothing.
    /// Durable.
    async fn register_client(
        &self,
        token: RegistrationTokenDigest,
        client: &Client,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<Registering, StoreError>;
    /// The registration of a client that has registered itself.
    async fn find_registration(&self, client: &ClientId) -> Result<Option<Registration>, StoreError>;
    /// Replaces a client's row as [`Store::replace_client`] does and puts `rotation.new` in the place of `rotation.old`, if
    /// that is what is kept for its registration: all or nothing. Durable. `false`, with nothing changed, otherwise.
    async fn change_registration(
        &self,
        client: &Client,
        revocations: Vec<NewRevocation>,
        rotation: RegistrationRotation,
    ) -> Result<bool, StoreError>;

    /// All roles, by name. There are few.
    async fn list_roles(&self) -> Result<Vec<Role>, StoreError>;
    /// Keeps a role, new or changed, and appends to the log, for every user who holds it, the
    /// revocation that `for_holder` makes of their id. All at once or nothing. Durable.
    async fn put_role(&self, role: &Role, for_holder: HolderRevocation) -> Result<(), StoreError>;
    /// Removes a role from the list and from every user, with a revocation for each as in
    /// [`Store::put_role`]. [`ChangeError::Unknown`] when there is none of that name.
    async fn remove_role(&self, name: &RoleName, for_holder: HolderRevocation) -> Result<(), ChangeError>;

    /// Keeps a new session and returns its user as they are at that moment, so that no token is made
    /// from what was read before a change. Durable. `None`, with nothing kept, when the user does not
    /// exist or is disabled.
    async fn start_session(&self, session: &Session) -> Result<Option<User>, StoreError>;
    /// The session of that id, live or not.
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError>;
    /// The user's sessions that are live at `now`, oldest first, at most 1,000.
    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;
    /// What arose from that login of the user's and was not ended, expired or not: the newest first, at most 1,000.
    async fn list_sessions_of_login(
        &self,
        user: UserId,
        login: SessionId,
    ) -> Result<Vec<Session>, StoreError>;
    /// Reads the session and its user, asks [`crate::rotation::decide`], and does what it says; on
    /// [`crate::rotation::Decision::Revoke`] it marks the session revoked at `presented.now` and
    /// appends `on_replay`. As if no other operation ran meanwhile. Durable where something changed.
    async fn rotate_session(
        &self,
        id: SessionId,
        presented: &Presented,
        on_replay: NewRevocation,
    ) -> Result<Rotated, StoreError>;
    /// Marks a session revoked at `now` and appends `revocation`, both or neither. With a login end the
    /// sessions that arose from it, expired or not, save those that outlive it, each with a revocation of its own. What
    /// expired so long ago that no token of its can be alive gets none. Durable. `false`, with nothing changed, when there is no such session or it was revoked before.
    async fn revoke_session(
        &self,
        id: SessionId,
        now: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError>;
    /// Marks every session of `whose` revoked at `at`, live ones and all that arose from a login, and appends
    /// `revocation`, both or neither.
    /// Durable. May read the whole table for a client or for everybody: that is an emergency.
    async fn end_sessions(
        &self,
        whose: &Whose,
        at: Timestamp,
        revocation: NewRevocation,
    ) -> Result<(), StoreError>;
    /// Keeps a new login in the place of `previous`, if that is a login of the same user: its sessions are
    /// the new one's, and it is revoked. As [`Store::start_session`] in everything else.
    async fn start_login(
        &self,
        login: &Session,
        previous: Option<SessionId>,
    ) -> Result<Option<User>, StoreError>;
    /// Moves a session's idle end, unless it was revoked.
    async fn extend_session(&self, id: SessionId, idle_expires_at: Timestamp) -> Result<(), StoreError>;

    /// The notices that are due at `now`, those due longest first, at most `limit` in all and a few for any one
    /// client. Whatever marks a session revoked whose client has a `backchannel_logout_uri` keeps one, due at
    /// once, and so does the end of a login for the sessions that outlive it; both or neither.
    async fn due_logout_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<LogoutNotice>, StoreError>;
    /// Removes a notice, or counts an attempt and puts it off until `next`.
    async fn settle_logout_notice(&self, id: u64, next: Option<Timestamp>) -> Result<(), StoreError>;

    /// Keeps a new authorization code. Durable.
    async fn keep_code(&self, code: &AuthorizationCode) -> Result<(), StoreError>;
    /// Reads the code and its login, asks [`crate::code::decide`], and does what it says; on
    /// [`crate::code::Decision::Replay`] it ends the code's session and appends `on_replay` for it. As if
    /// no other operation ran meanwhile. Durable.
    async fn redeem_code(
        &self,
        digest: CodeDigest,
        presented: &PresentedCode,
        on_replay: NewRevocation,
    ) -> Result<Redeemed, StoreError>;
    /// Removes codes that expired before `before`, at most `limit`; returns how many.
    async fn forget_codes(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Keeps what a device asks for, which waits for its user. Durable. `false`, with nothing kept, when the user
    /// code is another's.
    async fn keep_device_authorization(&self, asked: &DeviceAuthorization) -> Result<bool, StoreError>;
    /// What the device of that code has asked for, whatever became of it.
    async fn find_device_authorization(
        &self,
        digest: DeviceCodeDigest,
    ) -> Result<Option<DeviceAuthorization>, StoreError>;
    /// The same, by what its user types.
    async fn find_device_authorization_by_user_code(
        &self,
        user_code: UserCodeDigest,
    ) -> Result<Option<DeviceAuthorization>, StoreError>;
    /// Keeps what a user says to it. Durable. `true` once; `false`, with nothing changed, when there is none that
    /// waits for an answer at `now`.
    async fn answer_device_authorization(
        &self,
        user_code: UserCodeDigest,
        answer: &DeviceAnswer,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Reads what was asked for and its login, asks [`crate::device::decide`], and does what it says; on
    /// [`crate::device::DeviceDecision::Replay`] it ends the session that it gave and appends `on_replay` for it.
    /// As if no other operation ran meanwhile. Durable where something changed.
    async fn redeem_device_authorization(
        &self,
        digest: DeviceCodeDigest,
        presented: &PresentedCode,
        on_replay: NewRevocation,
    ) -> Result<RedeemedDevice, StoreError>;
    /// Removes what devices asked for and what expired before `before`, at most `limit`; returns how many.
    async fn forget_device_authorizations(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Keeps a pushed authorization request. Durable.
    async fn keep_pushed_request(&self, request: &PushedRequest) -> Result<(), StoreError>;
    /// The pushed request of that digest, expired or not, unless it was consumed.
    async fn find_pushed_request(
        &self,
        digest: RequestUriDigest,
    ) -> Result<Option<PushedRequest>, StoreError>;
    /// Removes a pushed request. `true` once, whoever else asks at the same moment; `false` when there is none.
    /// Durable.
    async fn consume_pushed_request(&self, digest: RequestUriDigest) -> Result<bool, StoreError>;
    /// Removes pushed requests that expired before `before`, at most `limit`; returns how many.
    async fn forget_pushed_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// What a user has allowed a client, in the order of the resources; one that names none comes first.
    async fn find_consents(&self, user: UserId, client: &ClientId) -> Result<Vec<Consent>, StoreError>;
    /// Everything a user has allowed, in the order of the clients' ids and then the resources.
    async fn list_consents(&self, user: UserId) -> Result<Vec<Consent>, StoreError>;
    /// Keeps consents, all at once or none. One that is there already for its user, client and resource is joined by the
    /// new scope and keeps its first instant. Durable.
    async fn give_consents(&self, consents: Vec<Consent>) -> Result<(), StoreError>;
    /// Removes all of a client's consents and ends the user's live sessions of that client at `now`, with `revocation` for
    /// each: all at once or nothing. Durable. `false` when there was neither a consent nor a session.
    async fn withdraw_consent(
        &self,
        user: UserId,
        client: &ClientId,
        now: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError>;

    /// Removes sessions that ended before `before`: revoked, idle or used up. One that was not revoked stays while the login
    /// that it arose from has not ended before `before`, if its client has a `backchannel_logout_uri` or a
    /// `frontchannel_logout_uri`. At most `limit` in one go, so that nobody waits behind it; returns how many.
    async fn forget_sessions(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Appends to the log and returns the entry with its place. Durable. Places count from 1, rise by
    /// one, and are never used twice, whatever is forgotten.
    async fn append_revocation(&self, revocation: NewRevocation) -> Result<Entry, StoreError>;
    /// What follows `seq` in the log, in order, at most `limit` entries.
    async fn revocations_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, StoreError>;
    /// The place of the newest entry ever made; 0 for a log that never had one.
    async fn last_revocation(&self) -> Result<u64, StoreError>;
    /// Removes entries whose `forget_after` is before `now`.
    async fn forget_revocations(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Keeps a stream, in the place of the client's one before. Durable.
    async fn put_stream(&self, stream: &Stream) -> Result<(), StoreError>;
    /// The client's stream.
    async fn find_stream(&self, client: &ClientId) -> Result<Option<Stream>, StoreError>;
    /// All streams. There are few.
    async fn list_streams(&self) -> Result<Vec<Stream>, StoreError>;
    /// Removes a stream, if it is there. Durable.
    async fn remove_stream(&self, id: StreamId) -> Result<(), StoreError>;
    /// Moves a stream on to that place in the log; never back. Durable.
    async fn advance_stream(&self, id: StreamId, taken_up_to: u64) -> Result<(), StoreError>;

    /// Uses up the ticket of that `jti`. `true` once, whoever else asks at the same moment; `false`, with nothing
    /// changed, ever after, until `forget_after` has passed. Durable.
    async fn consume_ticket(&self, jti: [u8; 16], forget_after: Timestamp) -> Result<bool, StoreError>;
    /// Removes used tickets whose `forget_after` is before `now`.
    async fn forget_tickets(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Remembers a signed text that counts once. `true` once, whoever else asks at the same moment; `false`, with
    /// nothing changed, ever after, until `forget_after` has passed. Durable.
    async fn consume_jti(&self, jti: JtiDigest, forget_after: Timestamp) -> Result<bool, StoreError>;
    /// Removes what was remembered so and whose `forget_after` is before `now`.
    async fn forget_jtis(&self, now: Timestamp) -> Result<(), StoreError>;

    /// The roots of the issuer's secrets, as [`Store::reseal`] keeps them.
    async fn find_roots(&self) -> Result<Option<Vec<u8>>, StoreError>;
    /// Keeps `roots` in the place of those before, and puts what `reseal` makes of it in the place of everything
    /// that is sealed: all at once, or nothing where something does not open. Durable.
    async fn reseal(&self, roots: &[u8], reseal: Reseal) -> Result<(), StoreError>;

    /// Keeps tokens' places in status lists. Durable.
    async fn keep_statuses(&self, records: &[StatusRecord]) -> Result<(), StoreError>;
    /// All that are kept.
    async fn list_statuses(&self) -> Result<Vec<StatusRecord>, StoreError>;
    /// Removes those whose `forget_after` is before `now`, at most `limit`.
    async fn forget_statuses(&self, now: Timestamp, limit: u32) -> Result<(), StoreError>;

    /// The retired keys that are kept for hints.
    async fn list_retired_keys(&self) -> Result<Vec<RetiredKey>, StoreError>;
    /// Keeps `keys`, few, in the place of all that [`Store::list_retired_keys`] has. Durable.
    async fn put_retired_keys(&self, keys: &[RetiredKey]) -> Result<(), StoreError>;
    /// All keys that are not retired.
    async fn list_keys(&self) -> Result<Vec<KeyRecord>, StoreError>;
    /// Keeps new keys and new states of known ones, removes those named in `retired`, and appends
    /// the `revocations`: all at once or nothing. Durable.
    async fn save_keys(
        &self,
        keys: &[KeyRecord],
        retired: &[String],
        revocations: Vec<NewRevocation>,
    ) -> Result<(), StoreError>;
}

/// Whose sessions [`Store::end_sessions`] ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One user's.
    User(UserId),
    /// Those that one client started.
    Client(ClientId),
    /// Everybody's.
    Everybody,
}

/// Which of a user's sessions end, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndSessions {
    /// The instant that is written down.
    pub at: Timestamp,
    /// The one session that goes on.
    pub except: Option<SessionId>,
}

/// The part of a revocation that is the same for every holder of a role; the store adds each
/// user's id.
#[derive(Clone, Debug)]
pub struct HolderRevocation {
    /// Tokens minted before this are dead.
    pub issued_before: Timestamp,
    /// When nothing it concerns can be alive any more.
    pub forget_after: Timestamp,
    /// Why.
    pub reason: Reason,
}

impl HolderRevocation {
    /// The revocation for one holder.
    #[must_use]
    pub fn of(&self, user: UserId) -> NewRevocation {
        NewRevocation {
            kind: Kind::Subject,
            id: user.to_string(),
            issued_before: self.issued_before,
            forget_after: self.forget_after,
            reason: self.reason.clone(),
        }
    }
}
