use std::sync::Arc;

use super::{
    Changes, Refusable,
    extensions::EXTENSION,
    field::{Checked, MAX_NAME, MAX_TEXT},
};
use crate::{
    ContextKind, Extension, ExtensionId, Outcall, OutcallId, OutcallNumber, ResourceKey, State,
    TrunkId,
};

pub(super) const OUTCALL: Checked = Checked {
    resource: "Outcall",
};

const MAX_TRUNKS: usize = 50;
const MAX_NUMBERS: usize = 500;

impl State {
    fn outcall_or_refuse(&self, id: OutcallId) -> Refusable<&Arc<Outcall>> {
        self.outcalls
            .get(&id)
            .ok_or_else(|| OUTCALL.not_found("id", id))
    }

    pub(super) fn create_outcall(
        &mut self,
        changes: &mut Changes,
        outcall: &Outcall,
    ) -> Refusable<OutcallId> {
        let id = OutcallId(OUTCALL.next_id(&mut self.counters.outcall)?);
        let bare = Outcall {
            id,
            trunks: Vec::new(),
            numbers: Vec::new(),
            ..outcall.clone()
        };
        self.write_outcall(changes, bare)?;
        self.set_outcall_trunks(changes, id, &outcall.trunks)?;
        for number in &outcall.numbers {
            self.set_outcall_number(changes, id, number)?;
        }
        Ok(id)
    }

    pub(super) fn update_outcall(
        &mut self,
        changes: &mut Changes,
        outcall: &Outcall,
    ) -> Refusable<()> {
        let old = Arc::clone(self.outcall_or_refuse(outcall.id)?);
        if old.revision != outcall.revision {
            return Err(OUTCALL.stale());
        }
        let linked = Outcall {
            trunks: old.trunks.clone(),
            numbers: old.numbers.clone(),
            ..outcall.clone()
        };
        self.write_outcall(changes, linked)
    }

    /// Its numbers stay and are free.
    pub(super) fn delete_outcall(&mut self, changes: &mut Changes, id: OutcallId) -> Refusable<()> {
        let outcall = Arc::clone(self.outcall_or_refuse(id)?);
        for number in &outcall.numbers {
            self.mark_outcall(changes, number.extension, None)?;
        }
        self.outcalls.remove(&id);
        changes.config(ResourceKey::Outcall(id));
        Ok(())
    }

    pub(super) fn set_outcall_trunks(
        &mut self,
        changes: &mut Changes,
        id: OutcallId,
        trunks: &[TrunkId],
    ) -> Refusable<()> {
        let old = (**self.outcall_or_refuse(id)?).clone();
        if trunks.len() > MAX_TRUNKS {
            return Err(OUTCALL.limit("trunks", format!("are more than {MAX_TRUNKS}")));
        }
        for (at, trunk) in trunks.iter().enumerate() {
            if !self.trunks.contains(trunk) {
                let message = format!("Trunk was not found ('id': '{trunk}')");
                return Err(OUTCALL.input("trunks", message));
            }
            if trunks[..at].contains(trunk) {
                return Err(OUTCALL.input("trunks", format!("trunk {trunk} is named twice")));
            }
        }
        let trunks = trunks.to_vec();
        self.write_outcall(changes, Outcall { trunks, ..old })
    }

    pub(super) fn link_outcall_extension(
        &mut self,
        changes: &mut Changes,
        id: OutcallId,
        extension: ExtensionId,
    ) -> Refusable<()> {
        let old = self.outcall_or_refuse(id)?;
        if old
            .numbers
            .iter()
            .any(|number| number.extension == extension)
        {
            return Ok(());
        }
        let number = OutcallNumber {
            extension,
            ..OutcallNumber::default()
        };
        self.set_outcall_number(changes, id, &number)
    }

