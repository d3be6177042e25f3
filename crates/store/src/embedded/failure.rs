//! What can go wrong inside the engine, before the issuer hears of it as a [`StoreError`].

use std::fmt::Display;

use gatepass_issuer::store::{ChangeError, StoreError};
use thiserror::Error;

#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A value that this version cannot have written. The value itself stays out of the message: it
    /// may be a secret.
    #[error("a row of the table `{table}` is damaged: its `{column}` {problem}")]
    Damaged { table: &'static str, column: String, problem: String },
    /// Something else than this process writes to the file.
    #[error("the session changed during its own rotation: something else writes to the file")]
    Interfered,
    /// A value that cannot be put into a row.
    #[error("{what} cannot be stored: {problem}")]
    Unstorable { what: &'static str, problem: String },
    /// An error that made SQLite give up the whole transaction.
    #[error("one of them failed so that all had to be undone")]
    Lost,
    /// The commit failed, and with it everything in the group.
    #[error("nothing of a group of operations was committed: {0}")]
    NotCommitted(String),
    #[error("the store is closed")]
    Closed,
}

impl Failure {
    pub(super) fn damaged(table: &'static str, column: &str, problem: impl Display) -> Self {
        Self::Damaged { table, column: column.to_owned(), problem: problem.to_string() }
    }

    pub(super) fn unstorable(what: &'static str, problem: impl Display) -> Self {
        Self::Unstorable { what, problem: problem.to_string() }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        StoreError(failure.to_string())
    }
}

impl From<Failure> for ChangeError {
    fn from(failure: Failure) -> Self {
        ChangeError::Store(failure.into())
    }
}
