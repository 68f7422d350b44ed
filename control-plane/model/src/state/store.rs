//! The only writers of tables that have indices.

use super::State;
use crate::{
    CallEntry, CallId, Context, ContextId, EndpointId, Extension, ExtensionId, Line, LineId,
    SipEndpoint, User, UserId,
};

/// Ended calls that are remembered, so that none gets a second record or comes back to life.
pub(crate) const ENDED_REMEMBERED: usize = 50_000;

impl State {
    pub(crate) fn put_user(&mut self, user: User) {
        self.drop_user(user.id);
        self.indices.add_user(&user);
        self.users.insert(user.id, user);
    }

    pub(crate) fn drop_user(&mut self, id: UserId) {
        if let Some(user) = self.users.remove(&id) {
            self.indices.drop_user(&user);
        }
    }

    pub(crate) fn put_line(&mut self, line: Line) {
        self.drop_line(line.id);
        self.indices.add_line(&line);
        self.lines.insert(line.id, line);
    }

    pub(crate) fn drop_line(&mut self, id: LineId) {
        if let Some(line) = self.lines.remove(&id) {
            self.indices.drop_line(&line);
        }
    }

    pub(crate) fn put_endpoint(&mut self, endpoint: SipEndpoint) {
        self.drop_endpoint(endpoint.id);
        self.indices.add_endpoint(&endpoint);
        self.endpoints.insert(endpoint.id, endpoint);
    }

    pub(crate) fn drop_endpoint(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.endpoints.remove(&id) {
            self.indices.drop_endpoint(&endpoint);
        }
    }

    pub(crate) fn put_extension(&mut self, extension: Extension) {
        self.drop_extension(extension.id);
        self.indices.add_extension(&extension);
        self.extensions.insert(extension.id, extension);
    }

    pub(crate) fn drop_extension(&mut self, id: ExtensionId) {
        if let Some(extension) = self.extensions.remove(&id) {
            self.indices.drop_extension(&extension);
        }
    }

    pub(crate) fn put_context(&mut self, context: Context) {
        self.drop_context(context.id);
        self.indices.add_context(&context);
        self.contexts.insert(context.id, context);
    }

    pub(crate) fn drop_context(&mut self, id: ContextId) {
        if let Some(context) = self.contexts.remove(&id) {
            self.indices.drop_context(&context);
        }
    }

    pub(crate) fn put_call(&mut self, call: CallEntry) {
        match self.calls.get(&call.id) {
            Some(old) => self.indices.change_call(old, &call),
            None => self.indices.add_call(&call),
        }
        self.calls.insert(call.id, call);
    }

    pub(crate) fn drop_call(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.remove(&id) else {
            return false;
        };
        self.indices.drop_call(&call);
        true
    }

    pub(crate) fn remember_ended(&mut self, sequence: u64, call: CallId) {
        self.ended.insert(sequence, call);
        self.indices.ended.insert(call, sequence);
        if self.ended.len() > ENDED_REMEMBERED
            && let Some((oldest, call)) = self
                .ended
                .first()
                .map(|(sequence, call)| (*sequence, **call))
        {
            self.ended.remove(&oldest);
            self.indices.ended.remove(&call);
        }
    }

    /// The indices as they follow from the tables alone.
    #[cfg(test)]
    pub(crate) fn indices_are_in_step(&self) -> bool {
        self.indices == super::Indices::of(self)
    }
}
