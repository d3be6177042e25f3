//! The authorization server's rules without HTTP: users, clients, sessions, grants, keys and the
//! revocation log, over a [`Store`](store::Store) of domain operations.
//!
//! [`Issuer`] is what a server drives. Every operation takes the present as an argument; rules that
//! need nothing else ([`rotation::decide`], [`keys::plan`]) are plain functions, so that a year of
//! rotations is tested in a millisecond. What an operation acknowledges is durable.
//!
//! A revocation and a concurrent login cannot pass each other: a token is stamped with an instant
//! taken *before* its user is read, a revocation reaches past the moment it becomes durable, and from
//! then on every stamp lies past that reach. So what was read before a change is refused, and what
//! was read after it is not.

pub mod admin;
pub mod authorize;
mod backchannel_logout;
mod binding;
pub mod certificate;
pub mod client;
mod client_assertion;
mod client_authentication;
mod client_document;
mod client_jwt;
mod client_key_sets;
pub mod code;
mod config;
pub mod consent;
pub mod device;
mod dpop;
mod email;
mod encrypted_token;
mod exchange;
mod feed;
mod forgetting;
mod form_token;
mod grant;
mod guessing;
pub mod id;
mod id_token;
mod identity_provider;
mod introspection;
mod issuer;
mod jti;
pub mod keys;
mod known_device;
mod master_key;
mod mint;
mod own_password;
pub mod password;
mod profile;
mod pushed_request;
mod recent;
pub mod redirect_uri;
mod refresh_token;
pub mod registration;
mod remote_document;
mod resource;
mod response;
mod retired_key;
mod ring;
pub mod rotation;
mod secrets;
pub mod session;
mod sessions;
mod shared_keys;
mod sign_on;
pub mod signals;
mod signing_keys;
mod status_list;
pub mod store;
mod subject;
mod throttle;
mod ticket;
mod trusted_issuer;
pub mod user;

pub use backchannel_logout::{Delivered, LogoutDelivery, LogoutNotice, pause_after};
pub use binding::{Binding, Possession};
pub use client_assertion::assertion_algs;
pub use client_authentication::{AuthenticatedClient, ClientAuthentication, ClientProof};
pub use client_document::{ClientDocument, ClientDocumentSource, ClientDocuments, DocumentError};
pub use config::{
    ADMIN_SCOPE, Config, ISSUER_SCOPES, LoginPolicy, ResourceServer, ResourceServers, ResourceServersError,
    SIGNALS_MANAGE, SIGNALS_READ, SharedSecret, Signing, TokenEncryption,
};
pub use dpop::{DpopError, DpopPolicy, InvalidJkt, Jkt, ShownProof, TokenType};
pub use email::{Email, EmailAddress, InvalidEmail};
pub use exchange::{ExchangeRefusal, TokenExchange, Unusable};
pub use feed::LogPosition;
pub use form_token::FormStep;
pub use grant::{TokenError, TokenRequest, TokenResponse};
pub use id_token::{ACR_PASSWORD, Hint, IdTokenHint, UserClaims, UserClaimsError, UserInfoResponse};
pub use identity_provider::{
    ACR_FEDERATED, AccountError, AccountPolicy, AccountProof, AnswerPlace, ArrivedIdentity,
    AuthorizationAnswer, BeginLogin, BegunLogin, FederatedLogin, Freshness, Identity, IdentityProvider,
    InvalidProviderId, LinkedIdentity, LoginPurpose, MAX_CARRIED, Nobody, NotBegun, ProviderAnswer,
    ProviderAuthorization, ProviderCredential, ProviderError, ProviderId, ProviderProtocol, ProviderRequest,
    ProviderResponseMode, ProviderSource, SecretMethod, Unreachable, UserInfoMembers,
};
pub use introspection::{Introspection, RevokeError};
pub use issuer::{Issuer, OpenError, SnapshotError};
pub use jti::JtiDigest;
pub use known_device::{DeviceCookie, KNOWN_DEVICE_LIFETIME};
pub use master_key::{MasterKeyKeeper, RotateMasterError};
pub use mint::MintError;
pub use own_password::{OwnPasswordChange, OwnPasswordError};
pub use profile::{Profile, ProfileMismatch};
pub use pushed_request::{PUSHED_REQUEST_LIFETIME, PUSHED_REQUEST_PREFIX, PushedRequest, RequestUriDigest};
pub use refresh_token::RefreshToken;
pub use remote_document::{RemoteDocument, RemoteDocumentSource};
pub use resource::{GrantedResources, MAX_RESOURCES, NamedResources, SeveralResources};
pub use response::{DEFAULT_RESPONSE_ALG, NoRecipient, ResponseError};
pub use retired_key::RetiredKey;
pub use ring::Published;
pub use secrets::{MasterKey, Reseal, Sealed, SecretError};
pub use sessions::{BearerError, Caller, InternalError, Login, LoginError, RefreshError, Tokens, UserInfo};
pub use sign_on::{LoginCookie, SignedOn};
pub use signing_keys::{KeyInfo, ScheduleInfo};
pub use status_list::{StatusListError, StatusRecord};
pub use subject::{SubjectType, Subjects};
pub use throttle::{ThrottleLimit, ThrottlePolicy};
pub use ticket::{ConsumeError, NewTicket, Ticket, TicketError};
pub use trusted_issuer::{
    FetchedKeys, KeySetError, KeySetSource, PublishedKeys, SubjectMapping, TrustedIssuer, TrustedKeys,
};
