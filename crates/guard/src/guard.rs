use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use gatepass_jose::jwt::unverified_issuer;

use crate::admitted::Admitted;
use crate::authorization::{Credentials, Scheme, credentials};
use crate::background::Background;
use crate::challenge::Challenge;
use crate::clock::Clock;
use crate::config::{IssuerConfig, StartError};
use crate::decryption::is_encrypted;
use crate::denied::{Denied, TicketProblem};
use crate::exchange::{Exchange, ExchangeError, ExchangedToken};
use crate::http::Http;
use crate::issuer::TrustedIssuer;
use crate::opaque::is_opaque;
use crate::openid::OpenIdIssuer;
use crate::request::GuardedRequest;
use crate::sender::Sender;
use crate::setup::{Means, trust};
use crate::stale::StalePolicy;
use crate::status::Status;
use crate::ticket;

/// Verifies access tokens for a resource server.
///
/// It fetches the keys of the issuers it trusts and follows their revocations in the background;
/// verifying a token is a matter of memory and arithmetic. Only in five cases does it ask an issuer
/// first: a token names a key that is not known (at most one fetch per interval, whatever the load), the
/// configuration demands introspection, or it demands that for a stale view, the issuer's tokens are opaque, or the
/// status list that a token names is due.
///
/// Cloning shares everything. When the last clone is dropped, the background tasks end.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use gatepass_guard::{Feed, Guard, IssuerConfig, OnStale, Revocation, WhenStale};
///
/// let on_stale = OnStale { after: Duration::from_secs(30), then: WhenStale::Allow };
/// let guard = Guard::start([IssuerConfig::new(
///     "https://auth.example.com",
///     ["https://api.example.com"],
///     Revocation::Feed(Feed::new(on_stale)),
/// )])
/// .await?;
/// guard.ready().await;
///
/// # let token = "";
/// let admitted = guard.verify(token).await?;
/// println!("{} may {}", admitted.sub, admitted.scope);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    issuers: Vec<TrustedIssuer>,
    clock: Arc<Clock>,
    background: Background,
}

impl Guard {
    /// Checks the configuration and starts the background tasks, on the Tokio runtime that runs this.
    ///
    /// It does not wait for any issuer, so a service can start while its issuer is down. Tokens are
    /// refused with 503 until there are keys; [`ready`](Self::ready) waits for them.
    ///
    /// # Errors
    /// [`StartError`] for a configuration that leaves open whom to trust, or for what.
    pub async fn start(issuers: impl IntoIterator<Item = IssuerConfig>) -> Result<Self, StartError> {
        Self::start_after(None, issuers)
    }

