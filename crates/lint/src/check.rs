//! What is looked at in one token.

pub(crate) mod claims;
mod content;
mod header;
mod kid;
mod lifetime;
mod personal;
mod secret;
mod signature;
mod size;

use std::collections::HashSet;
use std::fmt;

use gatepass_jose::Timestamp;

use crate::json::{Json, Path};
use crate::report::Found;
use crate::rule::DUPLICATE_MEMBER;
use crate::token::Token;

pub(crate) use header::unknown as unknown_algorithm;
pub(crate) use kid::check as kid;
pub(crate) use lifetime::is_alive;

/// Everything that one token tells without others and without keys.
pub(crate) fn token(token: &Token<'_>, now: Timestamp, found: &mut Found<'_>) {
    let role = token.role();
    header::check(token, role, found);
    signature::check(token, found);
    if let Some(claims) = token.claims() {
        lifetime::check(claims, role, now, found);
        claims::check(claims, role, found);
    }
    content::check(token, role, found);
    size::check(token, found);
}

/// Members that occur twice in one object, at any depth of `json`.
pub(crate) fn duplicates(json: &Json, root: &str, found: &mut Found<'_>) {
    json.walk(&mut Path::root(root), &mut |path, value| {
        let Json::Object(object) = value else { return };
        let mut names = HashSet::new();
        for (name, _) in object.iter() {
            if !names.insert(name) {
                found.add(
                    &DUPLICATE_MEMBER,
                    path,
                    format_args!("the member {} is there more than once", crate::quote::quoted(name)),
                );
            }
        }
    });
}

/// Words with commas between.
struct Listed<T>(T);

impl<T> fmt::Display for Listed<T>
where
    T: Clone + IntoIterator,
    T::Item: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.clone().into_iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

/// A claim's name without what people vary in it: `Given-Name` and `givenName` are `givenname`.
fn plain_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
