//! What is below `prefix`: `login`, `callback`, `session`, `logout`.

use std::sync::Arc;

use bytes::Bytes;
use gatepass_guard::{IdToken, OpenIdError, OpenIdIssuer, TokenAnswer};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::Serialize;
use url::form_urlencoded;

use super::demands::Demands;
use super::login::{AuthorizationAnswer, BadAnswer, Login};
use super::session::{Holder, Session, Tokens};
use super::{Bff, SessionError, bearing, now, own_path, page, site};
use crate::body::ResponseBody;
use crate::client::InFlight;
use crate::gateway::State;
use crate::guards::Guards;
use crate::message;
use crate::record::Recording;
use crate::refusal::Refusal;

/// What a path below `prefix` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Login,
    Callback,
    Session,
    Logout,
    Unknown,
}

/// What a page is told of its user's session. Never a token.
#[derive(Serialize)]
struct SessionAnswer<'s> {
    authenticated: bool,
    #[serde(flatten)]
    session: Option<SessionFacts<'s>>,
}

#[derive(Serialize)]
struct SessionFacts<'s> {
    sub: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'s str>,
    scope: &'s str,
    /// When it ends if it is not used until then, in seconds since 1970.
    expires_at: i64,
}

#[derive(Serialize)]
struct LogoutAnswer<'l> {
    /// Where the browser goes to be logged out of the issuer as well.
    logout_url: &'l str,
}

impl Endpoint {
    fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            Self::Login | Self::Callback => (&[Method::GET], "GET"),
            Self::Session => (&[Method::GET, Method::HEAD], "GET, HEAD"),
            Self::Logout => (&[Method::POST], "POST"),
            Self::Unknown => (&[], ""),
        }
    }
}

/// Answers a request for an endpoint of sessions.
pub(crate) async fn serve(
    state: &State,
    bff: &Arc<Bff>,
    endpoint: Endpoint,
    request: &Request<Incoming>,
    recording: &mut Recording,
    in_flight: InFlight,
) -> Response<ResponseBody> {
    let answered = match bff.require(endpoint, request, state) {
        Ok(()) => bff.answer(endpoint, request, &state.guards).await.map_err(Refusal::Session),
        Err(refusal) => Err(refusal),
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        recording.refused(&refusal);
        refusal.log();
        bff.refuse(endpoint, request, &refusal, state)
    });
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The callback's URL has a code in it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.map(|text| ResponseBody::own(text, in_flight))
}

