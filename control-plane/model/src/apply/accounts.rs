//! The first moment of a cluster, administrators, tokens, keys.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME},
};
use crate::{
    Account, AccountCommand, Administrator, AdministratorId, Event, Initialise, Outcome,
    ResourceKey, SecretCommand, Site, State, account::MAX_TOKENS, state::NONCE_KEY,
};

const ADMINISTRATOR: Checked = Checked {
    resource: "Administrator",
};
const TOKEN: Checked = Checked { resource: "Token" };
const SECRET: Checked = Checked { resource: "Secret" };
const CLUSTER: Checked = Checked {
    resource: "Cluster",
};

const MAX_ADMINISTRATORS: usize = 1_000;
const MAX_SECRETS: usize = 100;
const MAX_SECRET_BYTES: usize = 64 * 1024;

impl State {
    pub(super) fn initialise(
        &mut self,
        changes: &mut Changes,
        first: &Initialise,
    ) -> Refusable<Outcome> {
        if !self.administrators.is_empty() {
            return Err(
                CLUSTER.conflict("administrator", "the cluster has been initialised already")
            );
        }
        CLUSTER.required_text("realm", &first.realm, MAX_NAME)?;
        self.realm = first.realm.clone();
        self.secrets.insert(
            NONCE_KEY.to_owned(),
            Bytes::copy_from_slice(&first.nonce_key),
        );
        self.create_administrator(changes, &first.administrator)?;
        if self.sites.is_empty() {
            self.create_site(
                changes,
                &Site {
                    name: "default".to_owned(),
                    ..Site::default()
                },
            )?;
        }
        changes.events.push(Event::Initialised);
        Ok(Outcome::Done)
    }

    pub(super) fn create_administrator(
        &mut self,
        changes: &mut Changes,
        administrator: &Administrator,
    ) -> Refusable<AdministratorId> {
        self.check_administrator(administrator, None)?;
        if self.administrators.len() >= MAX_ADMINISTRATORS {
            return Err(ADMINISTRATOR.limit(
                "id",
                format!("there can be {MAX_ADMINISTRATORS} administrators"),
            ));
        }
        let id = AdministratorId(ADMINISTRATOR.next_id(&mut self.counters.administrator)?);
        let at = changes.at;
        let account = Administrator {
            id,
            revision: at.index,
            created_at_ms: at.now_ms,
            ..administrator.clone()
        };
        self.administrators.insert(id, account);
        changes.config(ResourceKey::Administrator(id));
        Ok(id)
    }

    pub(super) fn update_administrator(
        &mut self,
        changes: &mut Changes,
        new: &Administrator,
    ) -> Refusable<()> {
        let old = self
            .administrators
            .get(&new.id)
            .ok_or_else(|| ADMINISTRATOR.not_found("id", new.id))?;
        let old = Arc::clone(old);
        if old.revision != new.revision {
            return Err(ADMINISTRATOR.stale());
        }
        self.check_administrator(new, Some(new.id))?;
        if !new.enabled {
            self.check_another_administrator(new.id, "enabled")?;
        }
        if !new.enabled || new.password_hash != old.password_hash {
            self.revoke_tokens(Account::Administrator(new.id));
        }
        let account = Administrator {
            revision: changes.at.index,
            created_at_ms: old.created_at_ms,
            ..new.clone()
        };
        self.administrators.insert(new.id, account);
        changes.config(ResourceKey::Administrator(new.id));
        Ok(())
    }

    pub(super) fn delete_administrator(
        &mut self,
        changes: &mut Changes,
        id: AdministratorId,
    ) -> Refusable<()> {
        if !self.administrators.contains(&id) {
            return Err(ADMINISTRATOR.not_found("id", id));
        }
        self.check_another_administrator(id, "id")?;
        self.administrators.remove(&id);
        self.revoke_tokens(Account::Administrator(id));
        changes.config(ResourceKey::Administrator(id));
        Ok(())
    }

    fn check_another_administrator(&self, id: AdministratorId, field: &str) -> Refusable<()> {
        if self
            .administrators
            .values()
            .any(|other| other.enabled && other.id != id)
        {
            return Ok(());
        }
        Err(ADMINISTRATOR.in_use(
            field,
            "the last enabled administrator must stay; create or enable another first",
        ))
    }

    fn check_administrator(
        &self,
        administrator: &Administrator,
        own: Option<AdministratorId>,
    ) -> Refusable<()> {
        ADMINISTRATOR.token("username", &administrator.username, MAX_NAME, "-_.@+")?;
        if administrator.password_hash.is_empty() {
            return Err(ADMINISTRATOR.input("password", "is missing"));
        }
        ADMINISTRATOR.text("password", administrator.password_hash.expose(), 512)?;
        let taken = self.administrator_by_username(&administrator.username);
        if taken.is_some_and(|other| Some(other.id) != own) {
            return Err(ADMINISTRATOR.conflict("username", "another administrator has it"));
        }
        Ok(())
    }

    pub(super) fn change_account(
        &mut self,
        changes: &mut Changes,
        command: &AccountCommand,
    ) -> Refusable<Outcome> {
        match command {
            AccountCommand::PutToken(token) => {
                let known = match token.account {
                    Account::Administrator(id) => self
                        .administrators
                        .get(&id)
                        .is_some_and(|account| account.enabled),
                    Account::User(id) => self.users.contains(&id),
                };
                if !known {
                    return Err(
                        TOKEN.input("account", "there is no such account, or it is disabled")
                    );
                }
                if token.expires_at_ms <= changes.at.now_ms {
                    return Err(TOKEN.input("expiration", "lies in the past"));
                }
                if self.tokens.len() >= MAX_TOKENS && !self.tokens.contains(&token.hash) {
                    return Err(TOKEN.limit(
                        "token",
                        format!("{MAX_TOKENS} tokens are valid; revoke some or wait"),
                    ));
                }
                self.tokens.insert(token.hash, token.clone());
                Ok(Outcome::Done)
            }
            AccountCommand::RevokeToken { hash } => {
                self.tokens
                    .remove(hash)
                    .ok_or_else(|| TOKEN.not_found("token", "…"))?;
                Ok(Outcome::Done)
            }
        }
    }

    fn revoke_tokens(&mut self, account: Account) {
        let of_account = self
            .tokens
            .values()
            .filter(|token| token.account == account);
        let hashes: Vec<_> = of_account.map(|token| token.hash).collect();
        for hash in hashes {
            self.tokens.remove(&hash);
        }
    }

    pub(super) fn change_secret(
        &mut self,
        changes: &mut Changes,
        command: &SecretCommand,
    ) -> Refusable<Outcome> {
        let (name, value, replace) = match command {
            SecretCommand::PutIfAbsent { name, value } => (name, value, false),
            SecretCommand::Put { name, value } => (name, value, true),
        };
        SECRET.token("name", name, MAX_NAME, "-_./")?;
        if value.len() > MAX_SECRET_BYTES {
            return Err(SECRET.input("value", format!("is longer than {MAX_SECRET_BYTES} octets")));
        }
        if self.secrets.contains_key(name) && !replace {
            return Err(SECRET.conflict("name", format!("'{name}' is set already")));
        }
        if self.secrets.len() >= MAX_SECRETS && !self.secrets.contains_key(name) {
            return Err(SECRET.limit("name", format!("there can be {MAX_SECRETS} secrets")));
        }
        self.secrets.insert(name.clone(), value.clone());
        changes
            .events
            .push(Event::SecretChanged { name: name.clone() });
        Ok(Outcome::Done)
    }
}
