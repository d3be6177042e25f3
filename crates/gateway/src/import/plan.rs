//! `paths` of a document, as routes that the gateway's own router takes.

use std::collections::BTreeSet;

use http::{HeaderMap, Method};
use serde_json::Value;

use super::document::resolve;
use super::security::{self, Proposed};
use super::{Demand, ImportError, LeftOut, MAX_SCOPES, Route, template};
use crate::config::ForwardAuth;
use crate::route::condition::HeaderConditions;
use crate::route::path::RequestPath;
use crate::route::pattern::Pattern;
use crate::route::router::{Methods, Router};

/// The operations of a Path Item Object. GET comes before HEAD, which belongs to it.
const OPERATIONS: [(&str, Method); 7] = [
    ("get", Method::GET),
    ("head", Method::HEAD),
    ("post", Method::POST),
    ("put", Method::PUT),
    ("patch", Method::PATCH),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
];

/// The methods of one path that demand the same.
type Groups = Vec<(Vec<Method>, Proposed)>;

/// The routes so far.
pub(super) struct Plan<'d> {
    document: &'d Value,
    base: &'d str,
    routes: Vec<Route>,
    router: Router<usize>,
    left_out: Vec<LeftOut>,
    scopes: usize,
}

impl<'d> Plan<'d> {
    pub(super) fn new(document: &'d Value, base: &'d str) -> Self {
        let (routes, left_out) = (Vec::new(), Vec::new());
        Self { document, base, routes, router: Router::new(), left_out, scopes: 0 }
    }

    /// Adds the routes of one path.
    pub(super) fn add(&mut self, path: &str, item: &'d Value) -> Result<(), ImportError> {
        let full = format!("{}{path}", self.base);
        let checked = self.check_path(path, &full).and_then(|pattern| Ok((pattern, self.check_item(item)?)));
        match checked {
            Ok(((text, pattern), item)) => {
                let groups = self.group(&full, item);
                groups.into_iter().try_for_each(|group| self.insert(&full, &text, &pattern, group))
            }
            Err(why) => {
                self.leave_out(None, &full, why);
                Ok(())
            }
        }
    }

    /// The routes, and what there is no route for.
    ///
    /// A request for what was left out may meet a broader route. Where that would be public, it is so no more:
    /// nobody said that this request may go without a token.
    pub(super) fn finish(mut self) -> (Vec<Route>, Vec<LeftOut>) {
        for left_out in &mut self.left_out {
            let sample = template::to_sample(&left_out.path);
            let path = RequestPath::parse(&sample).ok();
            let endpoint = path.and_then(|path| self.router.find_endpoint(None, &path));
            let met = endpoint.map(|endpoint| match &left_out.method {
                Some(method) => endpoint.routes_of(method).collect(),
                None => endpoint.routes_with(&HeaderMap::new()).unwrap_or_default(),
            });
            for index in met.unwrap_or_default() {
                let Some(Route { path, proposed, .. }) = self.routes.get_mut(index) else { continue };
                left_out.meets = Some(path.clone());
                if proposed.demand == Demand::Nothing {
                    proposed.demand = Demand::Token(BTreeSet::new());
                    let what = left_out.what();
                    proposed.notes.push(format!(
                        "To be decided: public in the document, but {what} is left out below and comes here."
                    ));
                }
            }
        }
        (self.routes, self.left_out)
    }

    fn check_path(&self, path: &str, full: &str) -> Result<(String, Pattern), String> {
        if !path.starts_with('/') {
            return Err("a path starts with a slash".to_owned());
        }
        let forward_auth = ForwardAuth { path: ForwardAuth::DEFAULT_PATH.to_owned(), forward: Vec::new() };
        if forward_auth.below(full).is_some() {
            return Err(
                "it is the gateway's forward-auth endpoint; move that one with `path` in [forward_auth]"
                    .into(),
            );
        }
        template::to_pattern(full)
    }

    fn check_item(&self, item: &'d Value) -> Result<&'d Value, String> {
        let resolved = resolve(self.document, item)?;
        let members = item.as_object().map_or(0, serde_json::Map::len);
        if item.get("$ref").is_some() && members > 1 {
            return Err("it has a `$ref` and more beside it, which readers take in different ways".to_owned());
        }
        if !resolved.is_object() {
            return Err("it is no path item".to_owned());
        }
        require_no_servers(resolved)?;
        Ok(resolved)
    }

    fn group(&mut self, full: &str, item: &'d Value) -> Groups {
        let mut groups = Groups::new();
        for (name, method) in OPERATIONS {
            let Some(operation) = item.get(name) else { continue };
            let proposed = match self.propose(operation) {
                Ok(proposed) => proposed,
                Err(why) => {
                    self.leave_out(Some(method), full, why);
                    continue;
                }
            };
            let of_get = groups.iter_mut().find(|(methods, _)| methods.contains(&Method::GET));
            if let Some((_, of_get)) = of_get.filter(|_| method == Method::HEAD) {
                add_head(of_get, proposed);
                continue;
            }
            match groups.iter_mut().find(|(_, other)| *other == proposed) {
                Some((methods, _)) => methods.push(method),
                None => groups.push((vec![method], proposed)),
            }
        }
        if item.get("trace").is_some() {
            self.leave_out(Some(Method::TRACE), full, "the gateway does not pass it on".to_owned());
        }
        groups
    }

    fn propose(&self, operation: &'d Value) -> Result<Proposed, String> {
        if !operation.is_object() {
            return Err("it is no operation".to_owned());
        }
        require_no_servers(operation)?;
        let security = operation.get("security").or_else(|| self.document.get("security"));
        security::propose(self.document, security)
    }

    fn insert(
        &mut self,
        full: &str,
        text: &str,
        pattern: &Pattern,
        (methods, proposed): (Vec<Method>, Proposed),
    ) -> Result<(), ImportError> {
        if let Demand::Token(scopes) = &proposed.demand {
            self.scopes += scopes.len();
        }
        if self.scopes > MAX_SCOPES {
            return Err(ImportError::TooManyScopes);
        }
        let served = Methods::These(methods.clone());
        match self.router.insert(None, pattern, served, HeaderConditions::default(), self.routes.len()) {
            Ok(()) => self.routes.push(Route { path: text.to_owned(), methods, proposed }),
            Err(_) => {
                let why = "another route serves the same paths with the same methods";
                methods.into_iter().for_each(|method| self.leave_out(Some(method), full, why.to_owned()));
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, method: Option<Method>, full: &str, why: String) {
        self.left_out.push(LeftOut { method, path: full.to_owned(), why, meets: None });
    }
}

/// HEAD belongs to GET, so what either is protected by protects both.
fn add_head(of_get: &mut Proposed, of_head: Proposed) {
    if of_get.demand != of_head.demand {
        of_get.notes.push("In the document HEAD asks for something else; it belongs to GET here.".to_owned());
    }
    if of_get.demand == Demand::Nothing {
        of_get.demand = of_head.demand;
    }
}

/// What is served elsewhere cannot share the upstream.
fn require_no_servers(of: &Value) -> Result<(), String> {
    match of.get("servers") {
        Some(_) => Err("it has `servers` of its own".to_owned()),
        None => Ok(()),
    }
}