    /// As [`start`](Self::start), in place of a guard that has served until now: what that one knows of the same
    /// issuers and nobody else may be able to tell goes over, the revocations that it has seen, where both follow a
    /// feed, and the DPoP proofs that were used. The old one goes on until it is dropped.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn succeed(
        old: &Guard,
        issuers: impl IntoIterator<Item = IssuerConfig>,
    ) -> Result<Self, StartError> {
        Self::start_after(Some(old), issuers)
    }

    fn start_after(
        old: Option<&Guard>,
        issuers: impl IntoIterator<Item = IssuerConfig>,
    ) -> Result<Self, StartError> {
        // The same clock: by it the age of a view is told that both look at.
        let clock = old.map_or_else(|| Arc::new(Clock::start()), |old| Arc::clone(&old.0.clock));
        let background = Background::new();
        let http = Http::new().map_err(StartError::Http)?;
        let means = Means { http, clock: Arc::clone(&clock), background: background.clone() };
        let mut names = HashSet::new();
        let mut trusted = Vec::new();
        for config in issuers {
            if !names.insert(config.issuer.clone()) {
                return Err(StartError::DuplicateIssuer { issuer: config.issuer });
            }
            let before = old.and_then(|old| old.0.issuer_named(&config.issuer));
            trusted.push(trust(&config, before, &means)?);
        }
        let mut opaque = trusted.iter().filter(|issuer| issuer.takes_opaque_tokens());
        if let (Some(_), Some(second)) = (opaque.next(), opaque.next()) {
            return Err(StartError::SecondOpaqueIssuer { issuer: second.issuer.as_str().to_owned() });
        }
        if trusted.is_empty() {
            return Err(StartError::NoIssuer);
        }
        Ok(Guard(Arc::new(Inner { issuers: trusted, clock, background })))
    }

    /// Verifies an access token: signature, algorithm, type, issuer, audience, time, revocation.
    ///
    /// Nothing is known here of who sent it, so one that is bound to a key is refused; see
    /// [`authenticate`](Self::authenticate).
    ///
    /// # Errors
    /// [`Denied`] with the first check that failed.
    pub async fn verify(&self, token: &str) -> Result<Admitted, Denied> {
        let (method, headers) = (Method::default(), HeaderMap::new());
        let credentials = Credentials { scheme: Scheme::Bearer, token };
        self.authenticate_with(&credentials, &GuardedRequest::new(&method, &headers)).await
    }

    /// Verifies the access token of a request, and that its sender is the one to whom it is bound, if to
    /// anybody: by a DPoP proof ([RFC 9449 section 7](https://www.rfc-editor.org/rfc/rfc9449#section-7)), by the
    /// certificate of the connection ([RFC 8705 section 3](https://www.rfc-editor.org/rfc/rfc8705#section-3)), or
    /// by both. A proof counts once: ask one time for each request.
    ///
    /// # Errors
    /// As [`credentials`] and [`verify`](Self::verify), and what [`Denied`] has for senders.
    pub async fn authenticate(&self, request: &GuardedRequest<'_>) -> Result<Admitted, Denied> {
        self.authenticate_with(&credentials(request.headers)?, request).await
    }

    /// As [`authenticate`](Self::authenticate), for whoever has read the request's [`credentials`] already.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub async fn authenticate_with(
        &self,
        credentials: &Credentials<'_>,
        request: &GuardedRequest<'_>,
    ) -> Result<Admitted, Denied> {
        let now = self.0.clock.now();
        let (issuer, token) = self.read(credentials.token)?;
        let believed = issuer.verify(&token, now, request.on_stale).await?;
        let sender = issuer.senders.require(believed.claims(), credentials, request, now)?;
        Ok(Admitted::new(believed, sender, now.wall))
    }

    /// Whether a token that was admitted would be good now: not expired, not revoked, its key still in use.
    /// For what goes on after the request, a stream or a long computation; its sender has proved itself
    /// with the request and is not asked again. Another token than was admitted is verified from the start.
    /// `on_stale` is the policy that the request was admitted under, if not the issuer's.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_again(
        &self,
        admitted: &Admitted,
        token: &str,
        on_stale: Option<&StalePolicy>,
    ) -> Result<(), Denied> {
        let (issuer, signed) = self.read(token)?;
        let believed = issuer.verify(&signed, self.0.clock.now(), on_stale).await?;
        if !believed.is_of_same_token(admitted.believed()) {
            self.verify(token).await?;
        }
        Ok(())
    }

    /// Verifies a ticket: a token for the one request with this method and this target, from which it has been
    /// taken with [`take_ticket`](crate::take_ticket). Nobody is asked. Nothing is let in by it before
    /// [`consume_ticket`](Self::consume_ticket) has said yes.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and [`Denied::Ticket`].
    pub async fn verify_ticket(&self, ticket: &str, method: &str, target: &str) -> Result<Admitted, Denied> {
        let now = self.0.clock.now();
        let believed = self.issuer_of(ticket)?.verify_ticket(ticket, now).await?;
        ticket::require_for(&believed.payload, method, target)?;
        // Nobody could prove anything with it: it came without any other field.
        if believed.claims().cnf.is_some() {
            return Err(TicketProblem::NotTaken.into());
        }
        Ok(Admitted::new(believed, Sender::default(), now.wall))
    }

    /// Has the issuer use up a ticket that was verified just now, as the [`Client`](crate::Client) that the guard
    /// is to it. It says yes once, whichever guard asks.
    ///
    /// # Errors
    /// [`Denied::Ticket`] if it says no, [`Denied::TicketNotConsumed`] if it says nothing.
    pub async fn consume_ticket(&self, admitted: &Admitted, ticket: &str) -> Result<(), Denied> {
        let office = self.0.issuer_named(&admitted.iss).and_then(|issuer| issuer.tickets.as_ref());
        office.ok_or(Denied::Ticket(TicketProblem::NotTaken))?.consume(ticket).await
    }

    /// Whether what a ticket opened may go on: it was not revoked since with its session, user or client, and
    /// the access token that it was minted for has not expired. That the ticket itself is used up and past its
    /// few minutes means nothing. `on_stale` as for a request; nobody can be asked about a used ticket, so where
    /// the issuer is to be asked the answer is no.
    ///
    /// # Errors
    /// As [`verify_ticket`](Self::verify_ticket).
    pub fn verify_opened(&self, admitted: &Admitted, on_stale: Option<&StalePolicy>) -> Result<(), Denied> {
        let now = self.0.clock.now();
        let issuer = self.0.issuer_named(&admitted.iss).ok_or(Denied::Ticket(TicketProblem::NotTaken))?;
        issuer.require_open(admitted, now, on_stale)?;
        match ticket::request(admitted.payload())?.until.0 > now.wall {
            true => Ok(()),
            false => Err(TicketProblem::Ended.into()),
        }
    }

    /// Exchanges a token that was admitted just now, as it was presented, for one with which this service calls
    /// the next ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)), as the [`Client`](crate::Client) that the
    /// guard is to the token's issuer.
    ///
    /// What the issuer gave is kept for as long as it lives, and no longer than the token it was given for; it is
    /// renewed ahead of its end. It is given out for an admitted token alone, and for none that a feed has revoked since, so that
    /// nothing of it outlives a revocation: admit the token of every request before you ask.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange(
        &self,
        admitted: &Admitted,
        token: &str,
        wanted: &Exchange,
    ) -> Result<ExchangedToken, ExchangeError> {
        let issuer = self.0.issuer_named(&admitted.iss).ok_or(ExchangeError::NoClient)?;
        let exchanger = issuer.exchanger.as_ref().ok_or(ExchangeError::NoClient)?;
        let (_, token) = self.read(token)?;
        let exchanged = exchanger.exchange(&token, admitted.exp.0, wanted).await?;
        // The issuer may have taken its time, and may not know yet of a revocation that is told here.
        issuer.require_not_revoked_since(admitted, &token)?;
        Ok(exchanged)
    }

    /// Asks once more whether a token that was admitted is revoked, under another policy than before.
    pub(crate) async fn require_valid(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        policy: &StalePolicy,
    ) -> Result<(), Denied> {
        let (issuer, token) = self.read(credentials(headers)?.token)?;
        issuer.require_valid(admitted, &token, self.0.clock.now(), policy).await
    }

    /// What to say in a refusal's `WWW-Authenticate`: the schemes that the issuers' tokens may come under.
    /// DPoP is among them for whoever tells the URLs of requests.
    #[must_use]
    pub fn challenge(&self) -> Challenge {
        let mut algs = Vec::new();
        for alg in self.0.issuers.iter().flat_map(|issuer| issuer.senders.algs()) {
            if !algs.contains(alg) {
                algs.push(*alg);
            }
        }
        let challenge = Challenge::default().with_dpop(&algs);
        let is_required = self.0.issuers.iter().all(|issuer| issuer.senders.is_required());
        if is_required { challenge.without_bearer() } else { challenge }
    }

    /// An issuer that this guard trusts, for a client that logs users in there. `None` for one that it does not
    /// trust, or that publishes no keys to verify ID tokens with.
    #[must_use]
    pub fn openid(&self, issuer: &str) -> Option<OpenIdIssuer> {
        self.0.issuers.iter().find(|trusted| trusted.issuer.as_str() == issuer)?.openid.clone()
    }

    /// Waits until every issuer's keys are there and every feed's first snapshot is loaded.
    pub async fn ready(&self) {
        for issuer in &self.0.issuers {
            issuer.ready().await;
        }
    }

    /// How it stands with every issuer.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.0.clock.now();
        Status { issuers: self.0.issuers.iter().map(|issuer| issuer.status(now)).collect() }
    }

    /// Ends the background tasks. Tokens are still verified afterwards, with what is known, which grows
    /// stale.
    pub async fn shutdown(&self) {
        self.0.background.shutdown().await;
    }

    /// Whether the two are clones of one.
    pub(crate) fn is(&self, other: &Guard) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a token is encrypted for a key of this guard's, and by an issuer of its: for whoever has several guards, and must
    /// ask one of them.
    #[must_use]
    pub fn opens(&self, token: &str) -> bool {
        let has_key = self.0.issuers.iter().any(|issuer| issuer.opener.is_some());
        has_key && is_encrypted(token) && self.read(token).is_ok()
    }

    /// The issuer to ask about a token, and the token as that one signed it.
    fn read<'t>(&self, token: &'t str) -> Result<(&TrustedIssuer, Cow<'t, str>), Denied> {
        let mut openers = self.0.issuers.iter().filter_map(|issuer| issuer.opener.as_ref()).peekable();
        if openers.peek().is_none() || !is_encrypted(token) {
            let issuer = self.issuer_of(token)?;
            return match &issuer.opener {
                Some(opener) if opener.is_required => Err(Denied::NotEncrypted),
                _ => Ok((issuer, Cow::Borrowed(token))),
            };
        }
        let inside = openers.find_map(|opener| opener.open(token)).ok_or(Denied::Undecryptable)?;
        let issuer = self.issuer_of(&inside)?;
        // A key is agreed on with its issuer, and opens what another has encrypted only where that has agreed on it too.
        let opener = issuer.opener.as_ref().ok_or(Denied::Undecryptable)?;
        match self.0.issuers.len() > 1 && opener.open(token).is_none() {
            true => Err(Denied::Undecryptable),
            false => Ok((issuer, Cow::Owned(inside.to_string()))),
        }
    }

    /// Which issuer's verifier to ask. The token's own word only chooses among those that are trusted;
    /// the one chosen then checks `iss` like everything else. One that says nothing is the one's whose tokens are such.
    fn issuer_of(&self, token: &str) -> Result<&TrustedIssuer, Denied> {
        if let [only] = self.0.issuers.as_slice() {
            return Ok(only);
        }
        if is_opaque(token)
            && let Some(issuer) = self.0.issuers.iter().find(|issuer| issuer.takes_opaque_tokens())
        {
            return Ok(issuer);
        }
        let claimed = unverified_issuer(token)?;
        self.0
            .issuer_named(claimed.as_ref())
            .ok_or_else(|| Denied::UntrustedIssuer { issuer: claimed.chars().take(200).collect() })
    }
}

impl Inner {
    fn issuer_named(&self, iss: &str) -> Option<&TrustedIssuer> {
        self.issuers.iter().find(|trusted| trusted.issuer.as_str() == iss)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.0.issuers.iter().map(|trusted| trusted.issuer.as_str());
        f.debug_list().entries(issuers).finish()
    }
}
