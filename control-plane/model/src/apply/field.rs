//! Checks of single fields: what they refuse says what would do.

use super::Refusable;
use crate::{Rejection, RejectionKind};

pub(super) const MAX_NAME: usize = 128;
pub(super) const MAX_TEXT: usize = 1024;

/// Makes refusals that name a resource.
#[derive(Clone, Copy)]
pub(super) struct Checked {
    pub(super) resource: &'static str,
}

impl Checked {
    pub(super) fn input(self, field: &str, message: impl Into<String>) -> Rejection {
        Rejection::new(RejectionKind::Input, self.resource, field, message)
    }

    pub(super) fn conflict(self, field: &str, message: impl Into<String>) -> Rejection {
        Rejection::new(RejectionKind::Conflict, self.resource, field, message)
    }

    pub(super) fn in_use(self, field: &str, message: impl Into<String>) -> Rejection {
        Rejection::new(RejectionKind::InUse, self.resource, field, message)
    }

    pub(super) fn not_found(self, field: &str, value: impl std::fmt::Display) -> Rejection {
        let message = format!("{} was not found ('{field}': '{value}')", self.resource);
        Rejection::new(RejectionKind::NotFound, self.resource, field, message)
    }

    pub(super) fn stale(self) -> Rejection {
        let message =
            "it was changed by somebody else meanwhile; read it again and repeat the change";
        Rejection::new(RejectionKind::Stale, self.resource, "revision", message)
    }

    pub(super) fn limit(self, field: &str, message: impl Into<String>) -> Rejection {
        Rejection::new(RejectionKind::Limit, self.resource, field, message)
    }

    /// The next number of a kind.
    pub(super) fn next_id(self, counter: &mut u32) -> Refusable<u32> {
        *counter = counter
            .checked_add(1)
            .ok_or_else(|| self.limit("id", "all numbers have been given away"))?;
        Ok(*counter)
    }

    /// Text of bounded length without control characters.
    pub(super) fn text(self, field: &str, text: &str, max: usize) -> Refusable<()> {
        let length = text.chars().count();
        if length > max {
            return Err(self.input(
                field,
                format!("is {length} characters long; at most {max} are allowed"),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(self.input(field, "has control characters; use printable text"));
        }
        Ok(())
    }

    pub(super) fn optional_text(
        self,
        field: &str,
        text: Option<&str>,
        max: usize,
    ) -> Refusable<()> {
        text.map_or(Ok(()), |text| self.text(field, text, max))
    }

    pub(super) fn required_text(self, field: &str, text: &str, max: usize) -> Refusable<()> {
        if text.trim().is_empty() {
            return Err(self.input(field, "is missing; give at least one character"));
        }
        self.text(field, text, max)
    }

    /// A name made of few characters only.
    pub(super) fn token(self, field: &str, text: &str, max: usize, also: &str) -> Refusable<()> {
        self.required_text(field, text, max)?;
        if text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        {
            return Ok(());
        }
        let spaced: Vec<String> = also.chars().map(|c| format!("'{c}'")).collect();
        Err(self.input(
            field,
            format!(
                "may have ASCII letters, digits and {} only",
                spaced.join(" ")
            ),
        ))
    }

    /// A number that a phone can dial.
    pub(super) fn number(self, field: &str, number: &str) -> Refusable<()> {
        if number.is_empty() {
            return Err(self.input(field, "is missing; give the digits to dial"));
        }
        if number.len() > 40 {
            return Err(self.input(field, "is longer than 40 digits"));
        }
        let dialled = number.strip_prefix('+').unwrap_or(number);
        if !dialled.is_empty()
            && dialled
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#')
        {
            return Ok(());
        }
        Err(self.input(field, "may have digits, '*', '#' and a leading '+' only"))
    }

    pub(super) fn range(self, field: &str, value: u32, from: u32, to: u32) -> Refusable<()> {
        if (from..=to).contains(&value) {
            return Ok(());
        }
        Err(self.input(
            field,
            format!("is {value}; it must be between {from} and {to}"),
        ))
    }
}
