//! Users by the table: all rows or none, and every wrong row is named.

use std::sync::Arc;

use super::{Changes, Refusable, field::Checked, lines::LINE, users::USER};
use crate::{
    EndpointId, Extension, ExtensionId, ImportMode, ImportRow, Imported, Line, LineId,
    MAX_IMPORT_ROWS, Outcome, RowError, SipEndpoint, State, User, UserId,
};

const IMPORT: Checked = Checked { resource: "Import" };
/// After so many wrong rows the file is surely the wrong one.
const MAX_ROW_ERRORS: usize = 1_000;

impl State {
    pub(super) fn import(
        &mut self,
        changes: &mut Changes,
        mode: ImportMode,
        rows: &[ImportRow],
    ) -> Refusable<Outcome> {
        if rows.len() > MAX_IMPORT_ROWS {
            let message = format!(
                "{} rows are too many; import at most {MAX_IMPORT_ROWS} at a time",
                rows.len()
            );
            return Err(IMPORT.limit("rows", message));
        }
        let before = self.clone();
        let mut imported = Vec::new();
        let mut errors = Vec::new();
        for row in rows {
            let before_row = self.clone();
            let done = match mode {
                ImportMode::Create => self.import_new(changes, row),
                ImportMode::Update => self.import_change(changes, row),
            };
            match done {
                Ok(row) => imported.push(row),
                Err(rejection) => {
                    // Later rows are still checked against what the good ones would have made.
                    *self = before_row;
                    errors.push(RowError {
                        row_number: row.row_number,
                        rejection,
                    });
                }
            }
            if errors.len() >= MAX_ROW_ERRORS {
                break;
            }
        }
        if errors.is_empty() {
            return Ok(Outcome::Imported(imported));
        }
        *self = before;
        changes.events.clear();
        Ok(Outcome::ImportRejected(errors))
    }

    fn import_new(&mut self, changes: &mut Changes, row: &ImportRow) -> Refusable<Imported> {
        let user = self.create_user(
            changes,
            &User {
                lines: Vec::new(),
                ..row.user.clone()
            },
        )?;
        let mut imported = Imported {
            row_number: row.row_number,
            user,
            ..Imported::default()
        };
        imported.user_uuid = row.user.uuid.clone();
        self.import_line(changes, row, &mut imported, None)?;
        Ok(imported)
    }

    fn import_change(&mut self, changes: &mut Changes, row: &ImportRow) -> Refusable<Imported> {
        let id = row.user.id;
        self.update_user(changes, &row.user)?;
        let main_line = self
            .users
            .get(&id)
            .and_then(|user| user.lines.first().copied());
        let mut imported = Imported {
            row_number: row.row_number,
            user: id,
            ..Imported::default()
        };
        imported.user_uuid = row.user.uuid.clone();
        self.import_line(changes, row, &mut imported, main_line)?;
        Ok(imported)
    }

    /// Makes or changes the line of a row's user, with credentials and numbers.
    fn import_line(
        &mut self,
        changes: &mut Changes,
        row: &ImportRow,
        imported: &mut Imported,
        existing: Option<LineId>,
    ) -> Refusable<()> {
        let wanted = row.context.is_some()
            || row.exten.is_some()
            || row.endpoint.is_some()
            || row.incall_exten.is_some();
        if !wanted {
            imported.line = existing;
            return Ok(());
        }
        let line = match existing {
            Some(line) => self.import_into_line(changes, row, line)?,
            None => self.import_new_line(changes, row, imported.user)?,
        };
        imported.line = Some(line);
        if let Some(endpoint) = &row.endpoint {
            imported.endpoint = Some(self.import_endpoint(changes, endpoint, line)?);
        }
        if let Some(exten) = &row.exten {
            let context = self.line_or_refuse(line)?.context.clone();
            imported.extension = Some(self.import_extension(changes, line, exten, &context)?);
        }
        if let Some(exten) = &row.incall_exten {
            let Some(context) = &row.incall_context else {
                return Err(USER.input("incall_context", "is missing; incall_exten needs it"));
            };
            imported.incall_extension = Some(self.import_extension(changes, line, exten, context)?);
        }
        Ok(())
    }

    fn import_new_line(
        &mut self,
        changes: &mut Changes,
        row: &ImportRow,
        user: UserId,
    ) -> Refusable<LineId> {
        let Some(context) = &row.context else {
            return Err(LINE.input("context", "is missing; a line needs a context"));
        };
        let line = Line {
            context: context.clone(),
            provisioning_code: row.provisioning_code.clone(),
            users: vec![user],
            ..Line::default()
        };
        self.create_line(changes, &line)
    }

    fn import_into_line(
        &mut self,
        changes: &mut Changes,
        row: &ImportRow,
        id: LineId,
    ) -> Refusable<LineId> {
        let old = Arc::clone(self.line_or_refuse(id)?);
        let context = row.context.clone().unwrap_or_else(|| old.context.clone());
        let provisioning_code = row
            .provisioning_code
            .clone()
            .or_else(|| old.provisioning_code.clone());
        let new = Line {
            context,
            provisioning_code,
            ..(*old).clone()
        };
        if new != *old {
            self.update_line(changes, &new)?;
        }
        Ok(id)
    }

    fn import_endpoint(
        &mut self,
        changes: &mut Changes,
        row: &SipEndpoint,
        line: LineId,
    ) -> Refusable<EndpointId> {
        let Some(id) = self.line_or_refuse(line)?.endpoint_sip else {
            let id = self.create_endpoint(changes, row)?;
            self.link_line_endpoint(changes, line, id)?;
            return Ok(id);
        };
        let old = Arc::clone(self.endpoint_or_refuse(id)?);
        let new = SipEndpoint {
            username: row.username.clone(),
            secret: row.secret.clone(),
            ..(*old).clone()
        };
        if new != *old {
            self.update_endpoint(changes, &new)?;
        }
        Ok(id)
    }

    /// The line's number in this context becomes `exten`.
    fn import_extension(
        &mut self,
        changes: &mut Changes,
        line: LineId,
        exten: &str,
        context: &str,
    ) -> Refusable<ExtensionId> {
        let of_line = self.line_or_refuse(line)?.extensions.clone();
        let in_context = |id: &ExtensionId| {
            self.extensions
                .get(id)
                .filter(|extension| extension.context == context)
        };
        let Some(old) = of_line.iter().find_map(in_context).map(Arc::clone) else {
            let extension = Extension {
                exten: exten.to_owned(),
                context: context.to_owned(),
                line: Some(line),
                ..Extension::default()
            };
            return self.create_extension(changes, &extension);
        };
        if old.exten != exten {
            self.update_extension(
                changes,
                &Extension {
                    exten: exten.to_owned(),
                    ..(*old).clone()
                },
            )?;
        }
        Ok(old.id)
    }
}
