use std::sync::Arc;

use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME, MAX_TEXT},
};
use crate::{EndpointId, Event, Ha1, ResourceKey, SipEndpoint, State};

pub(super) const ENDPOINT: Checked = Checked {
    resource: "SIPEndpoint",
};

const MAX_OPTIONS: usize = 100;

impl State {
    pub(super) fn endpoint_or_refuse(&self, id: EndpointId) -> Refusable<&Arc<SipEndpoint>> {
        self.endpoints
            .get(&id)
            .ok_or_else(|| ENDPOINT.not_found("id", id))
    }

    pub(super) fn create_endpoint(
        &mut self,
        changes: &mut Changes,
        endpoint: &SipEndpoint,
    ) -> Refusable<EndpointId> {
        self.check_endpoint(endpoint, None)?;
        let id = EndpointId(ENDPOINT.next_id(&mut self.counters.endpoint)?);
        self.write_endpoint(
            changes,
            SipEndpoint {
                id,
                ..endpoint.clone()
            },
        );
        Ok(id)
    }

    pub(super) fn update_endpoint(
        &mut self,
        changes: &mut Changes,
        endpoint: &SipEndpoint,
    ) -> Refusable<()> {
        let old = Arc::clone(self.endpoint_or_refuse(endpoint.id)?);
        if old.revision != endpoint.revision {
            return Err(ENDPOINT.stale());
        }
        self.check_endpoint(endpoint, Some(endpoint.id))?;
        if self.trunk_of_endpoint(endpoint.id).is_some() {
            super::trunk_options::check(endpoint)?;
        }
        self.write_endpoint(changes, endpoint.clone());
        if old.username != endpoint.username {
            // Whoever registered under the old name cannot refresh it.
            self.forget_bindings(changes, endpoint.id);
        }
        Ok(())
    }

    pub(super) fn delete_endpoint(
        &mut self,
        changes: &mut Changes,
        id: EndpointId,
    ) -> Refusable<()> {
        self.endpoint_or_refuse(id)?;
        if let Some(line) = self.line_of_endpoint(id) {
            let message = format!(
                "SIPEndpoint is associated to a line ('line_id': '{}'); dissociate it first",
                line.id
            );
            return Err(ENDPOINT.in_use("line", message));
        }
        if let Some(trunk) = self.trunk_of_endpoint(id) {
            let message = format!(
                "SIPEndpoint is associated to a trunk ('trunk_id': '{}'); dissociate it first",
                trunk.id
            );
            return Err(ENDPOINT.in_use("trunk", message));
        }
        self.forget_bindings(changes, id);
        self.drop_endpoint(id);
        changes.config(ResourceKey::Endpoint(id));
        Ok(())
    }

    fn write_endpoint(&mut self, changes: &mut Changes, mut endpoint: SipEndpoint) {
        endpoint.revision = changes.at.index;
        endpoint.digest = Ha1::new(&endpoint.username, self.realm(), &endpoint.secret);
        if endpoint.name.is_empty() {
            endpoint.name = endpoint.username.clone();
        }
        changes.config(ResourceKey::Endpoint(endpoint.id));
        self.put_endpoint(endpoint);
    }

    fn forget_bindings(&mut self, changes: &mut Changes, id: EndpointId) {
        if self.bindings.remove(&id).is_some() {
            changes.events.push(Event::BindingsChanged(id));
        }
    }

    fn check_endpoint(&self, endpoint: &SipEndpoint, own: Option<EndpointId>) -> Refusable<()> {
        ENDPOINT.token("username", &endpoint.username, MAX_NAME, "-_.+")?;
        ENDPOINT.required_text("secret", endpoint.secret.expose(), MAX_NAME)?;
        ENDPOINT.text("name", &endpoint.name, MAX_NAME)?;
        ENDPOINT.optional_text("label", endpoint.label.as_deref(), MAX_NAME)?;
        if !matches!(endpoint.kind.as_str(), "friend" | "peer" | "user") {
            return Err(ENDPOINT.input("type", "must be friend, peer or user"));
        }
        ENDPOINT.token("host", &endpoint.host, 255, "-_.:[]")?;
        if endpoint.options.len() > MAX_OPTIONS {
            return Err(ENDPOINT.input("options", format!("are more than {MAX_OPTIONS}")));
        }
        for (name, value) in &endpoint.options {
            ENDPOINT.required_text("options", name, MAX_NAME)?;
            ENDPOINT.text("options", value, MAX_TEXT)?;
        }
        if self
            .endpoint_by_username(&endpoint.username)
            .is_some_and(|other| Some(other.id) != own)
        {
            let message = format!(
                "another endpoint has it ('username': '{}')",
                endpoint.username
            );
            return Err(ENDPOINT.conflict("username", message));
        }
        Ok(())
    }
}
