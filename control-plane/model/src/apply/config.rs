//! Configuration commands, handed to the files of their nouns.

use super::{Changes, Refusable};
use crate::{ConfigCommand, Link, Outcome, Resource, ResourceKey, State};

impl State {
    pub(super) fn configure(
        &mut self,
        changes: &mut Changes,
        command: &ConfigCommand,
    ) -> Refusable<Outcome> {
        match command {
            ConfigCommand::Create(resource) => self.create(changes, resource).map(Outcome::Created),
            ConfigCommand::Update(resource) => {
                self.update(changes, resource).map(|()| Outcome::Done)
            }
            ConfigCommand::Delete(key) => self.delete(changes, *key).map(|()| Outcome::Done),
            ConfigCommand::Associate(link) => {
                self.associate(changes, *link).map(|()| Outcome::Done)
            }
            ConfigCommand::Dissociate(link) => {
                self.dissociate(changes, *link).map(|()| Outcome::Done)
            }
            ConfigCommand::SetUserLines { user, lines } => self
                .set_user_lines(changes, *user, lines)
                .map(|()| Outcome::Done),
            ConfigCommand::SetOutcallTrunks { outcall, trunks } => self
                .set_outcall_trunks(changes, *outcall, trunks)
                .map(|()| Outcome::Done),
            ConfigCommand::SetOutcallNumber { outcall, number } => self
                .set_outcall_number(changes, *outcall, number)
                .map(|()| Outcome::Done),
            ConfigCommand::Import { mode, rows } => self.import(changes, *mode, rows),
        }
    }

    fn create(&mut self, changes: &mut Changes, resource: &Resource) -> Refusable<ResourceKey> {
        let key = match resource {
            Resource::User(user) => ResourceKey::User(self.create_user(changes, user)?),
            Resource::Line(line) => ResourceKey::Line(self.create_line(changes, line)?),
            Resource::Endpoint(endpoint) => {
                ResourceKey::Endpoint(self.create_endpoint(changes, endpoint)?)
            }
            Resource::Extension(extension) => {
                ResourceKey::Extension(self.create_extension(changes, extension)?)
            }
            Resource::Context(context) => {
                ResourceKey::Context(self.create_context(changes, context)?)
            }
            Resource::Site(site) => ResourceKey::Site(self.create_site(changes, site)?),
            Resource::Administrator(administrator) => {
                ResourceKey::Administrator(self.create_administrator(changes, administrator)?)
            }
            Resource::Trunk(trunk) => ResourceKey::Trunk(self.create_trunk(changes, trunk)?),
            Resource::Register(register) => {
                ResourceKey::Register(self.create_register(changes, register)?)
            }
            Resource::Outcall(outcall) => {
                ResourceKey::Outcall(self.create_outcall(changes, outcall)?)
            }
            Resource::Incall(incall) => ResourceKey::Incall(self.create_incall(changes, incall)?),
        };
        Ok(key)
    }

    fn update(&mut self, changes: &mut Changes, resource: &Resource) -> Refusable<()> {
        match resource {
            Resource::User(user) => self.update_user(changes, user),
            Resource::Line(line) => self.update_line(changes, line),
            Resource::Endpoint(endpoint) => self.update_endpoint(changes, endpoint),
            Resource::Extension(extension) => self.update_extension(changes, extension),
            Resource::Context(context) => self.update_context(changes, context),
            Resource::Site(site) => self.update_site(changes, site),
            Resource::Administrator(administrator) => {
                self.update_administrator(changes, administrator)
            }
            Resource::Trunk(trunk) => self.update_trunk(changes, trunk),
            Resource::Register(register) => self.update_register(changes, register),
            Resource::Outcall(outcall) => self.update_outcall(changes, outcall),
            Resource::Incall(incall) => self.update_incall(changes, incall),
        }
    }

    fn delete(&mut self, changes: &mut Changes, key: ResourceKey) -> Refusable<()> {
        match key {
            ResourceKey::User(id) => self.delete_user(changes, id),
            ResourceKey::Line(id) => self.delete_line(changes, id),
            ResourceKey::Endpoint(id) => self.delete_endpoint(changes, id),
            ResourceKey::Extension(id) => self.delete_extension(changes, id),
            ResourceKey::Context(id) => self.delete_context(changes, id),
            ResourceKey::Site(id) => self.delete_site(changes, id),
            ResourceKey::MediaServer(id) => self.delete_media_server(changes, id),
            ResourceKey::Administrator(id) => self.delete_administrator(changes, id),
            ResourceKey::Trunk(id) => self.delete_trunk(changes, id),
            ResourceKey::Register(id) => self.delete_register(changes, id),
            ResourceKey::Outcall(id) => self.delete_outcall(changes, id),
            ResourceKey::Incall(id) => self.delete_incall(changes, id),
        }
    }

    fn associate(&mut self, changes: &mut Changes, link: Link) -> Refusable<()> {
        match link {
            Link::UserLine { user, line } => self.link_user_line(changes, user, line),
            Link::LineExtension { line, extension } => {
                self.link_line_extension(changes, line, extension)
            }
            Link::LineEndpoint { line, endpoint } => {
                self.link_line_endpoint(changes, line, endpoint)
            }
            Link::TrunkEndpoint { trunk, endpoint } => {
                self.link_trunk_endpoint(changes, trunk, endpoint)
            }
            Link::TrunkRegister { trunk, register } => {
                self.link_trunk_register(changes, trunk, register)
            }
            Link::IncallExtension { incall, extension } => {
                self.link_incall_extension(changes, incall, extension)
            }
            Link::OutcallExtension { outcall, extension } => {
                self.link_outcall_extension(changes, outcall, extension)
            }
        }
    }

    fn dissociate(&mut self, changes: &mut Changes, link: Link) -> Refusable<()> {
        match link {
            Link::UserLine { user, line } => self.unlink_user_line(changes, user, line),
            Link::LineExtension { line, extension } => {
                self.unlink_line_extension(changes, line, extension)
            }
            Link::LineEndpoint { line, endpoint } => {
                self.unlink_line_endpoint(changes, line, endpoint)
            }
            Link::TrunkEndpoint { trunk, endpoint } => {
                self.unlink_trunk_endpoint(changes, trunk, endpoint)
            }
            Link::TrunkRegister { trunk, register } => {
                self.unlink_trunk_register(changes, trunk, register)
            }
            Link::IncallExtension { incall, extension } => {
                self.unlink_incall_extension(changes, incall, extension)
            }
            Link::OutcallExtension { outcall, extension } => {
                self.unlink_outcall_extension(changes, outcall, extension)
            }
        }
    }
}
