//! The trait, operation by operation: which thread, which function, which answer.

use std::sync::Arc;

use async_trait::async_trait;
use gatepass_issuer::client::Client;
use gatepass_issuer::code::{AuthorizationCode, CodeDigest, PresentedCode};
use gatepass_issuer::consent::Consent;
use gatepass_issuer::device::{DeviceAnswer, DeviceAuthorization, DeviceCodeDigest, UserCodeDigest};
use gatepass_issuer::id::{ClientId, SessionId, StreamId, UserId};
use gatepass_issuer::keys::KeyRecord;
use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::registration::{InitialAccessToken, Registration, RegistrationTokenDigest};
use gatepass_issuer::rotation::Presented;
use gatepass_issuer::session::Session;
use gatepass_issuer::signals::Stream;
use gatepass_issuer::store::{
    ChangeError, EndSessions, HolderRevocation, NewRevocation, Page, Redeemed, RedeemedDevice, Registering,
    RegistrationRotation, Rotated, Store, StoreError, UserChange, Whose,
};
use gatepass_issuer::user::{Role, RoleName, User, Username};
use gatepass_issuer::{
    EmailAddress, JtiDigest, LinkedIdentity, LogoutNotice, ProviderId, PushedRequest, RequestUriDigest,
    Reseal, RetiredKey, StatusRecord,
};
use gatepass_jose::Timestamp;
use gatepass_revocation::Entry;
use rusqlite::Connection;

use super::failure::Failure;
use super::user::Changed;
use super::writer::Group;
use super::{
    Embedded, client, code, consent, device_authorization, jti, linked_identity, logout_notice,
    pushed_request, registration, revocation, role, root, session, signing_key, stream, ticket, token_status,
    user,
};

/// How many revocations, used tickets or signed texts go in one step, so that nobody waits long behind it.
const FORGOTTEN_AT_ONCE: u32 = 1000;

