use std::sync::Arc;

use super::{
    Changes, Refusable,
    endpoints::ENDPOINT,
    field::{Checked, MAX_NAME},
    registers::REGISTER,
};
use crate::{
    CallerFormat, EndpointId, Event, MAX_TRUNK_CONTACTS, Outcome, RegisterId, Rejection,
    RejectionKind, ResourceKey, State, Trunk, TrunkId, TrunkReport,
};

pub(super) const TRUNK: Checked = Checked { resource: "Trunk" };

const MAX_CONTACT: usize = 512;

impl State {
    pub(super) fn trunk_or_refuse(&self, id: TrunkId) -> Refusable<&Arc<Trunk>> {
        self.trunks
            .get(&id)
            .ok_or_else(|| TRUNK.not_found("id", id))
    }

    pub(super) fn create_trunk(
        &mut self,
        changes: &mut Changes,
        trunk: &Trunk,
    ) -> Refusable<TrunkId> {
        let id = TrunkId(TRUNK.next_id(&mut self.counters.trunk)?);
        let trunk = Trunk {
            id,
            ..trunk.clone()
        };
        let bare = Trunk {
            endpoint_sip: None,
            register_sip: None,
            ..trunk.clone()
        };
        self.write_trunk(changes, bare)?;
        if let Some(endpoint) = trunk.endpoint_sip {
            self.link_trunk_endpoint(changes, id, endpoint)?;
        }
        if let Some(register) = trunk.register_sip {
            self.link_trunk_register(changes, id, register)?;
        }
        Ok(id)
    }

    pub(super) fn update_trunk(&mut self, changes: &mut Changes, trunk: &Trunk) -> Refusable<()> {
        let old = Arc::clone(self.trunk_or_refuse(trunk.id)?);
        if old.revision != trunk.revision {
            return Err(TRUNK.stale());
        }
        let linked = Trunk {
            endpoint_sip: old.endpoint_sip,
            register_sip: old.register_sip,
            ..trunk.clone()
        };
        self.write_trunk(changes, linked)
    }

    /// What a trunk was linked to stays and is free; what is known of its registration goes with it.
    pub(super) fn delete_trunk(&mut self, changes: &mut Changes, id: TrunkId) -> Refusable<()> {
        self.trunk_or_refuse(id)?;
        if let Some(outcall) = self
            .outcalls
            .values()
            .find(|outcall| outcall.trunks.contains(&id))
        {
            let message = format!(
                "Trunk is used by the outcall '{}'; take it out there first",
                outcall.name
            );
            return Err(TRUNK.in_use("outcalls", message));
        }
        self.trunks.remove(&id);
        self.trunk_reports.remove(&id);
        changes.config(ResourceKey::Trunk(id));
        Ok(())
    }

    pub(super) fn link_trunk_endpoint(
        &mut self,
        changes: &mut Changes,
        trunk: TrunkId,
        endpoint: EndpointId,
    ) -> Refusable<()> {
        let old = (**self.trunk_or_refuse(trunk)?).clone();
        let linked = Arc::clone(self.endpoint_or_refuse(endpoint)?);
        match old.endpoint_sip {
            Some(known) if known == endpoint => return Ok(()),
            Some(known) => {
                let message = format!(
                    "Trunk is associated to another endpoint ('endpoint_id': '{known}'); dissociate it first"
                );
                return Err(TRUNK.in_use("endpoint_sip", message));
            }
            None => {}
        }
        if let Some(line) = self.line_of_endpoint(endpoint) {
            let message = format!(
                "SIPEndpoint is associated to a line ('line_id': '{}'); dissociate it first",
                line.id
            );
            return Err(ENDPOINT.in_use("line", message));
        }
        if let Some(other) = self.trunk_of_endpoint(endpoint) {
            let message = format!(
                "SIPEndpoint is associated to another trunk ('trunk_id': '{}')",
                other.id
            );
            return Err(ENDPOINT.in_use("trunk", message));
        }
        super::trunk_options::check(&linked)?;
        let endpoint_sip = Some(endpoint);
        self.write_trunk(
            changes,
            Trunk {
                endpoint_sip,
                ..old
            },
        )?;
        changes.config(ResourceKey::Endpoint(endpoint));
        Ok(())
    }

    pub(super) fn unlink_trunk_endpoint(
        &mut self,
        changes: &mut Changes,
        trunk: TrunkId,
        endpoint: EndpointId,
    ) -> Refusable<()> {
        let old = (**self.trunk_or_refuse(trunk)?).clone();
        self.endpoint_or_refuse(endpoint)?;
        if old.endpoint_sip != Some(endpoint) {
            let message = format!(
                "Trunk is not associated to this endpoint ('trunk_id': '{trunk}', 'endpoint_id': '{endpoint}')"
            );
            return Err(TRUNK.input("endpoint_id", message));
        }
        let endpoint_sip = None;
        self.write_trunk(
            changes,
            Trunk {
                endpoint_sip,
                ..old
            },
        )?;
        changes.config(ResourceKey::Endpoint(endpoint));
        Ok(())
    }

