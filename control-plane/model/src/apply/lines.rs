use std::sync::Arc;

use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME},
};
use crate::{Line, LineId, ResourceKey, State};

pub(super) const LINE: Checked = Checked { resource: "Line" };

impl State {
    pub(super) fn line_or_refuse(&self, id: LineId) -> Refusable<&Arc<Line>> {
        self.lines.get(&id).ok_or_else(|| LINE.not_found("id", id))
    }

    pub(super) fn create_line(&mut self, changes: &mut Changes, line: &Line) -> Refusable<LineId> {
        self.check_line(line, None)?;
        let id = LineId(LINE.next_id(&mut self.counters.line)?);
        let bare = Line {
            id,
            revision: changes.at.index,
            endpoint_sip: None,
            users: Vec::new(),
            extensions: Vec::new(),
            ..line.clone()
        };
        self.put_line(bare);
        changes.config(ResourceKey::Line(id));
        if let Some(endpoint) = line.endpoint_sip {
            self.link_line_endpoint(changes, id, endpoint)?;
        }
        line.extensions
            .iter()
            .try_for_each(|extension| self.link_line_extension(changes, id, *extension))?;
        line.users
            .iter()
            .try_for_each(|user| self.link_user_line(changes, *user, id))?;
        Ok(id)
    }

    pub(super) fn update_line(&mut self, changes: &mut Changes, line: &Line) -> Refusable<()> {
        let old = Arc::clone(self.line_or_refuse(line.id)?);
        if old.revision != line.revision {
            return Err(LINE.stale());
        }
        self.check_line(line, Some(line.id))?;
        let linked = Line {
            revision: changes.at.index,
            endpoint_sip: old.endpoint_sip,
            users: old.users.clone(),
            extensions: old.extensions.clone(),
            ..line.clone()
        };
        self.put_line(linked);
        changes.config(ResourceKey::Line(line.id));
        Ok(())
    }

    /// A line goes without asking; what it was linked to stays and is free.
    pub(super) fn delete_line(&mut self, changes: &mut Changes, id: LineId) -> Refusable<()> {
        let line = Arc::clone(self.line_or_refuse(id)?);
        for extension in &line.extensions {
            self.unlink_line_extension(changes, id, *extension)?;
        }
        // The main user goes last: the others hang on him.
        for user in line.users.iter().rev() {
            self.unlink_user_line(changes, *user, id)?;
        }
        self.drop_line(id);
        changes.config(ResourceKey::Line(id));
        Ok(())
    }

    fn check_line(&self, line: &Line, own: Option<LineId>) -> Refusable<()> {
        LINE.required_text("context", &line.context, MAX_NAME)?;
        if self.context_by_name(&line.context).is_none() {
            let message = format!(
                "Context was not found ('name': '{}'); create it first",
                line.context
            );
            return Err(LINE.input("context", message));
        }
        LINE.range("position", line.position, 1, 1000)?;
        LINE.optional_text("caller_id_name", line.caller_id_name.as_deref(), MAX_NAME)?;
        if let Some(number) = &line.caller_id_num {
            LINE.number("caller_id_num", number)?;
        }
        LINE.optional_text("registrar", line.registrar.as_deref(), MAX_NAME)?;
        if let Some(code) = &line.provisioning_code {
            if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(LINE.input("provisioning_code", "must be six digits"));
            }
            if self
                .line_by_provisioning_code(code)
                .is_some_and(|other| Some(other.id) != own)
            {
                return Err(
                    LINE.conflict("provisioning_code", "another line has it; choose another")
                );
            }
        }
        if let Some(site) = line.site
            && !self.sites.contains(&site)
        {
            return Err(LINE.input("site", format!("Site was not found ('id': '{site}')")));
        }
        Ok(())
    }
}
