//! Ways into the tables. They follow from the tables and are kept in step by `store`.

use imbl::{OrdMap, OrdSet};

use super::State;
use crate::{
    CallEntry, CallId, Context, ContextId, DialogKey, EndpointId, Extension, ExtensionId, Line,
    LineId, SipEndpoint, TrunkId, User, UserId,
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Indices {
    pub(super) users_by_uuid: OrdMap<String, UserId>,
    pub(super) users_by_username: OrdMap<String, UserId>,
    pub(super) endpoints_by_username: OrdMap<String, EndpointId>,
    pub(super) lines_by_code: OrdMap<String, LineId>,
    pub(super) lines_by_endpoint: OrdMap<EndpointId, LineId>,
    pub(super) contexts_by_name: OrdMap<String, ContextId>,
    /// By context, then by number.
    pub(super) extensions: OrdMap<String, OrdMap<String, ExtensionId>>,
    pub(super) dialogs: OrdMap<DialogKey, CallId>,
    pub(super) calls_by_line: OrdSet<(LineId, CallId)>,
    pub(super) calls_by_trunk: OrdSet<(TrunkId, CallId)>,
    pub(super) ended: OrdMap<CallId, u64>,
}

impl Indices {
    pub(super) fn of(state: &State) -> Self {
        let mut indices = Self::default();
        state.users.values().for_each(|user| indices.add_user(user));
        state.lines.values().for_each(|line| indices.add_line(line));
        state
            .endpoints
            .values()
            .for_each(|endpoint| indices.add_endpoint(endpoint));
        state
            .extensions
            .values()
            .for_each(|extension| indices.add_extension(extension));
        state
            .contexts
            .values()
            .for_each(|context| indices.add_context(context));
        state.calls.values().for_each(|call| indices.add_call(call));
        state.ended.iter().for_each(|(sequence, call)| {
            indices.ended.insert(**call, *sequence);
        });
        indices
    }

    pub(super) fn add_user(&mut self, user: &User) {
        self.users_by_uuid.insert(user.uuid.clone(), user.id);
        if let Some(username) = &user.username {
            self.users_by_username.insert(username.clone(), user.id);
        }
    }

    pub(super) fn drop_user(&mut self, user: &User) {
        self.users_by_uuid.remove(&user.uuid);
        if let Some(username) = &user.username {
            self.users_by_username.remove(username);
        }
    }

    pub(super) fn add_line(&mut self, line: &Line) {
        if let Some(code) = &line.provisioning_code {
            self.lines_by_code.insert(code.clone(), line.id);
        }
        if let Some(endpoint) = line.endpoint_sip {
            self.lines_by_endpoint.insert(endpoint, line.id);
        }
    }

    pub(super) fn drop_line(&mut self, line: &Line) {
        if let Some(code) = &line.provisioning_code {
            self.lines_by_code.remove(code);
        }
        if let Some(endpoint) = line.endpoint_sip {
            self.lines_by_endpoint.remove(&endpoint);
        }
    }

    pub(super) fn add_endpoint(&mut self, endpoint: &SipEndpoint) {
        self.endpoints_by_username
            .insert(endpoint.username.clone(), endpoint.id);
    }

    pub(super) fn drop_endpoint(&mut self, endpoint: &SipEndpoint) {
        self.endpoints_by_username.remove(&endpoint.username);
    }

    pub(super) fn add_extension(&mut self, extension: &Extension) {
        let numbers = self
            .extensions
            .entry(extension.context.clone())
            .or_default();
        numbers.insert(extension.exten.clone(), extension.id);
    }

    pub(super) fn drop_extension(&mut self, extension: &Extension) {
        if let Some(numbers) = self.extensions.get_mut(&extension.context) {
            numbers.remove(&extension.exten);
            if numbers.is_empty() {
                self.extensions.remove(&extension.context);
            }
        }
    }

    pub(super) fn add_context(&mut self, context: &Context) {
        self.contexts_by_name
            .insert(context.name.clone(), context.id);
    }

    pub(super) fn drop_context(&mut self, context: &Context) {
        self.contexts_by_name.remove(&context.name);
    }

    pub(super) fn add_call(&mut self, call: &CallEntry) {
        for dialog in &call.dialogs {
            self.dialogs.insert(dialog.clone(), call.id);
        }
        for line in lines_of(call) {
            self.calls_by_line.insert((line, call.id));
        }
        for trunk in trunks_of(call) {
            self.calls_by_trunk.insert((trunk, call.id));
        }
    }

    pub(super) fn drop_call(&mut self, call: &CallEntry) {
        for dialog in &call.dialogs {
            self.dialogs.remove(dialog);
        }
        for line in lines_of(call) {
            self.calls_by_line.remove(&(line, call.id));
        }
        for trunk in trunks_of(call) {
            self.calls_by_trunk.remove(&(trunk, call.id));
        }
    }

    /// The same as dropping the old and adding the new value, without touching what stays.
    pub(super) fn change_call(&mut self, old: &CallEntry, new: &CallEntry) {
        let same_parties = lines_of(old).eq(lines_of(new)) && trunks_of(old).eq(trunks_of(new));
        if old.dialogs != new.dialogs || !same_parties {
            self.drop_call(old);
            self.add_call(new);
        }
    }
}

fn lines_of(call: &CallEntry) -> impl Iterator<Item = LineId> {
    call.summary
        .caller
        .line
        .into_iter()
        .chain(call.summary.callee.line)
}

fn trunks_of(call: &CallEntry) -> impl Iterator<Item = TrunkId> {
    call.summary
        .caller
        .trunk
        .into_iter()
        .chain(call.summary.callee.trunk)
}
