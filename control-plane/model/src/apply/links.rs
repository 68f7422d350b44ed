//! What belongs to what. Linking what is linked is no error; unlinking what is not linked is one.

use std::sync::Arc;

use super::{
    Changes, Refusable, endpoints::ENDPOINT, extensions::EXTENSION, lines::LINE,
    outcalls::check_free, users::USER,
};
use crate::{EndpointId, Extension, ExtensionId, Line, LineId, ResourceKey, State, User, UserId};

const MAX_LINES_OF_USER: usize = 20;
const MAX_USERS_OF_LINE: usize = 50;
const MAX_EXTENSIONS_OF_LINE: usize = 50;

impl State {
    pub(super) fn link_user_line(
        &mut self,
        changes: &mut Changes,
        user: UserId,
        line: LineId,
    ) -> Refusable<()> {
        let old_user = Arc::clone(self.user_or_refuse(user)?);
        let old_line = Arc::clone(self.line_or_refuse(line)?);
        if old_user.lines.contains(&line) {
            return Ok(());
        }
        if old_user.lines.len() >= MAX_LINES_OF_USER {
            return Err(USER.limit(
                "lines",
                format!("a user can have {MAX_LINES_OF_USER} lines"),
            ));
        }
        if old_line.users.len() >= MAX_USERS_OF_LINE {
            return Err(LINE.limit(
                "users",
                format!("a line can have {MAX_USERS_OF_LINE} users"),
            ));
        }
        let mut lines = old_user.lines.clone();
        lines.push(line);
        let mut users = old_line.users.clone();
        users.push(user);
        self.write_user_lines(changes, &old_user, lines);
        self.write_line_users(changes, &old_line, users);
        Ok(())
    }

    pub(super) fn unlink_user_line(
        &mut self,
        changes: &mut Changes,
        user: UserId,
        line: LineId,
    ) -> Refusable<()> {
        let old_user = Arc::clone(self.user_or_refuse(user)?);
        let old_line = Arc::clone(self.line_or_refuse(line)?);
        if !old_user.lines.contains(&line) {
            let message = format!(
                "User is not associated to this line ('user_id': '{user}', 'line_id': '{line}')"
            );
            return Err(USER.input("line_id", message));
        }
        if old_line.users.first() == Some(&user) && old_line.users.len() > 1 {
            let message = format!(
                "User {user} is the main user of line {line}; dissociate its other users first"
            );
            return Err(LINE.in_use("users", message));
        }
        let lines = old_user
            .lines
            .iter()
            .copied()
            .filter(|other| *other != line)
            .collect();
        let users = old_line
            .users
            .iter()
            .copied()
            .filter(|other| *other != user)
            .collect();
        self.write_user_lines(changes, &old_user, lines);
        self.write_line_users(changes, &old_line, users);
        Ok(())
    }

    pub(super) fn set_user_lines(
        &mut self,
        changes: &mut Changes,
        user: UserId,
        lines: &[LineId],
    ) -> Refusable<()> {
        let old = Arc::clone(self.user_or_refuse(user)?);
        for (at, line) in lines.iter().enumerate() {
            self.line_or_refuse(*line)?;
            if lines[..at].contains(line) {
                return Err(USER.input("lines", format!("line {line} is named twice")));
            }
        }
        for line in old.lines.iter().filter(|line| !lines.contains(line)) {
            self.unlink_user_line(changes, user, *line)?;
        }
        for line in lines {
            self.link_user_line(changes, user, *line)?;
        }
        let linked = Arc::clone(self.user_or_refuse(user)?);
        self.write_user_lines(changes, &linked, lines.to_vec());
        Ok(())
    }

    pub(super) fn link_line_extension(
        &mut self,
        changes: &mut Changes,
        line: LineId,
        extension: ExtensionId,
    ) -> Refusable<()> {
        let old_line = Arc::clone(self.line_or_refuse(line)?);
        let old_extension = Arc::clone(self.extension_or_refuse(extension)?);
        match old_extension.line {
            Some(linked) if linked == line => return Ok(()),
            Some(linked) => {
                let message = format!(
                    "Extension is associated to another line ('line_id': '{linked}'); dissociate it first"
                );
                return Err(EXTENSION.in_use("line", message));
            }
            None => {}
        }
        if old_line.extensions.len() >= MAX_EXTENSIONS_OF_LINE {
            return Err(LINE.limit(
                "extensions",
                format!("a line can have {MAX_EXTENSIONS_OF_LINE} extensions"),
            ));
        }
        check_free(&old_extension, "line")?;
        self.check_number_for_line(&old_extension)?;
        let mut extensions = old_line.extensions.clone();
        extensions.push(extension);
        self.write_line_extension(
            changes,
            (&old_line, extensions),
            (&old_extension, Some(line)),
        );
        Ok(())
    }

