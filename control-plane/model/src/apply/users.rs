use std::sync::Arc;

use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME, MAX_TEXT},
};
use crate::{ResourceKey, State, User, UserId};

pub(super) const USER: Checked = Checked { resource: "User" };

const MAX_LABELS: usize = 50;
const MAX_RING_SECONDS: u32 = 600;
const MAX_SIMULTANEOUS_CALLS: u32 = 20;

impl State {
    pub(super) fn user_or_refuse(&self, id: UserId) -> Refusable<&Arc<User>> {
        self.users.get(&id).ok_or_else(|| USER.not_found("id", id))
    }

    pub(super) fn create_user(&mut self, changes: &mut Changes, user: &User) -> Refusable<UserId> {
        self.check_user(user, None)?;
        let id = UserId(USER.next_id(&mut self.counters.user)?);
        self.put_user(User {
            id,
            revision: changes.at.index,
            lines: Vec::new(),
            ..user.clone()
        });
        changes.config(ResourceKey::User(id));
        user.lines
            .iter()
            .try_for_each(|line| self.link_user_line(changes, id, *line))?;
        Ok(id)
    }

    pub(super) fn update_user(&mut self, changes: &mut Changes, user: &User) -> Refusable<()> {
        let old = Arc::clone(self.user_or_refuse(user.id)?);
        if old.revision != user.revision {
            return Err(USER.stale());
        }
        if old.uuid != user.uuid {
            return Err(USER.input("uuid", "cannot be changed; leave it out"));
        }
        self.check_user(user, Some(user.id))?;
        self.put_user(User {
            revision: changes.at.index,
            lines: old.lines.clone(),
            ..user.clone()
        });
        changes.config(ResourceKey::User(user.id));
        Ok(())
    }

    pub(super) fn delete_user(&mut self, changes: &mut Changes, id: UserId) -> Refusable<()> {
        let user = self.user_or_refuse(id)?;
        if let Some(line) = user.lines.first() {
            let message =
                format!("User is associated to a line ('line_id': '{line}'); dissociate it first");
            return Err(USER.in_use("lines", message));
        }
        self.drop_user(id);
        self.forget_destination(changes, id);
        changes.config(ResourceKey::User(id));
        Ok(())
    }

    fn check_user(&self, user: &User, own: Option<UserId>) -> Refusable<()> {
        check_user_alone(user)?;
        if self
            .user_by_uuid(&user.uuid)
            .is_some_and(|other| Some(other.id) != own)
        {
            return Err(USER.conflict("uuid", "another user has it"));
        }
        if let Some(username) = &user.username
            && self
                .user_by_username(username)
                .is_some_and(|other| Some(other.id) != own)
        {
            return Err(USER.conflict(
                "username",
                format!("another user has it ('username': '{username}')"),
            ));
        }
        Ok(())
    }
}

fn check_user_alone(user: &User) -> Refusable<()> {
    if user.uuid.len() != 36
        || !user
            .uuid
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    {
        return Err(USER.input(
            "uuid",
            "is not a UUID such as 0f6b1c2e-4b7a-4a57-9a36-0c3f1b1f0a11",
        ));
    }
    USER.required_text("firstname", &user.firstname, MAX_NAME)?;
    USER.optional_text("lastname", user.lastname.as_deref(), MAX_NAME)?;
    USER.optional_text("email", user.email.as_deref(), 254)?;
    if user
        .email
        .as_deref()
        .is_some_and(|email| !is_mail_address(email))
    {
        return Err(USER.input("email", "is not a mail address such as alice@example.org"));
    }
    if let Some(timezone) = &user.timezone {
        USER.token("timezone", timezone, MAX_NAME, "/_+-")?;
    }
    if user
        .language
        .as_deref()
        .is_some_and(|language| !is_language(language))
    {
        return Err(USER.input("language", "is not a language such as fr_FR"));
    }
    USER.optional_text("caller_id", user.caller_id.as_deref(), MAX_NAME)?;
    USER.optional_text(
        "outgoing_caller_id",
        user.outgoing_caller_id.as_deref(),
        MAX_NAME,
    )?;
    if user
        .outgoing_caller_id
        .as_deref()
        .is_some_and(|id| !is_outgoing_caller_id(id))
    {
        return Err(USER.input(
            "outgoing_caller_id",
            "must be default, anonymous, or a name and number as \"Alice\" <0123>",
        ));
    }
    if let Some(number) = &user.mobile_phone_number {
        USER.number("mobile_phone_number", number)?;
    }
    if let Some(username) = &user.username {
        USER.token("username", username, 254, "-_.@+")?;
    }
    USER.optional_text("music_on_hold", user.music_on_hold.as_deref(), MAX_NAME)?;
    USER.optional_text(
        "preprocess_subroutine",
        user.preprocess_subroutine.as_deref(),
        MAX_NAME,
    )?;
    USER.optional_text("userfield", user.userfield.as_deref(), MAX_NAME)?;
    // Free text: a description may have line breaks.
    if user
        .description
        .as_deref()
        .is_some_and(|text| text.chars().count() > MAX_TEXT)
    {
        return Err(USER.input(
            "description",
            format!("is longer than {MAX_TEXT} characters"),
        ));
    }
    if let Some(code) = &user.call_permission_password {
        USER.number("call_permission_password", code.expose())?;
    }
    if user.labels.len() > MAX_LABELS {
        return Err(USER.input("labels", format!("are more than {MAX_LABELS}")));
    }
    user.labels
        .iter()
        .try_for_each(|label| USER.required_text("labels", label, MAX_NAME))?;
    USER.range("ring_seconds", user.ring_seconds, 1, MAX_RING_SECONDS)?;
    USER.range(
        "simultaneous_calls",
        user.simultaneous_calls,
        1,
        MAX_SIMULTANEOUS_CALLS,
    )
}

fn is_mail_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)
    })
}

/// `fr`, `fr_FR`.
fn is_language(text: &str) -> bool {
    let (language, country) = text.split_once('_').unwrap_or((text, "XX"));
    let lower = language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_lowercase());
    lower && country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_outgoing_caller_id(text: &str) -> bool {
    if matches!(text, "default" | "anonymous") {
        return true;
    }
    let number = match text.split_once('<') {
        Some((_, number)) => number.strip_suffix('>').map(str::trim),
        None => Some(text),
    };
    number.is_some_and(|number| USER.number("outgoing_caller_id", number).is_ok())
}
