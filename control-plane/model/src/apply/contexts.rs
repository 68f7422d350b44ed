use std::sync::Arc;

use super::{
    Changes, Refusable,
    extensions::check_in_ranges,
    field::{Checked, MAX_NAME, MAX_TEXT},
};
use crate::{Context, ContextId, ContextKind, NumberRange, ResourceKey, State};

pub(super) const CONTEXT: Checked = Checked {
    resource: "Context",
};

const MAX_RANGES: usize = 200;
const MAX_INCLUDES: usize = 50;

impl State {
    pub(super) fn create_context(
        &mut self,
        changes: &mut Changes,
        context: &Context,
    ) -> Refusable<ContextId> {
        let id = ContextId(CONTEXT.next_id(&mut self.counters.context)?);
        let context = Context {
            id,
            revision: changes.at.index,
            ..context.clone()
        };
        self.check_context(&context)?;
        if self.context_by_name(&context.name).is_some() {
            let message = format!("another context has it ('name': '{}')", context.name);
            return Err(CONTEXT.conflict("name", message));
        }
        self.put_context(context);
        changes.config(ResourceKey::Context(id));
        Ok(id)
    }

    pub(super) fn update_context(
        &mut self,
        changes: &mut Changes,
        context: &Context,
    ) -> Refusable<()> {
        let old = self
            .contexts
            .get(&context.id)
            .ok_or_else(|| CONTEXT.not_found("id", context.id))?;
        if old.revision != context.revision {
            return Err(CONTEXT.stale());
        }
        if old.name != context.name {
            return Err(CONTEXT.input(
                "name",
                "cannot be changed: lines and extensions quote it; change the label",
            ));
        }
        self.check_context(context)?;
        self.check_no_number_is_left_out(context)?;
        self.put_context(Context {
            revision: changes.at.index,
            ..context.clone()
        });
        changes.config(ResourceKey::Context(context.id));
        Ok(())
    }

    pub(super) fn delete_context(&mut self, changes: &mut Changes, id: ContextId) -> Refusable<()> {
        let context = Arc::clone(
            self.contexts
                .get(&id)
                .ok_or_else(|| CONTEXT.not_found("id", id))?,
        );
        if let Some(extension) = self.extensions_in(&context.name).next() {
            let message = format!(
                "Context has the extension '{}'; delete its extensions first",
                extension.exten
            );
            return Err(CONTEXT.in_use("extensions", message));
        }
        if let Some(line) = self
            .lines
            .values()
            .find(|line| line.context == context.name)
        {
            let message = format!(
                "Context is used by a line ('line_id': '{}'); move or delete its lines first",
                line.id
            );
            return Err(CONTEXT.in_use("lines", message));
        }
        if let Some(other) = self
            .contexts
            .values()
            .find(|other| other.id != id && other.includes.contains(&id))
        {
            let message = format!(
                "Context is included by context '{}'; take it out there first",
                other.name
            );
            return Err(CONTEXT.in_use("contexts", message));
        }
        if let Some(trunk) = self
            .trunks
            .values()
            .find(|trunk| trunk.context.as_deref() == Some(&*context.name))
        {
            let message = format!(
                "Context is used by the trunk '{}'; change it first",
                trunk.name
            );
            return Err(CONTEXT.in_use("trunks", message));
        }
        self.drop_context(id);
        changes.config(ResourceKey::Context(id));
        Ok(())
    }

    fn check_context(&self, context: &Context) -> Refusable<()> {
        CONTEXT.token("name", &context.name, 79, "-_.")?;
        CONTEXT.optional_text("label", context.label.as_deref(), MAX_NAME)?;
        if context
            .description
            .as_deref()
            .is_some_and(|text| text.chars().count() > MAX_TEXT)
        {
            return Err(CONTEXT.input(
                "description",
                format!("is longer than {MAX_TEXT} characters"),
            ));
        }
        check_ranges(context)?;
        if context.includes.len() > MAX_INCLUDES {
            return Err(CONTEXT.input("contexts", format!("are more than {MAX_INCLUDES}")));
        }
        for (at, included) in context.includes.iter().enumerate() {
            if *included == context.id {
                return Err(CONTEXT.input("contexts", "a context cannot include itself"));
            }
            if !self.contexts.contains(included) {
                return Err(CONTEXT.input(
                    "contexts",
                    format!("Context was not found ('id': '{included}')"),
                ));
            }
            if context.includes[..at].contains(included) {
                return Err(
                    CONTEXT.input("contexts", format!("context {included} is included twice"))
                );
            }
        }
        Ok(())
    }

    fn check_no_number_is_left_out(&self, context: &Context) -> Refusable<()> {
        let left_out = self.extensions_in(&context.name).find_map(|extension| {
            let outside = check_in_ranges(context, &extension.exten).is_err();
            let unfit = extension.line.is_some()
                && context.kind == ContextKind::Internal
                && !context
                    .user_ranges
                    .iter()
                    .any(|range| range.contains(&extension.exten));
            (outside || unfit).then_some(&extension.exten)
        });
        let Some(exten) = left_out else { return Ok(()) };
        let field = if context.kind == ContextKind::Incall {
            "incall_ranges"
        } else {
            "user_ranges"
        };
        Err(CONTEXT.in_use(
            field,
            format!("would leave out the existing extension '{exten}'; delete it first"),
        ))
    }
}

fn check_ranges(context: &Context) -> Refusable<()> {
    let mut seen: Vec<(&str, &NumberRange)> = Vec::new();
    for (field, ranges) in context.ranges() {
        if ranges.len() > MAX_RANGES {
            return Err(CONTEXT.input(field, format!("has more than {MAX_RANGES} ranges")));
        }
        for range in ranges {
            check_range(field, range)?;
            if let Some((other_field, other)) = seen.iter().find(|(_, other)| other.overlaps(range))
            {
                let message = format!(
                    "range {}-{} overlaps range {}-{} of {other_field}; a number can be in one range only",
                    range.start, range.end, other.start, other.end
                );
                return Err(CONTEXT.input(field, message));
            }
            seen.push((field, range));
        }
    }
    Ok(())
}

fn check_range(field: &str, range: &NumberRange) -> Refusable<()> {
    for end in [&range.start, &range.end] {
        if end.is_empty() || end.len() > 20 || !end.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CONTEXT.input(field, format!("'{end}' is not a number of 1 to 20 digits")));
        }
    }
    if range.start.len() != range.end.len() {
        let message = format!(
            "{} and {} must have the same number of digits",
            range.start, range.end
        );
        return Err(CONTEXT.input(field, message));
    }
    if range.start > range.end {
        return Err(CONTEXT.input(
            field,
            format!("{} comes after {}; swap them", range.start, range.end),
        ));
    }
    if range.did_length as usize > range.start.len() {
        let message = format!(
            "did_length {} is more than the {} digits of the range",
            range.did_length,
            range.start.len()
        );
        return Err(CONTEXT.input(field, message));
    }
    Ok(())
}
