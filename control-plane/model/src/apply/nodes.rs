//! Control nodes and media servers announce themselves.

use std::net::IpAddr;
use std::sync::Arc;

use super::{
    Changes, Refusable,
    field::{Checked, MAX_NAME},
    sites::SITE,
};
use crate::{
    ControlNode, Event, MediaCommand, MediaServer, MediaServerId, NodeCommand, NodeId, Outcome,
    ResourceKey, SiteId, State,
};

const NODE: Checked = Checked { resource: "Node" };
const MEDIA_SERVER: Checked = Checked {
    resource: "MediaServer",
};

const MAX_NODES: usize = 100;
const MAX_MEDIA_SERVERS: usize = 1_000;
const MAX_LISTENERS: usize = 32;
const MAX_WEIGHT: u32 = 1_000;

impl State {
    pub(super) fn change_node(
        &mut self,
        changes: &mut Changes,
        command: &NodeCommand,
    ) -> Refusable<Outcome> {
        match command {
            NodeCommand::Start(node) => {
                self.check_node(node)?;
                let epoch = self
                    .nodes
                    .get(&node.id)
                    .map_or_else(Default::default, |old| old.epoch)
                    .next();
                self.nodes.insert(
                    node.id,
                    ControlNode {
                        epoch,
                        ..node.clone()
                    },
                );
                changes.events.push(Event::NodeChanged(node.id));
                Ok(Outcome::Started(epoch))
            }
            NodeCommand::SetState { id, state } => {
                let old = Arc::clone(self.nodes.get(id).ok_or_else(|| NODE.not_found("id", id))?);
                self.nodes.insert(
                    *id,
                    ControlNode {
                        state: *state,
                        ..(*old).clone()
                    },
                );
                changes.events.push(Event::NodeChanged(*id));
                Ok(Outcome::Done)
            }
            NodeCommand::Remove { id } => {
                self.nodes
                    .remove(id)
                    .ok_or_else(|| NODE.not_found("id", id))?;
                changes.events.push(Event::NodeChanged(*id));
                Ok(Outcome::Done)
            }
        }
    }

    fn check_node(&self, node: &ControlNode) -> Refusable<()> {
        NODE.required_text("name", &node.name, MAX_NAME)?;
        NODE.text("version", &node.version, MAX_NAME)?;
        if node.sip.len() > MAX_LISTENERS {
            return Err(NODE.input("sip", format!("are more than {MAX_LISTENERS} listeners")));
        }
        if let Some(floating) = node.floating {
            self.check_floating(node.id, floating.address)?;
        }
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains(&node.id) {
            return Err(NODE.limit(
                "id",
                format!("a cluster has at most {MAX_NODES} nodes; remove old ones"),
            ));
        }
        Ok(())
    }

    /// Two nodes that took each other's address for their own would hold it both.
    fn check_floating(&self, id: NodeId, address: IpAddr) -> Refusable<()> {
        let taken = self.nodes.values().find(|other| {
            let floats = other.floating.is_some_and(|known| known.address == address);
            other.address == address || other.id != id && floats
        });
        match taken {
            Some(other) => Err(NODE.conflict(
                "floating",
                format!(
                    "node {} has the address {address}; choose another, or remove that node if it has gone for good",
                    other.id
                ),
            )),
            None => Ok(()),
        }
    }

    pub(super) fn change_media_server(
        &mut self,
        changes: &mut Changes,
        command: &MediaCommand,
    ) -> Refusable<Outcome> {
        match command {
            MediaCommand::Put(server) => {
                let id = self.put_media_server(changes, server)?;
                Ok(Outcome::Created(ResourceKey::MediaServer(id)))
            }
            MediaCommand::SetState { id, state } => {
                let old = self
                    .media_servers
                    .get(id)
                    .ok_or_else(|| MEDIA_SERVER.not_found("id", id))?;
                let server = MediaServer {
                    state: *state,
                    ..(**old).clone()
                };
                self.media_servers.insert(*id, server);
                changes.events.push(Event::MediaServerChanged(*id));
                Ok(Outcome::Done)
            }
            MediaCommand::Remove { id } => self
                .delete_media_server(changes, *id)
                .map(|()| Outcome::Done),
        }
    }

    fn put_media_server(
        &mut self,
        changes: &mut Changes,
        server: &MediaServer,
    ) -> Refusable<MediaServerId> {
        MEDIA_SERVER.required_text("name", &server.name, MAX_NAME)?;
        MEDIA_SERVER.range("weight", server.weight, 0, MAX_WEIGHT)?;
        if server.ports.0 > server.ports.1 {
            return Err(MEDIA_SERVER.input("ports", "the first port comes after the last one"));
        }
        // A server that names no site belongs to the first one: a small installation has no other.
        let site = match server.site {
            SiteId(0) => self.sites.first().map_or(SiteId(0), |(id, _)| *id),
            named if self.sites.contains(&named) => named,
            unknown => {
                return Err(MEDIA_SERVER.input("site", SITE.not_found("id", unknown).message));
            }
        };
        let id = self.media_server_id(server)?;
        let server = MediaServer {
            id,
            site,
            ..server.clone()
        };
        if self
            .media_servers
            .get(&id)
            .is_some_and(|old| **old == server)
        {
            return Ok(id);
        }
        self.media_servers.insert(id, server);
        changes.events.push(Event::MediaServerChanged(id));
        Ok(id)
    }

    /// A server that was enrolled brings its id; one that was not keeps the id of its name.
    fn media_server_id(&mut self, server: &MediaServer) -> Refusable<MediaServerId> {
        let named = self
            .media_server_by_name(&server.name)
            .map(|named| named.id);
        let known = match (server.id, named) {
            (MediaServerId(0), named) => named,
            (id, Some(named)) if id != named => {
                return Err(MEDIA_SERVER.conflict(
                    "name",
                    format!("media server {named} has it; choose another name"),
                ));
            }
            (id, _) => Some(id),
        };
        let is_new = known.is_none_or(|id| !self.media_servers.contains(&id));
        if is_new && self.media_servers.len() >= MAX_MEDIA_SERVERS {
            let message = format!("a cluster has at most {MAX_MEDIA_SERVERS} media servers");
            return Err(MEDIA_SERVER.limit("id", message));
        }
        match known {
            Some(id) => {
                self.counters.media_server = self.counters.media_server.max(id.0);
                Ok(id)
            }
            None => Ok(MediaServerId(
                MEDIA_SERVER.next_id(&mut self.counters.media_server)?,
            )),
        }
    }

    pub(super) fn delete_media_server(
        &mut self,
        changes: &mut Changes,
        id: MediaServerId,
    ) -> Refusable<()> {
        self.media_servers
            .remove(&id)
            .ok_or_else(|| MEDIA_SERVER.not_found("id", id))?;
        changes.events.push(Event::MediaServerChanged(id));
        Ok(())
    }
}