impl Bff {
    /// What a path names, if it is not for the routes.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let below = path.strip_prefix(&*self.settings.prefix)?;
        match below {
            "/login" => Some(Endpoint::Login),
            "/callback" => Some(Endpoint::Callback),
            "/session" => Some(Endpoint::Session),
            "/logout" => Some(Endpoint::Logout),
            _ => (below.is_empty() || below.starts_with('/')).then_some(Endpoint::Unknown),
        }
    }

    /// A request that its endpoint takes, and that no other site has the browser make.
    fn require(&self, endpoint: Endpoint, request: &Request<Incoming>, state: &State) -> Result<(), Refusal> {
        message::require_well_formed(request, &state.config.limits)?;
        let (methods, allow) = endpoint.methods();
        let (headers, method) = (request.headers(), request.method());
        let may_ask = match endpoint {
            Endpoint::Unknown => return Err(Refusal::NoRoute),
            _ if !methods.contains(method) => {
                return Err(Refusal::MethodNotAllowed { allow: HeaderValue::from_static(allow) });
            }
            // Not from an image or a frame, nor ahead of the user: a browser keeps a few logins under way, and gives up the oldest.
            Endpoint::Login | Endpoint::Callback => site::is_visit(headers),
            Endpoint::Session | Endpoint::Logout => {
                site::may_use_session(headers, method, false, &self.settings.origin)
            }
        };
        if may_ask { Ok(()) } else { Err(Refusal::Session(SessionError::CrossSite)) }
    }

    async fn answer(
        self: &Arc<Self>,
        endpoint: Endpoint,
        request: &Request<Incoming>,
        guards: &Guards,
    ) -> Result<Response<Bytes>, SessionError> {
        let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
        match endpoint {
            Endpoint::Login => self.log_in(headers, query, guards).await,
            Endpoint::Callback => self.call_back(headers, query, guards).await,
            Endpoint::Session => self.tell_session(headers, guards).await,
            Endpoint::Logout => self.log_out(headers, guards).await,
            Endpoint::Unknown => Err(SessionError::LoginFailed), // refused before
        }
    }

    fn refuse(
        &self,
        endpoint: Endpoint,
        request: &Request<Incoming>,
        refusal: &Refusal,
        state: &State,
    ) -> Response<Bytes> {
        match (endpoint, refusal) {
            (Endpoint::Login | Endpoint::Callback, Refusal::Session(error)) => {
                // An answer to no login of this browser's ends none: whoever makes a link could have sent it here.
                let answer = AuthorizationAnswer::parse(request.uri().query().unwrap_or_default());
                let answered = match (endpoint, answer) {
                    (Endpoint::Callback, Ok(answer)) => self.answered_login(&answer, request.headers()),
                    _ => Ok(None),
                };
                let Ok(Some(login)) = answered else {
                    return page::not_completed(error.status(), &self.login_path(&Demands::default(), None));
                };
                // The same again, for the same page.
                let again = self.login_path(&login.demands, Some(&login.return_to));
                let mut response = page::not_completed(error.status(), &again);
                if *error != SessionError::CrossSite {
                    response.headers_mut().append(header::SET_COOKIE, self.cookies.clear_login(login.key()));
                }
                response
            }
            _ => refusal.to_response(&state.challenge(0)),
        }
    }

    /// `GET login`: sends the browser to the issuer.
    async fn log_in(
        &self,
        headers: &HeaderMap,
        query: &str,
        guards: &Guards,
    ) -> Result<Response<Bytes>, SessionError> {
        let (return_to, demands) = (self.return_to(query)?, Demands::parse(query)?);
        let issuer = self.issuer(guards)?;
        let endpoints = issuer.endpoints().await.map_err(cannot_log_in)?;
        let login = Login::new(&return_to, demands, now()).ok_or(SessionError::LoginUnavailable)?;
        let cookies = self.keep_login(&login, headers).ok_or(SessionError::LoginUnavailable)?;
        let url = login.authorization_url(&endpoints, &self.settings, &self.redirect_uri());
        let mut response = redirect(StatusCode::FOUND, url.as_str())?;
        set_cookies(&mut response, cookies);
        Ok(response)
    }

    fn return_to(&self, query: &str) -> Result<String, SessionError> {
        let mut given = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "return_to");
        let (first, second) = (given.next(), given.next());
        match (first, second) {
            (None, _) => Ok(self.settings.after_login.clone()),
            (Some((_, path)), None) => own_path(&path, &self.settings.origin, &self.settings.prefix)
                .map(str::to_owned)
                .ok_or(SessionError::ReturnTo),
            (Some(_), Some(_)) => Err(SessionError::ReturnTo),
        }
    }

    /// `GET callback`: the browser is back from the issuer.
    async fn call_back(
        self: &Arc<Self>,
        headers: &HeaderMap,
        query: &str,
        guards: &Guards,
    ) -> Result<Response<Bytes>, SessionError> {
        let answer = AuthorizationAnswer::parse(query).map_err(|error| bad_answer(&error))?;
        let login = self.answered_login(&answer, headers)?.ok_or_else(|| bad_answer(&BadAnswer::State))?;
        let issuer = self.issuer(guards)?;
        let names_issuer = issuer.endpoints().await.map_err(cannot_log_in)?.answers_name_issuer;
        let code = login.code(answer, issuer.issuer(), names_issuer).map_err(|error| bad_answer(&error))?;
        let (tokens, user) = self.redeem(&code, &login, &issuer).await?;
        if let Err(error) = self.require_usable(&tokens, guards).await {
            self.revoke(&tokens, &issuer).await;
            return Err(error);
        }
        let cookie = self.begin(headers, tokens, user, (guards, &issuer)).await?;
        // 303, so that whatever brought the browser here is not done again there.
        let mut response = redirect(StatusCode::SEE_OTHER, &login.return_to)?;
        let done = self.cookies.set_login_done(&login.demands.mark());
        set_cookies(&mut response, [cookie, self.cookies.clear_login(login.key()), done]);
        Ok(response)
    }

    async fn redeem(
        &self,
        code: &str,
        login: &Login,
        issuer: &OpenIdIssuer,
    ) -> Result<(Tokens, IdToken), SessionError> {
        let redirect_uri = self.redirect_uri();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &*redirect_uri),
            ("code_verifier", &*login.code_verifier),
        ];
        form.extend(self.settings.resource.as_deref().map(|resource| ("resource", resource)));
        let (client, asked_at) = (&self.settings.client, now());
        let answer: TokenAnswer = issuer.token(client, &form).await.map_err(|error| match error {
            OpenIdError::Refused { error } if error == "invalid_grant" => {
                tracing::info!(target: "gatepass::audit", event = "browser-login-failed", reason = "invalid_grant");
                SessionError::LoginFailed
            }
            error => cannot_log_in(error),
        })?;
        let id_token =
            answer.id_token.as_deref().ok_or_else(|| cannot_log_in("the issuer gave no ID token"))?;
        let verified = issuer.verify_id_token(id_token, client, &login.nonce, &answer.access_token).await;
        let user = verified.map_err(|error| {
            tracing::warn!(%error, "a login failed");
            SessionError::LoginFailed
        })?;
        let tokens = Tokens::new(answer, &self.settings.scope, asked_at).map_err(cannot_log_in)?;
        Ok((tokens, user))
    }

    /// A session whose token no route would take helps nobody: better told now, and to the operator.
    async fn require_usable(&self, tokens: &Tokens, guards: &Guards) -> Result<(), SessionError> {
        match guards.verify_bearer(&tokens.authorization).await {
            Ok(_) => Ok(()),
            Err(denied) if denied.status().is_server_error() => Err(cannot_log_in(denied)),
            Err(denied) => {
                tracing::warn!(reason = %denied, "a login failed: its access token is not good here");
                Err(SessionError::LoginFailed)
            }
        }
    }

    /// Begins a session in place of the one that the browser had, and gives its cookie. What there was ends when there is
    /// another: who cannot be given one keeps it.
    async fn begin(
        self: &Arc<Self>,
        headers: &HeaderMap,
        tokens: Tokens,
        user: IdToken,
        (guards, issuer): (&Guards, &OpenIdIssuer),
    ) -> Result<HeaderValue, SessionError> {
        let (sub, tokens) = (user.sub.clone(), Arc::new(tokens));
        let holder = Holder { sub: user.sub, name: user.name };
        let cookie = match self.sessions.begin(holder, Arc::clone(&tokens), &self.sealer, now()).await {
            Ok(cookie) => cookie,
            Err(error) => {
                tracing::error!(%error, "a session could not be kept");
                self.revoke(&tokens, issuer).await;
                return Err(SessionError::LoginUnavailable);
            }
        };
        tracing::info!(target: "gatepass::audit", event = "browser-session-begun", sub);
        if let Err(error) = self.end_session_of(headers, guards).await {
            tracing::warn!(%error, "the session before a login could not be ended");
        }
        Ok(self.cookies.set_session(&cookie, self.settings.absolute))
    }

    /// Ends the session that a request comes with, if that is one.
    async fn end_session_of(
        self: &Arc<Self>,
        headers: &HeaderMap,
        guards: &Guards,
    ) -> Result<(), SessionError> {
        if let Some(cookie) = self.cookies.session(headers)?
            && let Some(session) = self.find(cookie).await?
        {
            self.end(session, guards).await?;
        }
        Ok(())
    }

    /// `GET session`: who is logged in.
    async fn tell_session(
        self: &Arc<Self>,
        headers: &HeaderMap,
        guards: &Guards,
    ) -> Result<Response<Bytes>, SessionError> {
        let Some(cookie) = self.cookies.session(headers)? else {
            return Ok(json(&SessionAnswer { authenticated: false, session: None }));
        };
        let live = match self.find(cookie).await? {
            Some(session) => self.good_tokens(&session, guards).await?.map(|tokens| (session, tokens)),
            None => None,
        };
        let Some((session, tokens)) = live else {
            return Ok(json(&SessionAnswer { authenticated: false, session: None }));
        };
        let facts = SessionFacts {
            sub: &session.holder.sub,
            name: session.holder.name.as_deref(),
            scope: &tokens.scope,
            expires_at: session.ends_at(self.sessions.idle).as_secs(),
        };
        Ok(json(&SessionAnswer { authenticated: true, session: Some(facts) }))
    }

    /// Tokens that are good here and now. To ask is not to use: the session's idle time goes on.
    async fn good_tokens(
        self: &Arc<Self>,
        session: &Arc<Session>,
        guards: &Guards,
    ) -> Result<Option<Arc<Tokens>>, SessionError> {
        let good = async {
            let tokens = self.current_tokens(session, guards, now()).await?;
            match guards.verify_bearer(&tokens.authorization).await {
                Ok(_) => Ok(Some(tokens)),
                Err(denied) if denied.status().is_server_error() => Err(SessionError::Unavailable),
                Err(denied) if bearing::may_help(&denied) => {
                    self.renew(session, tokens, guards).await.map(Some)
                }
                Err(_) => Ok(None),
            }
        };
        match good.await {
            Err(SessionError::Ended) => Ok(None),
            good => good,
        }
    }

    /// `POST logout`: ends the session here and its tokens at the issuer. The issuer may know the user yet: its own
    /// logout is where the browser goes next.
    async fn log_out(
        self: &Arc<Self>,
        headers: &HeaderMap,
        guards: &Guards,
    ) -> Result<Response<Bytes>, SessionError> {
        self.end_session_of(headers, guards).await?;
        let url = self.logout_url(guards).await;
        let mut response = match site::opens_a_page(headers) {
            true => redirect(StatusCode::SEE_OTHER, &url)?,
            false => json(&LogoutAnswer { logout_url: &url }),
        };
        let cookies = [self.cookies.clear_session()].into_iter().chain(self.forget_logins(headers));
        set_cookies(&mut response, cookies);
        Ok(response)
    }

    /// Without an ID token as a hint, which would be a token in the browser: the issuer asks its user instead.
    async fn logout_url(&self, guards: &Guards) -> String {
        let back = self.url_of(&self.settings.after_logout);
        let issuer = self.issuer(guards).ok();
        let endpoints = match &issuer {
            Some(issuer) => issuer.endpoints().await.ok(),
            None => None,
        };
        let Some(mut url) = endpoints.and_then(|endpoints| endpoints.end_session) else { return back };
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client.client_id)
            .append_pair("post_logout_redirect_uri", &back);
        url.into()
    }
}

fn redirect(status: StatusCode, to: &str) -> Result<Response<Bytes>, SessionError> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let location = HeaderValue::from_str(to).map_err(|_| SessionError::LoginFailed)?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn set_cookies(response: &mut Response<Bytes>, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn json(answer: &impl Serialize) -> Response<Bytes> {
    // Texts, a truth and a number: there is nothing that JSON could refuse.
    let mut response = Response::new(Bytes::from(serde_json::to_vec(answer).unwrap_or_default()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn bad_answer(error: &BadAnswer) -> SessionError {
    tracing::info!(target: "gatepass::audit", event = "browser-login-failed", reason = %error);
    SessionError::LoginFailed
}

/// It is the operator's or the issuer's to put right.
fn cannot_log_in(error: impl std::fmt::Display) -> SessionError {
    tracing::warn!(%error, "nobody can be logged in");
    SessionError::LoginUnavailable
}