    pub(super) fn set_outcall_number(
        &mut self,
        changes: &mut Changes,
        id: OutcallId,
        number: &OutcallNumber,
    ) -> Refusable<()> {
        let mut outcall = (**self.outcall_or_refuse(id)?).clone();
        check_number(number)?;
        let extension = Arc::clone(self.extension_or_refuse(number.extension)?);
        if let Some(other) = extension.outcall.filter(|other| *other != id) {
            let message = format!(
                "Extension is associated to another outcall ('outcall_id': '{other}'); dissociate it first"
            );
            return Err(EXTENSION.in_use("outcall", message));
        }
        check_free(&extension, "outcall")?;
        let outside = self
            .context_by_name(&extension.context)
            .is_some_and(|context| context.kind != ContextKind::Incall);
        if !outside {
            let message = "is in a context of numbers called from outside; use one of type outcall";
            return Err(OUTCALL.input("extension_id", message));
        }
        let known = outcall
            .numbers
            .iter()
            .position(|known| known.extension == number.extension);
        match known {
            Some(at) => outcall.numbers[at] = number.clone(),
            None if outcall.numbers.len() >= MAX_NUMBERS => {
                return Err(OUTCALL.limit("extensions", format!("are more than {MAX_NUMBERS}")));
            }
            None => outcall.numbers.push(number.clone()),
        }
        self.mark_outcall(changes, number.extension, Some(id))?;
        self.write_outcall(changes, outcall)
    }

    pub(super) fn unlink_outcall_extension(
        &mut self,
        changes: &mut Changes,
        id: OutcallId,
        extension: ExtensionId,
    ) -> Refusable<()> {
        let mut outcall = (**self.outcall_or_refuse(id)?).clone();
        self.extension_or_refuse(extension)?;
        let before = outcall.numbers.len();
        outcall
            .numbers
            .retain(|number| number.extension != extension);
        if outcall.numbers.len() == before {
            let message = format!(
                "Outcall is not associated to this extension ('outcall_id': '{id}', 'extension_id': '{extension}')"
            );
            return Err(OUTCALL.input("extension_id", message));
        }
        self.mark_outcall(changes, extension, None)?;
        self.write_outcall(changes, outcall)
    }

    fn mark_outcall(
        &mut self,
        changes: &mut Changes,
        extension: ExtensionId,
        outcall: Option<OutcallId>,
    ) -> Refusable<()> {
        let old = (**self.extension_or_refuse(extension)?).clone();
        self.put_extension(Extension {
            outcall,
            revision: changes.at.index,
            ..old
        });
        changes.config(ResourceKey::Extension(extension));
        Ok(())
    }

    fn write_outcall(&mut self, changes: &mut Changes, mut outcall: Outcall) -> Refusable<()> {
        OUTCALL.required_text("name", &outcall.name, MAX_NAME)?;
        OUTCALL.optional_text("description", outcall.description.as_deref(), MAX_TEXT)?;
        if let Some(seconds) = outcall.ring_seconds {
            OUTCALL.range("ring_time", seconds, 1, 600)?;
        }
        if self
            .outcalls
            .values()
            .any(|other| other.name == outcall.name && other.id != outcall.id)
        {
            let message = format!("another outcall has it ('name': '{}')", outcall.name);
            return Err(OUTCALL.conflict("name", message));
        }
        outcall.revision = changes.at.index;
        changes.config(ResourceKey::Outcall(outcall.id));
        self.outcalls.insert(outcall.id, outcall);
        Ok(())
    }
}

/// A number leads to one thing only.
pub(super) fn check_free(extension: &Extension, wanted: &str) -> Refusable<()> {
    if let Some(line) = extension.line {
        let message =
            format!("Extension is associated to a line ('line_id': '{line}'); dissociate it first");
        return Err(EXTENSION.in_use("line", message));
    }
    if let Some(incall) = extension.incall.filter(|_| wanted != "incall") {
        let message = format!(
            "Extension is associated to an incall ('incall_id': '{incall}'); dissociate it first"
        );
        return Err(EXTENSION.in_use("incall", message));
    }
    if let Some(outcall) = extension.outcall.filter(|_| wanted != "outcall") {
        let message = format!(
            "Extension is associated to an outcall ('outcall_id': '{outcall}'); dissociate it first"
        );
        return Err(EXTENSION.in_use("outcall", message));
    }
    Ok(())
}

fn check_number(number: &OutcallNumber) -> Refusable<()> {
    for (field, digits) in [
        ("prefix", &number.prefix),
        ("external_prefix", &number.external_prefix),
    ] {
        if let Some(digits) = digits {
            OUTCALL.number(field, digits)?;
        }
    }
    OUTCALL.range("strip_digits", number.strip_digits, 0, 40)?;
    OUTCALL.optional_text("caller_id", number.caller_id.as_deref(), MAX_NAME)
}
