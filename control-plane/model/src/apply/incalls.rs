use std::sync::Arc;

use super::{
    Changes, Refusable,
    extensions::EXTENSION,
    field::{Checked, MAX_NAME, MAX_TEXT},
    outcalls::check_free,
};
use crate::{
    ContextKind, Destination, Extension, ExtensionId, Incall, IncallId, ResourceKey, State, UserId,
};

pub(super) const INCALL: Checked = Checked { resource: "Incall" };

const MAX_EXTENSIONS: usize = 500;

impl State {
    fn incall_or_refuse(&self, id: IncallId) -> Refusable<&Arc<Incall>> {
        self.incalls
            .get(&id)
            .ok_or_else(|| INCALL.not_found("id", id))
    }

    pub(super) fn create_incall(
        &mut self,
        changes: &mut Changes,
        incall: &Incall,
    ) -> Refusable<IncallId> {
        let id = IncallId(INCALL.next_id(&mut self.counters.incall)?);
        let bare = Incall {
            id,
            extensions: Vec::new(),
            ..incall.clone()
        };
        self.write_incall(changes, bare)?;
        for extension in &incall.extensions {
            self.link_incall_extension(changes, id, *extension)?;
        }
        Ok(id)
    }

    pub(super) fn update_incall(
        &mut self,
        changes: &mut Changes,
        incall: &Incall,
    ) -> Refusable<()> {
        let old = Arc::clone(self.incall_or_refuse(incall.id)?);
        if old.revision != incall.revision {
            return Err(INCALL.stale());
        }
        let extensions = old.extensions.clone();
        self.write_incall(
            changes,
            Incall {
                extensions,
                ..incall.clone()
            },
        )
    }

    /// Its numbers stay and are free.
    pub(super) fn delete_incall(&mut self, changes: &mut Changes, id: IncallId) -> Refusable<()> {
        let incall = Arc::clone(self.incall_or_refuse(id)?);
        for extension in &incall.extensions {
            self.mark_incall(changes, *extension, None)?;
        }
        self.incalls.remove(&id);
        changes.config(ResourceKey::Incall(id));
        Ok(())
    }

    pub(super) fn link_incall_extension(
        &mut self,
        changes: &mut Changes,
        id: IncallId,
        extension: ExtensionId,
    ) -> Refusable<()> {
        let mut incall = (**self.incall_or_refuse(id)?).clone();
        let old = Arc::clone(self.extension_or_refuse(extension)?);
        match old.incall {
            Some(linked) if linked == id => return Ok(()),
            Some(linked) => {
                let message = format!(
                    "Extension is associated to another incall ('incall_id': '{linked}'); dissociate it first"
                );
                return Err(EXTENSION.in_use("incall", message));
            }
            None => {}
        }
        check_free(&old, "incall")?;
        let called_from_outside = self
            .context_by_name(&old.context)
            .is_some_and(|context| context.kind == ContextKind::Incall);
        if !called_from_outside {
            let message = "is in a context that is not called from outside; use one of type incall";
            return Err(INCALL.input("extension_id", message));
        }
        if incall.extensions.len() >= MAX_EXTENSIONS {
            return Err(INCALL.limit("extensions", format!("are more than {MAX_EXTENSIONS}")));
        }
        incall.extensions.push(extension);
        self.mark_incall(changes, extension, Some(id))?;
        self.write_incall(changes, incall)
    }

    pub(super) fn unlink_incall_extension(
        &mut self,
        changes: &mut Changes,
        id: IncallId,
        extension: ExtensionId,
    ) -> Refusable<()> {
        let mut incall = (**self.incall_or_refuse(id)?).clone();
        if self.extension_or_refuse(extension)?.incall != Some(id) {
            let message = format!(
                "Incall is not associated to this extension ('incall_id': '{id}', 'extension_id': '{extension}')"
            );
            return Err(INCALL.input("extension_id", message));
        }
        incall.extensions.retain(|known| *known != extension);
        self.mark_incall(changes, extension, None)?;
        self.write_incall(changes, incall)
    }

    /// Ways in that led to a user who goes lead nowhere.
    pub(super) fn forget_destination(&mut self, changes: &mut Changes, gone: UserId) {
        let leads_there = |incall: &&Arc<Incall>| matches!(incall.destination, Destination::User { user, .. } if user == gone);
        let affected: Vec<Incall> = self
            .incalls
            .values()
            .filter(leads_there)
            .map(|incall| (**incall).clone())
            .collect();
        for incall in affected {
            changes.config(ResourceKey::Incall(incall.id));
            self.incalls.insert(
                incall.id,
                Incall {
                    destination: Destination::None,
                    revision: changes.at.index,
                    ..incall
                },
            );
        }
    }

    fn mark_incall(
        &mut self,
        changes: &mut Changes,
        extension: ExtensionId,
        incall: Option<IncallId>,
    ) -> Refusable<()> {
        let old = (**self.extension_or_refuse(extension)?).clone();
        self.put_extension(Extension {
            incall,
            revision: changes.at.index,
            ..old
        });
        changes.config(ResourceKey::Extension(extension));
        Ok(())
    }

    fn write_incall(&mut self, changes: &mut Changes, mut incall: Incall) -> Refusable<()> {
        INCALL.optional_text("description", incall.description.as_deref(), MAX_TEXT)?;
        match &incall.destination {
            Destination::None | Destination::Hangup { .. } => {}
            Destination::User { user, ring_seconds } => {
                if !self.users.contains(user) {
                    let message = format!("User was not found ('id': '{user}')");
                    return Err(INCALL.input("destination.user_id", message));
                }
                if let Some(seconds) = ring_seconds {
                    INCALL.range("destination.ring_time", *seconds, 1, 600)?;
                }
            }
            Destination::Extension { exten, context } => {
                INCALL.number("destination.exten", exten)?;
                INCALL.required_text("destination.context", context, MAX_NAME)?;
                if self.context_by_name(context).is_none() {
                    let message = format!("Context was not found ('name': '{context}')");
                    return Err(INCALL.input("destination.context", message));
                }
            }
        }
        incall.revision = changes.at.index;
        changes.config(ResourceKey::Incall(incall.id));
        self.incalls.insert(incall.id, incall);
        Ok(())
    }
}
