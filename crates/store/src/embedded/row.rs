//! Reading rows: every value is parsed, and one that cannot be is an error with a name.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use gatepass_jose::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use super::failure::Failure;

/// A row's columns, taken from left to right.
pub(super) struct Columns<'r> {
    row: &'r Row<'r>,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(table: &'static str, row: &'r Row<'r>) -> Self {
        Self { row, table, next: 0 }
    }

    /// Whether the next column is null; it stays the next.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.row.get_ref(self.next), Ok(ValueRef::Null))
    }

    /// The next column, as the type that SQLite keeps.
    pub(super) fn value<T: FromSql>(&mut self) -> Result<T, Failure> {
        self.checked(Ok::<T, &str>)
    }

    /// The next column, where only some values of the type that SQLite keeps have a meaning.
    pub(super) fn checked<T: FromSql, U, E: Display>(
        &mut self,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<U, Failure> {
        let stored = self.row.get(self.next).map_err(|error| self.damaged(error))?;
        let value = check(stored).map_err(|error| self.damaged(error))?;
        self.next += 1;
        Ok(value)
    }

    /// The next column, text with a meaning.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self) -> Result<T, Failure> {
        self.read(|text| text.parse::<T>())
    }

    /// The next column, text with a meaning or null.
    pub(super) fn parsed_if_any<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>, Failure> {
        self.read_if_any(|text| text.parse::<T>())
    }

    /// The next column, text that `read` understands or null.
    pub(super) fn read_if_any<T, E: Display>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        if self.is_null() {
            self.next += 1;
            return Ok(None);
        }
        self.read(read).map(Some)
    }

    /// The next column, text that `read` understands.
    pub(super) fn read<T, E: Display>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let text = self.row.get_ref(self.next).map_err(|error| self.damaged(error))?;
        let text = text.as_str().map_err(|error| self.damaged(error))?;
        let value = read(text).map_err(|error| self.damaged(error))?;
        self.next += 1;
        Ok(value)
    }

    /// The next column, an instant.
    pub(super) fn instant(&mut self) -> Result<Timestamp, Failure> {
        self.value().map(Timestamp::from_millis)
    }

    /// The next column, an instant or null.
    pub(super) fn instant_if_any(&mut self) -> Result<Option<Timestamp>, Failure> {
        self.value().map(|millis: Option<i64>| millis.map(Timestamp::from_millis))
    }

    /// The next column, a length of time in milliseconds.
    pub(super) fn duration(&mut self) -> Result<Duration, Failure> {
        self.checked(|millis: i64| u64::try_from(millis).map(Duration::from_millis))
    }

    fn damaged(&self, problem: impl Display) -> Failure {
        let column = self.row.as_ref().column_name(self.next).unwrap_or("?");
        Failure::damaged(self.table, column, format_args!("cannot be understood: {problem}"))
    }
}