    pub(super) fn unlink_line_extension(
        &mut self,
        changes: &mut Changes,
        line: LineId,
        extension: ExtensionId,
    ) -> Refusable<()> {
        let old_line = Arc::clone(self.line_or_refuse(line)?);
        let old_extension = Arc::clone(self.extension_or_refuse(extension)?);
        if old_extension.line != Some(line) {
            let message = format!(
                "Line is not associated to this extension ('line_id': '{line}', 'extension_id': '{extension}')"
            );
            return Err(LINE.input("extension_id", message));
        }
        let extensions = old_line
            .extensions
            .iter()
            .copied()
            .filter(|other| *other != extension)
            .collect();
        self.write_line_extension(changes, (&old_line, extensions), (&old_extension, None));
        Ok(())
    }

    pub(super) fn link_line_endpoint(
        &mut self,
        changes: &mut Changes,
        line: LineId,
        endpoint: EndpointId,
    ) -> Refusable<()> {
        let old_line = Arc::clone(self.line_or_refuse(line)?);
        self.endpoint_or_refuse(endpoint)?;
        match old_line.endpoint_sip {
            Some(linked) if linked == endpoint => return Ok(()),
            Some(linked) => {
                let message = format!(
                    "Line is associated to another endpoint ('endpoint_id': '{linked}'); dissociate it first"
                );
                return Err(LINE.in_use("endpoint_sip", message));
            }
            None => {}
        }
        if let Some(other) = self.line_of_endpoint(endpoint) {
            let message = format!(
                "SIPEndpoint is associated to another line ('line_id': '{}')",
                other.id
            );
            return Err(ENDPOINT.in_use("line", message));
        }
        if let Some(trunk) = self.trunk_of_endpoint(endpoint) {
            let message = format!(
                "SIPEndpoint is associated to a trunk ('trunk_id': '{}')",
                trunk.id
            );
            return Err(ENDPOINT.in_use("trunk", message));
        }
        self.write_line_endpoint(changes, &old_line, Some(endpoint), endpoint);
        Ok(())
    }

    pub(super) fn unlink_line_endpoint(
        &mut self,
        changes: &mut Changes,
        line: LineId,
        endpoint: EndpointId,
    ) -> Refusable<()> {
        let old_line = Arc::clone(self.line_or_refuse(line)?);
        self.endpoint_or_refuse(endpoint)?;
        if old_line.endpoint_sip != Some(endpoint) {
            let message = format!(
                "Line is not associated to this endpoint ('line_id': '{line}', 'endpoint_id': '{endpoint}')"
            );
            return Err(LINE.input("endpoint_id", message));
        }
        self.write_line_endpoint(changes, &old_line, None, endpoint);
        Ok(())
    }

    fn write_user_lines(&mut self, changes: &mut Changes, user: &User, lines: Vec<LineId>) {
        self.put_user(User {
            lines,
            revision: changes.at.index,
            ..user.clone()
        });
        changes.config(ResourceKey::User(user.id));
    }

    fn write_line_users(&mut self, changes: &mut Changes, line: &Line, users: Vec<UserId>) {
        self.put_line(Line {
            users,
            revision: changes.at.index,
            ..line.clone()
        });
        changes.config(ResourceKey::Line(line.id));
    }

    fn write_line_extension(
        &mut self,
        changes: &mut Changes,
        (line, extensions): (&Line, Vec<ExtensionId>),
        (extension, linked): (&Extension, Option<LineId>),
    ) {
        let revision = changes.at.index;
        self.put_line(Line {
            extensions,
            revision,
            ..line.clone()
        });
        self.put_extension(Extension {
            line: linked,
            revision,
            ..extension.clone()
        });
        changes.config(ResourceKey::Line(line.id));
        changes.config(ResourceKey::Extension(extension.id));
    }

    fn write_line_endpoint(
        &mut self,
        changes: &mut Changes,
        line: &Line,
        endpoint_sip: Option<EndpointId>,
        endpoint: EndpointId,
    ) {
        self.put_line(Line {
            endpoint_sip,
            revision: changes.at.index,
            ..line.clone()
        });
        changes.config(ResourceKey::Line(line.id));
        changes.config(ResourceKey::Endpoint(endpoint));
    }
}