    pub(super) fn link_trunk_register(
        &mut self,
        changes: &mut Changes,
        trunk: TrunkId,
        register: RegisterId,
    ) -> Refusable<()> {
        let old = (**self.trunk_or_refuse(trunk)?).clone();
        self.register_or_refuse(register)?;
        match old.register_sip {
            Some(known) if known == register => return Ok(()),
            Some(known) => {
                let message = format!(
                    "Trunk is associated to another register ('register_id': '{known}'); dissociate it first"
                );
                return Err(TRUNK.in_use("register_sip", message));
            }
            None => {}
        }
        if let Some(other) = self.trunk_of_register(register) {
            let message = format!(
                "SIPRegister is associated to another trunk ('trunk_id': '{}')",
                other.id
            );
            return Err(REGISTER.in_use("trunk", message));
        }
        let register_sip = Some(register);
        self.write_trunk(
            changes,
            Trunk {
                register_sip,
                ..old
            },
        )?;
        changes.config(ResourceKey::Register(register));
        Ok(())
    }

    pub(super) fn unlink_trunk_register(
        &mut self,
        changes: &mut Changes,
        trunk: TrunkId,
        register: RegisterId,
    ) -> Refusable<()> {
        let old = (**self.trunk_or_refuse(trunk)?).clone();
        self.register_or_refuse(register)?;
        if old.register_sip != Some(register) {
            let message = format!(
                "Trunk is not associated to this register ('trunk_id': '{trunk}', 'register_id': '{register}')"
            );
            return Err(TRUNK.input("register_id", message));
        }
        let register_sip = None;
        self.write_trunk(
            changes,
            Trunk {
                register_sip,
                ..old
            },
        )?;
        changes.config(ResourceKey::Register(register));
        Ok(())
    }

    fn write_trunk(&mut self, changes: &mut Changes, mut trunk: Trunk) -> Refusable<()> {
        if trunk.name.is_empty() {
            trunk.name = format!("trunk-{}", trunk.id);
        }
        if trunk.outgoing_caller_id_format.is_empty() {
            CallerFormat::NAMES[0].clone_into(&mut trunk.outgoing_caller_id_format);
        }
        TRUNK.required_text("name", &trunk.name, MAX_NAME)?;
        if !CallerFormat::NAMES.contains(&trunk.outgoing_caller_id_format.as_str()) {
            let message = "must be +E164, E164 or national";
            return Err(TRUNK.input("outgoing_caller_id_format", message));
        }
        if let Some(context) = &trunk.context
            && self.context_by_name(context).is_none()
        {
            let message = format!("Context was not found ('name': '{context}'); create it first");
            return Err(TRUNK.input("context", message));
        }
        if self
            .trunk_by_name(&trunk.name)
            .is_some_and(|other| other.id != trunk.id)
        {
            let message = format!("another trunk has it ('name': '{}')", trunk.name);
            return Err(TRUNK.conflict("name", message));
        }
        trunk.revision = changes.at.index;
        changes.config(ResourceKey::Trunk(trunk.id));
        self.trunks.insert(trunk.id, trunk);
        Ok(())
    }

    /// Taken from who holds the trunk's lease, and from nobody else.
    pub(super) fn report_trunk(
        &mut self,
        changes: &mut Changes,
        report: &TrunkReport,
    ) -> Refusable<Outcome> {
        self.trunk_or_refuse(report.trunk)?;
        let owns = self
            .trunk_lease(report.trunk)
            .is_some_and(|lease| lease.holder == report.node && lease.epoch == report.epoch);
        if !owns {
            let message = format!("node {} does not own the trunk", report.node);
            return Err(Rejection::new(
                RejectionKind::Stale,
                "Trunk",
                "epoch",
                message,
            ));
        }
        let long = report
            .contacts
            .iter()
            .any(|contact| contact.len() > MAX_CONTACT);
        if report.contacts.len() > MAX_TRUNK_CONTACTS || long {
            return Err(TRUNK.limit("contacts", "are too many or too long"));
        }
        let at_ms = changes.at.now_ms;
        self.trunk_reports.insert(
            report.trunk,
            TrunkReport {
                at_ms,
                ..report.clone()
            },
        );
        changes.events.push(Event::TrunkReported(report.trunk));
        Ok(Outcome::Done)
    }
}