impl Embedded {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.readers.run(work).await?)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Group<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.writer.run(work).await?)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn create_user(&self, user: &User) -> Result<(), ChangeError> {
        let user = user.clone();
        let created = self.write(move |group| user::create(group, &user)).await?;
        created.then_some(()).ok_or(ChangeError::Exists)
    }

    async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(move |connection| user::find(connection, id)).await
    }

    async fn find_user_by_name(&self, name: &Username) -> Result<Option<User>, StoreError> {
        let name = name.clone();
        self.read(move |connection| user::find_by_name(connection, &name)).await
    }

    async fn list_users(&self, page: Page<UserId>) -> Result<Vec<User>, StoreError> {
        self.read(move |connection| user::list(connection, page.after, page.limit)).await
    }

    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        end_sessions: Option<EndSessions>,
        revocations: Vec<NewRevocation>,
    ) -> Result<User, ChangeError> {
        let work = move |group: &Group<'_>| user::change(group, id, &change, end_sessions, &revocations);
        match self.write(work).await? {
            Changed::To(user) => Ok(*user),
            Changed::Unknown => Err(ChangeError::Unknown),
            Changed::Taken => Err(ChangeError::Exists),
        }
    }

    async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, StoreError> {
        let email = email.clone();
        self.read(move |connection| user::find_by_email(connection, &email)).await
    }

    async fn find_linked_user(
        &self,
        provider: &ProviderId,
        subject: &str,
    ) -> Result<Option<User>, StoreError> {
        let (provider, subject) = (provider.clone(), subject.to_owned());
        self.read(move |connection| linked_identity::find_user(connection, &provider, &subject)).await
    }

    async fn list_identities(&self, user: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        self.read(move |connection| linked_identity::list(connection, user)).await
    }

    async fn link_identity(&self, link: &LinkedIdentity) -> Result<(), ChangeError> {
        let link = link.clone();
        match self.write(move |group| linked_identity::link(group, &link)).await? {
            Some(true) => Ok(()),
            Some(false) => Err(ChangeError::Exists),
            None => Err(ChangeError::Unknown),
        }
    }

    async fn create_linked_user(&self, user: &User, link: &LinkedIdentity) -> Result<(), ChangeError> {
        let (user, link) = (user.clone(), link.clone());
        let created = self.write(move |group| linked_identity::create_linked(group, &user, &link)).await?;
        created.then_some(()).ok_or(ChangeError::Exists)
    }

    async fn unlink_identity(
        &self,
        user: UserId,
        provider: &ProviderId,
        now: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError> {
        let provider = provider.clone();
        self.write(move |group| linked_identity::unlink(group, user, &provider, now, &revocation)).await
    }

    async fn upgrade_password(
        &self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.write(move |group| user::upgrade_password(group, id, &old, &new)).await
    }

    async fn sample_passwords(&self, count: u32) -> Result<Vec<PasswordHash>, StoreError> {
        self.read(move |connection| user::sample_passwords(connection, count)).await
    }

    async fn create_client(&self, client: &Client) -> Result<(), ChangeError> {
        let client = client.clone();
        let created = self.write(move |group| client::create(group, &client)).await?;
        created.then_some(()).ok_or(ChangeError::Exists)
    }

    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let changes = match self.clients.rows.find(id) {
            Ok(client) => return Ok(Some(Arc::unwrap_or_clone(client))),
            Err(changes) => changes,
        };
        let asked = id.clone();
        let found = self.read(move |connection| client::find(connection, &asked)).await?;
        if let Some(client) = &found {
            self.clients.rows.keep(id.clone(), Arc::new(client.clone()), changes);
        }
        Ok(found)
    }

    async fn list_clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, StoreError> {
        self.read(move |connection| client::list(connection, page.after.as_ref(), page.limit)).await
    }

    async fn replace_client(
        &self,
        client: &Client,
        revocations: Vec<NewRevocation>,
    ) -> Result<(), ChangeError> {
        let client = client.clone();
        let known = self.write(move |group| client::replace(group, &client, &revocations)).await?;
        known.then_some(()).ok_or(ChangeError::Unknown)
    }

    async fn remove_client(
        &self,
        id: &ClientId,
        at: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |group| client::remove(group, &id, at, revocation)).await
    }

    async fn keep_initial_access_token(&self, token: &InitialAccessToken) -> Result<(), StoreError> {
        let token = token.clone();
        self.write(move |group| registration::keep_token(group, &token)).await
    }

    async fn find_initial_access_token(
        &self,
        digest: RegistrationTokenDigest,
    ) -> Result<Option<InitialAccessToken>, StoreError> {
        self.read(move |connection| registration::find_token(connection, digest)).await
    }

    async fn list_initial_access_tokens(&self) -> Result<Vec<InitialAccessToken>, StoreError> {
        self.read(registration::list_tokens).await
    }

    async fn remove_initial_access_token(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |group| registration::remove_token(group, &id)).await
    }

    async fn forget_initial_access_tokens(&self, before: Timestamp) -> Result<(), StoreError> {
        self.write(move |group| registration::forget_tokens(group, before)).await
    }

    async fn register_client(
        &self,
        token: RegistrationTokenDigest,
        client: &Client,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<Registering, StoreError> {
        let (client, registration) = (client.clone(), registration.clone());
        self.write(move |group| registration::register(group, token, &client, &registration, now)).await
    }

    async fn find_registration(&self, client: &ClientId) -> Result<Option<Registration>, StoreError> {
        let changes = match self.clients.registrations.find(client) {
            Ok(registration) => return Ok(Arc::unwrap_or_clone(registration)),
            Err(changes) => changes,
        };
        let asked = client.clone();
        let found = self.read(move |connection| registration::find(connection, &asked)).await?;
        // Of names that are no client's there is no end.
        if found.is_some() || self.clients.rows.find(client).is_ok() {
            self.clients.registrations.keep(client.clone(), Arc::new(found.clone()), changes);
        }
        Ok(found)
    }

    async fn change_registration(
        &self,
        client: &Client,
        revocations: Vec<NewRevocation>,
        rotation: RegistrationRotation,
    ) -> Result<bool, StoreError> {
        let client = client.clone();
        self.write(move |group| registration::change(group, &client, &revocations, rotation)).await
    }

    async fn list_roles(&self) -> Result<Vec<Role>, StoreError> {
        self.read(role::list).await
    }

    async fn put_role(&self, role: &Role, for_holder: HolderRevocation) -> Result<(), StoreError> {
        let role = role.clone();
        self.write(move |group| role::put(group, &role, &for_holder)).await
    }

    async fn remove_role(&self, name: &RoleName, for_holder: HolderRevocation) -> Result<(), ChangeError> {
        let name = name.clone();
        let known = self.write(move |group| role::remove(group, &name, &for_holder)).await?;
        known.then_some(()).ok_or(ChangeError::Unknown)
    }

    async fn start_session(&self, session: &Session) -> Result<Option<User>, StoreError> {
        let session = session.clone();
        self.write(move |group| session::start(group, &session)).await
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.read(move |connection| session::find(connection, id)).await
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.read(move |connection| session::list_live(connection, user, now)).await
    }

    async fn list_sessions_of_login(
        &self,
        user: UserId,
        login: SessionId,
    ) -> Result<Vec<Session>, StoreError> {
        self.read(move |connection| session::list_of_login(connection, user, login)).await
    }

    async fn rotate_session(
        &self,
        id: SessionId,
        presented: &Presented,
        on_replay: NewRevocation,
    ) -> Result<Rotated, StoreError> {
        let presented = presented.clone();
        self.write(move |group| session::rotate(group, id, &presented, on_replay)).await
    }

    async fn revoke_session(
        &self,
        id: SessionId,
        now: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError> {
        self.write(move |group| session::revoke(group, id, now, revocation)).await
    }

    async fn end_sessions(
        &self,
        whose: &Whose,
        at: Timestamp,
        revocation: NewRevocation,
    ) -> Result<(), StoreError> {
        let whose = whose.clone();
        self.write(move |group| session::end(group, &whose, at, revocation)).await
    }

    async fn start_login(
        &self,
        login: &Session,
        previous: Option<SessionId>,
    ) -> Result<Option<User>, StoreError> {
        let login = login.clone();
        self.write(move |group| session::start_login(group, &login, previous)).await
    }

    async fn extend_session(&self, id: SessionId, idle_expires_at: Timestamp) -> Result<(), StoreError> {
        self.write(move |group| session::extend(group, id, idle_expires_at)).await
    }

    async fn due_logout_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<LogoutNotice>, StoreError> {
        self.read(move |connection| logout_notice::due(connection, now, limit)).await
    }

    async fn settle_logout_notice(&self, id: u64, next: Option<Timestamp>) -> Result<(), StoreError> {
        self.write(move |group| logout_notice::settle(group, id, next)).await
    }

    async fn keep_code(&self, code: &AuthorizationCode) -> Result<(), StoreError> {
        let code = code.clone();
        self.write(move |group| code::keep(group, &code)).await
    }

    async fn redeem_code(
        &self,
        digest: CodeDigest,
        presented: &PresentedCode,
        on_replay: NewRevocation,
    ) -> Result<Redeemed, StoreError> {
        let presented = presented.clone();
        self.write(move |group| code::redeem(group, digest, &presented, &on_replay)).await
    }

    async fn forget_codes(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write(move |group| code::forget(group, before, limit)).await
    }

    async fn keep_device_authorization(&self, asked: &DeviceAuthorization) -> Result<bool, StoreError> {
        let asked = asked.clone();
        self.write(move |group| device_authorization::keep(group, &asked)).await
    }

    async fn find_device_authorization(
        &self,
        digest: DeviceCodeDigest,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        self.read(move |connection| device_authorization::find(connection, digest)).await
    }

    async fn find_device_authorization_by_user_code(
        &self,
        user_code: UserCodeDigest,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        self.read(move |connection| device_authorization::find_by_user_code(connection, user_code)).await
    }

    async fn answer_device_authorization(
        &self,
        user_code: UserCodeDigest,
        answer: &DeviceAnswer,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let answer = answer.clone();
        self.write(move |group| device_authorization::answer(group, user_code, &answer, now)).await
    }

    async fn redeem_device_authorization(
        &self,
        digest: DeviceCodeDigest,
        presented: &PresentedCode,
        on_replay: NewRevocation,
    ) -> Result<RedeemedDevice, StoreError> {
        let presented = presented.clone();
        self.write(move |group| device_authorization::redeem(group, digest, &presented, &on_replay)).await
    }

    async fn forget_device_authorizations(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write(move |group| device_authorization::forget(group, before, limit)).await
    }

    async fn keep_pushed_request(&self, request: &PushedRequest) -> Result<(), StoreError> {
        let request = request.clone();
        self.write(move |group| pushed_request::keep(group, &request)).await
    }

    async fn find_pushed_request(
        &self,
        digest: RequestUriDigest,
    ) -> Result<Option<PushedRequest>, StoreError> {
        self.read(move |connection| pushed_request::find(connection, digest)).await
    }

    async fn consume_pushed_request(&self, digest: RequestUriDigest) -> Result<bool, StoreError> {
        self.write(move |group| pushed_request::consume(group, digest)).await
    }

    async fn forget_pushed_requests(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write(move |group| pushed_request::forget(group, before, limit)).await
    }

    async fn find_consents(&self, user: UserId, client: &ClientId) -> Result<Vec<Consent>, StoreError> {
        let client = client.clone();
        self.read(move |connection| consent::of_client(connection, user, &client)).await
    }

    async fn list_consents(&self, user: UserId) -> Result<Vec<Consent>, StoreError> {
        self.read(move |connection| consent::list(connection, user)).await
    }

    async fn give_consents(&self, consents: Vec<Consent>) -> Result<(), StoreError> {
        self.write(move |group| consent::give(group, consents)).await
    }

    async fn withdraw_consent(
        &self,
        user: UserId,
        client: &ClientId,
        now: Timestamp,
        revocation: NewRevocation,
    ) -> Result<bool, StoreError> {
        let client = client.clone();
        self.write(move |group| consent::withdraw(group, user, &client, now, &revocation)).await
    }

    async fn forget_sessions(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        Ok(self.sweep.forget_sessions(&self.readers, &self.writer, before, limit).await?)
    }

    async fn append_revocation(&self, revocation: NewRevocation) -> Result<Entry, StoreError> {
        self.write(move |group| revocation::append(group, revocation)).await
    }

    async fn revocations_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.read(move |connection| revocation::after(connection, seq, limit)).await
    }

    async fn last_revocation(&self) -> Result<u64, StoreError> {
        self.read(revocation::last).await
    }

    async fn forget_revocations(&self, now: Timestamp) -> Result<(), StoreError> {
        while self.write(move |group| revocation::forget(group, now, FORGOTTEN_AT_ONCE)).await? > 0 {}
        Ok(())
    }

    async fn put_stream(&self, stream: &Stream) -> Result<(), StoreError> {
        let stream = stream.clone();
        self.write(move |group| stream::put(group, &stream)).await
    }

    async fn find_stream(&self, client: &ClientId) -> Result<Option<Stream>, StoreError> {
        let client = client.clone();
        self.read(move |connection| stream::find(connection, &client)).await
    }

    async fn list_streams(&self) -> Result<Vec<Stream>, StoreError> {
        self.read(stream::list).await
    }

    async fn remove_stream(&self, id: StreamId) -> Result<(), StoreError> {
        self.write(move |group| stream::remove(group, id)).await
    }

    async fn advance_stream(&self, id: StreamId, taken_up_to: u64) -> Result<(), StoreError> {
        self.write(move |group| stream::advance(group, id, taken_up_to)).await
    }

    async fn consume_ticket(&self, jti: [u8; 16], forget_after: Timestamp) -> Result<bool, StoreError> {
        self.write(move |group| ticket::consume(group, jti, forget_after)).await
    }

    async fn forget_tickets(&self, now: Timestamp) -> Result<(), StoreError> {
        while self.write(move |group| ticket::forget(group, now, FORGOTTEN_AT_ONCE)).await? > 0 {}
        Ok(())
    }

    async fn consume_jti(&self, digest: JtiDigest, forget_after: Timestamp) -> Result<bool, StoreError> {
        self.write(move |group| jti::consume(group, digest, forget_after)).await
    }

    async fn forget_jtis(&self, now: Timestamp) -> Result<(), StoreError> {
        while self.write(move |group| jti::forget(group, now, FORGOTTEN_AT_ONCE)).await? > 0 {}
        Ok(())
    }

    async fn find_roots(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(root::find).await
    }

    async fn reseal(&self, roots: &[u8], reseal: Reseal) -> Result<(), StoreError> {
        let roots = roots.to_vec();
        self.write(move |group| root::reseal(group, &roots, &reseal)).await
    }

    async fn keep_statuses(&self, records: &[StatusRecord]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let records = records.to_vec();
        self.write(move |group| token_status::keep(group, &records)).await
    }

    async fn list_statuses(&self) -> Result<Vec<StatusRecord>, StoreError> {
        self.read(token_status::list).await
    }

    async fn forget_statuses(&self, now: Timestamp, limit: u32) -> Result<(), StoreError> {
        self.write(move |group| token_status::forget(group, now, limit)).await
    }

    async fn list_retired_keys(&self) -> Result<Vec<RetiredKey>, StoreError> {
        self.read(signing_key::list_retired).await
    }

    async fn put_retired_keys(&self, keys: &[RetiredKey]) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.write(move |group| signing_key::put_retired(group, &keys)).await
    }

    async fn list_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.read(signing_key::list).await
    }

    async fn save_keys(
        &self,
        keys: &[KeyRecord],
        retired: &[String],
        revocations: Vec<NewRevocation>,
    ) -> Result<(), StoreError> {
        let (keys, retired) = (keys.to_vec(), retired.to_vec());
        self.write(move |group| signing_key::save(group, &keys, &retired, &revocations)).await
    }
}
