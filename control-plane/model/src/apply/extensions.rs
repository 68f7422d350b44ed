use std::sync::Arc;

use super::{Changes, Refusable, field::Checked, lines::LINE, outcalls::check_free};
use crate::{
    Context, ContextKind, Extension, ExtensionId, NumberRange, ResourceKey, State, pattern,
};

pub(super) const EXTENSION: Checked = Checked {
    resource: "Extension",
};

const MAX_PATTERN: usize = 80;

impl State {
    pub(super) fn extension_or_refuse(&self, id: ExtensionId) -> Refusable<&Arc<Extension>> {
        self.extensions
            .get(&id)
            .ok_or_else(|| EXTENSION.not_found("id", id))
    }

    pub(super) fn create_extension(
        &mut self,
        changes: &mut Changes,
        extension: &Extension,
    ) -> Refusable<ExtensionId> {
        self.check_extension(extension, None)?;
        let id = ExtensionId(EXTENSION.next_id(&mut self.counters.extension)?);
        self.put_extension(Extension {
            id,
            revision: changes.at.index,
            line: None,
            incall: None,
            outcall: None,
            ..extension.clone()
        });
        changes.config(ResourceKey::Extension(id));
        if let Some(line) = extension.line {
            self.link_line_extension(changes, line, id)?;
        }
        Ok(id)
    }

    pub(super) fn update_extension(
        &mut self,
        changes: &mut Changes,
        extension: &Extension,
    ) -> Refusable<()> {
        let old = Arc::clone(self.extension_or_refuse(extension.id)?);
        if old.revision != extension.revision {
            return Err(EXTENSION.stale());
        }
        let linked = Extension {
            revision: changes.at.index,
            line: old.line,
            incall: old.incall,
            outcall: old.outcall,
            ..extension.clone()
        };
        self.check_extension(&linked, Some(extension.id))?;
        if linked.line.is_some() {
            self.check_number_for_line(&linked)?;
        }
        self.put_extension(linked);
        changes.config(ResourceKey::Extension(extension.id));
        Ok(())
    }

    pub(super) fn delete_extension(
        &mut self,
        changes: &mut Changes,
        id: ExtensionId,
    ) -> Refusable<()> {
        check_free(self.extension_or_refuse(id)?, "")?;
        self.drop_extension(id);
        changes.config(ResourceKey::Extension(id));
        Ok(())
    }

    /// A line of an internal context must have a number from the ranges for users.
    pub(super) fn check_number_for_line(&self, extension: &Extension) -> Refusable<()> {
        if pattern::is_pattern(&extension.exten) {
            return Err(LINE.input("exten", "is a pattern; a line needs a number"));
        }
        let Some(context) = self.context_by_name(&extension.context) else {
            return Ok(());
        };
        let wrong_range = context.kind == ContextKind::Internal
            && !within(&context.user_ranges, &extension.exten);
        if wrong_range {
            let message = format!(
                "Extension '{}' is outside of the user_ranges of context '{}'; a line needs a number for users",
                extension.exten, extension.context
            );
            return Err(LINE.input("exten", message));
        }
        Ok(())
    }

    fn check_extension(&self, extension: &Extension, own: Option<ExtensionId>) -> Refusable<()> {
        let is_pattern = pattern::is_pattern(&extension.exten);
        if is_pattern {
            pattern::check(&extension.exten).map_err(|why| EXTENSION.input("exten", why))?;
            EXTENSION.text("exten", &extension.exten, MAX_PATTERN)?;
        } else {
            EXTENSION.number("exten", &extension.exten)?;
        }
        if is_pattern && (extension.line.is_some() || extension.incall.is_some()) {
            let message = "is a pattern, which leads out only; what rings here has a number";
            return Err(EXTENSION.input("exten", message));
        }
        let Some(context) = self.context_by_name(&extension.context) else {
            let message = format!(
                "Context was not found ('name': '{}'); create it first",
                extension.context
            );
            return Err(EXTENSION.input("context", message));
        };
        check_in_ranges(context, &extension.exten)?;
        let taken = self.extension_in(&extension.context, &extension.exten);
        if taken.is_some_and(|other| Some(other.id) != own) {
            let message = format!(
                "Extension '{}' exists already in context '{}'",
                extension.exten, extension.context
            );
            return Err(EXTENSION.conflict("exten", message));
        }
        Ok(())
    }
}

/// A number outside of every range of its context is refused; contexts without numbers of their own take any.
pub(super) fn check_in_ranges(context: &Context, exten: &str) -> Refusable<()> {
    let allowed = match context.kind {
        ContextKind::Internal => {
            let inside = context.ranges();
            inside[..4].iter().any(|(_, ranges)| within(ranges, exten))
        }
        ContextKind::Incall => within(&context.incall_ranges, exten),
        ContextKind::Outcall | ContextKind::Services | ContextKind::Others => true,
    };
    if allowed {
        return Ok(());
    }
    let message = format!(
        "Extension '{exten}' is outside of every range of context '{}'; choose a number of a range or widen one",
        context.name
    );
    Err(EXTENSION.input("exten", message))
}

fn within(ranges: &[NumberRange], exten: &str) -> bool {
    ranges.iter().any(|range| range.contains(exten))
}
