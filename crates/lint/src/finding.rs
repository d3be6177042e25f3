//! What was found, and where.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::Rule;

/// One thing that is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that speaks.
    pub rule: &'static Rule,
    /// Where.
    pub place: Place,
    /// What is wrong here, in one sentence without a full stop. Repeats no token, secret or personal
    /// data.
    pub message: String,
}

/// A place in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name as it was given, `-` for standard input.
    pub source: Arc<str>,
    /// The line, counted from 1; 0 where the input has no lines (a command line's argument).
    pub line: u64,
    /// The column in characters (Unicode code points), counted from 1; 0 where there is no line.
    pub column: u64,
    /// The way to the value: `payload.exp`, `keys[2].n`. Empty where the whole is meant.
    pub path: String,
}

impl fmt::Display for Place {
    /// `access.log:17:42 header.alg`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.path.is_empty() { Ok(()) } else { write!(f, " {}", self.path) }
    }
}

impl Finding {
    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { rule, place, message } = self;
        json!({
            "rule": rule.id,
            "name": rule.name,
            "severity": rule.severity.name(),
            "source": &*place.source,
            "line": place.line,
            "column": place.column,
            "path": place.path,
            "message": message,
            "mend": rule.mend,
        })
    }
}
