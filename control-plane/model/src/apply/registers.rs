use std::sync::Arc;

use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME},
};
use crate::{Register, RegisterId, ResourceKey, State};

pub(super) const REGISTER: Checked = Checked {
    resource: "SIPRegister",
};

/// Shorter ones would be a load on the carrier, longer ones keep a dead contact too long.
const EXPIRATION_S: (u32, u32) = (30, 7_200);

impl State {
    pub(super) fn register_or_refuse(&self, id: RegisterId) -> Refusable<&Arc<Register>> {
        self.registers
            .get(&id)
            .ok_or_else(|| REGISTER.not_found("id", id))
    }

    pub(super) fn create_register(
        &mut self,
        changes: &mut Changes,
        register: &Register,
    ) -> Refusable<RegisterId> {
        check(register)?;
        let id = RegisterId(REGISTER.next_id(&mut self.counters.register)?);
        self.write_register(
            changes,
            Register {
                id,
                ..register.clone()
            },
        );
        Ok(id)
    }

    pub(super) fn update_register(
        &mut self,
        changes: &mut Changes,
        register: &Register,
    ) -> Refusable<()> {
        if self.register_or_refuse(register.id)?.revision != register.revision {
            return Err(REGISTER.stale());
        }
        check(register)?;
        self.write_register(changes, register.clone());
        Ok(())
    }

    pub(super) fn delete_register(
        &mut self,
        changes: &mut Changes,
        id: RegisterId,
    ) -> Refusable<()> {
        self.register_or_refuse(id)?;
        if let Some(trunk) = self.trunk_of_register(id) {
            let message = format!(
                "SIPRegister is associated to a trunk ('trunk_id': '{}'); dissociate it first",
                trunk.id
            );
            return Err(REGISTER.in_use("trunk", message));
        }
        self.registers.remove(&id);
        changes.config(ResourceKey::Register(id));
        Ok(())
    }

    fn write_register(&mut self, changes: &mut Changes, register: Register) {
        changes.config(ResourceKey::Register(register.id));
        self.registers.insert(
            register.id,
            Register {
                revision: changes.at.index,
                ..register
            },
        );
    }
}

fn check(register: &Register) -> Refusable<()> {
    REGISTER.token(
        "sip_username",
        &register.sip_username,
        MAX_NAME,
        "-_.+!~*'()&=$,;?/%",
    )?;
    REGISTER.token("remote_host", &register.remote_host, 255, "-_.:[]")?;
    REGISTER.optional_text("auth_username", register.auth_username.as_deref(), MAX_NAME)?;
    REGISTER.text("auth_password", register.auth_password.expose(), MAX_NAME)?;
    REGISTER.optional_text("realm", register.realm.as_deref(), MAX_NAME)?;
    if let Some(extension) = &register.callback_extension {
        REGISTER.token("callback_extension", extension, MAX_NAME, "-_.+*")?;
    }
    if register.remote_port == Some(0) {
        return Err(REGISTER.input("remote_port", "is 0; it must be between 1 and 65535"));
    }
    let (from, to) = EXPIRATION_S;
    REGISTER.range("expiration", register.expiration_s, from, to)
}
