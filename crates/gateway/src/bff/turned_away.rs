//! What a browser is told that a route turns away and that a login would help: a page that is opened goes to the login by
//! itself, and a script learns where to send its page. Either way the issuer is asked for what the route demands
//! (RFC 9470 section 4).
//!
//! Who has just logged in for the same demands, and is turned away all the same, is not sent there again: the issuer, or
//! its user, cannot do what is demanded, and the browser would go in circles. A cookie that lasts half a minute tells.

use bytes::Bytes;
use gatepass_guard::Denied;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::demands::Demands;
use super::{Bff, SessionError, own_path, page, site};
use crate::answer::AnswerFields;
use crate::gateway::State;
use crate::refusal::Refusal;
use crate::route::Access;

/// How a refusal leads to a login.
#[derive(Debug)]
pub(crate) enum LoginOffer {
    /// The browser goes there, and comes back to the page that it asked for.
    Redirect(HeaderValue),
    /// Its user has just logged in: only they can say that they want to do so again, by a link with this target.
    Page(String),
    /// A script is told where to send its page, with a `return_to` of its own choice.
    Member(String),
}

/// What is offered to the browser whose request was refused. `None` where no login would help, or none is known of.
pub(crate) fn offer_login(
    state: &State,
    fields: &AnswerFields<'_>,
    refusal: &Refusal,
    request: &Request<Incoming>,
) -> Option<LoginOffer> {
    let (bff, demands) = (state.bff.as_deref()?, demands(fields, refusal)?);
    let headers = request.headers();
    if *request.method() != Method::GET || !site::goes_to_a_page(headers) {
        return bff.offer_to_script(&demands, headers);
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let login = bff.login_path(&demands, Some(target));
    if bff.has_just_logged_in(&demands, headers) {
        return Some(LoginOffer::Page(login));
    }
    HeaderValue::from_str(&bff.url_of(&login)).ok().map(LoginOffer::Redirect)
}

/// The same for a proxy that asks: some could not pass a redirect on.
pub(crate) fn offer_login_by_proxy(
    state: &State,
    fields: &AnswerFields<'_>,
    refusal: &Refusal,
    headers: &HeaderMap,
) -> Option<LoginOffer> {
    state.bff.as_deref()?.offer_to_script(&demands(fields, refusal)?, headers)
}

/// What the login has to be like that would have the request let in.
fn demands(fields: &AnswerFields<'_>, refusal: &Refusal) -> Option<Demands> {
    let route = fields.route().filter(|route| route.session)?;
    match (refusal, &route.access) {
        // Who has a token of their own asks the issuer themselves.
        (Refusal::Denied(Denied::InsufficientUserAuthentication { required, .. }), _) => {
            fields.is_of_session().then(|| Demands::of(required))
        }
        (Refusal::Denied(Denied::Missing) | Refusal::Session(SessionError::Ended), Access::Token(demand)) => {
            Some(Demands::of(demand.rule.user_authentication()))
        }
        _ => None,
    }
}

impl Bff {
    fn offer_to_script(&self, demands: &Demands, headers: &HeaderMap) -> Option<LoginOffer> {
        let in_circles = self.has_just_logged_in(demands, headers);
        (!in_circles).then(|| LoginOffer::Member(self.login_path(demands, None)))
    }

    /// Where a login begins that is asked for this, and leads back to a target, if that is one to come back to.
    pub(super) fn login_path(&self, demands: &Demands, target: Option<&str>) -> String {
        let settings = &self.settings;
        let return_to = target.and_then(|target| own_path(target, &settings.origin, &settings.prefix));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(return_to.map(|path| ("return_to", path)))
            .extend_pairs(demands.parameters())
            .finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/login{mark}{query}", settings.prefix)
    }

    fn has_just_logged_in(&self, demands: &Demands, headers: &HeaderMap) -> bool {
        // Two of that cookie are an attempt, and nobody is helped by going on.
        self.cookies.login_done(headers).map_or(true, |cookie| cookie == Some(demands.mark().as_bytes()))
    }
}

impl LoginOffer {
    /// Makes it part of the refusal.
    pub(crate) fn complete(&self, mut refusal: Response<Bytes>) -> Response<Bytes> {
        match self {
            Self::Member(login) => {
                // RFC 9457 section 3.2: a problem may have members of its own.
                if let Ok(mut problem) = serde_json::from_slice::<Map<String, Value>>(refusal.body()) {
                    problem.insert("login".to_owned(), login.as_str().into());
                    *refusal.body_mut() = serde_json::to_vec(&problem).unwrap_or_default().into();
                }
                refusal
            }
            Self::Page(again) => no_store(page::another_login(again)),
            Self::Redirect(location) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::FOUND;
                response.headers_mut().insert(header::LOCATION, location.clone());
                no_store(response)
            }
        }
    }
}

fn no_store(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
