//! What a resource shows of those it is linked to.

use carillon_model::{
    Context, EndpointId, Extension, ExtensionId, IncallId, Line, LineId, OutcallId, RegisterId,
    SipEndpoint, State, Trunk, TrunkId, User, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::extract::Base;
use crate::link::Link;

/// A user, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserRelation {
    id: u32,
    uuid: String,
    firstname: String,
    lastname: Option<String>,
    links: Vec<Link>,
}

/// A line, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineRelation {
    id: u32,
    name: Option<String>,
    endpoint_sip: Option<EndpointRelation>,
    extensions: Vec<ExtensionRelation>,
    links: Vec<Link>,
}

/// A line, by its name alone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineName {
    id: u32,
    name: Option<String>,
    links: Vec<Link>,
}

/// SIP credentials, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointRelation {
    id: u32,
    name: String,
    label: Option<String>,
    username: String,
    links: Vec<Link>,
}

/// A number, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExtensionRelation {
    id: u32,
    exten: String,
    context: String,
    links: Vec<Link>,
}

/// A trunk, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrunkRelation {
    id: u32,
    name: String,
    links: Vec<Link>,
}

/// A registration at a carrier, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegisterRelation {
    id: u32,
    sip_username: String,
    remote_host: String,
    links: Vec<Link>,
}

/// A way out, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutcallRelation {
    id: u32,
    name: String,
    links: Vec<Link>,
}

/// A way in, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncallRelation {
    id: u32,
    links: Vec<Link>,
}

/// A context, briefly.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContextRelation {
    id: u32,
    name: String,
    label: Option<String>,
}

impl ContextRelation {
    pub(super) fn of(context: &Context) -> Self {
        Self {
            id: context.id.0,
            name: context.name.clone(),
            label: context.label.clone(),
        }
    }
}

/// A resource, by its number alone: in bodies that say what is linked.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(super) struct Numbered {
    pub(super) id: u32,
}

/// Finds what resources are linked to.
#[derive(Clone, Copy)]
pub(super) struct Relations<'a> {
    pub(super) state: &'a State,
    pub(super) base: &'a Base,
}

impl Relations<'_> {
    pub(super) fn users(&self, ids: &[UserId]) -> Vec<UserRelation> {
        ids.iter()
            .filter_map(|id| self.state.users().get(id))
            .map(|user| self.user(user))
            .collect()
    }

    fn user(&self, user: &User) -> UserRelation {
        UserRelation {
            id: user.id.0,
            uuid: user.uuid.clone(),
            firstname: user.firstname.clone(),
            lastname: user.lastname.clone(),
            links: Link::of(self.base, "users", "users", user.id),
        }
    }

    pub(super) fn lines(&self, ids: &[LineId]) -> Vec<LineRelation> {
        ids.iter()
            .filter_map(|id| self.state.lines().get(id))
            .map(|line| self.line(line))
            .collect()
    }

    fn line(&self, line: &Line) -> LineRelation {
        LineRelation {
            id: line.id.0,
            name: self.line_name(line),
            endpoint_sip: line.endpoint_sip.and_then(|id| self.endpoint(id)),
            extensions: self.extensions(&line.extensions),
            links: Link::of(self.base, "lines", "lines", line.id),
        }
    }

    pub(super) fn line_named(&self, id: LineId) -> Option<LineName> {
        let line = self.state.lines().get(&id)?;
        let links = Link::of(self.base, "lines", "lines", id);
        Some(LineName {
            id: id.0,
            name: self.line_name(line),
            links,
        })
    }

    /// A line has the name of its credentials.
    pub(super) fn line_name(&self, line: &Line) -> Option<String> {
        let endpoint = self.state.endpoints().get(&line.endpoint_sip?)?;
        Some(endpoint.name.clone())
    }

    pub(super) fn endpoint(&self, id: EndpointId) -> Option<EndpointRelation> {
        let endpoint: &SipEndpoint = self.state.endpoints().get(&id)?;
        Some(EndpointRelation {
            id: id.0,
            name: endpoint.name.clone(),
            label: endpoint.label.clone(),
            username: endpoint.username.clone(),
            links: Link::of(self.base, "endpoint_sip", "endpoints/sip", id),
        })
    }

    pub(super) fn trunk(&self, trunk: &Trunk) -> TrunkRelation {
        TrunkRelation {
            id: trunk.id.0,
            name: trunk.name.clone(),
            links: Link::of(self.base, "trunks", "trunks", trunk.id),
        }
    }

    pub(super) fn register(&self, id: RegisterId) -> Option<RegisterRelation> {
        let register = self.state.registers().get(&id)?;
        Some(RegisterRelation {
            id: id.0,
            sip_username: register.sip_username.clone(),
            remote_host: register.remote_host.clone(),
            links: Link::of(self.base, "register_sip", "registers/sip", id),
        })
    }

    pub(super) fn outcalls_of(&self, trunk: TrunkId) -> Vec<OutcallRelation> {
        let outcalls = self.state.outcalls().values();
        outcalls
            .filter(|outcall| outcall.trunks.contains(&trunk))
            .filter_map(|outcall| self.outcall(outcall.id))
            .collect()
    }

    pub(super) fn outcall(&self, id: OutcallId) -> Option<OutcallRelation> {
        let outcall = self.state.outcalls().get(&id)?;
        Some(OutcallRelation {
            id: id.0,
            name: outcall.name.clone(),
            links: Link::of(self.base, "outcalls", "outcalls", id),
        })
    }

    pub(super) fn incall(&self, id: IncallId) -> IncallRelation {
        IncallRelation {
            id: id.0,
            links: Link::of(self.base, "incalls", "incalls", id),
        }
    }

    pub(super) fn extensions(&self, ids: &[ExtensionId]) -> Vec<ExtensionRelation> {
        let extensions = ids.iter().filter_map(|id| self.state.extensions().get(id));
        extensions
            .map(|extension| self.extension(extension))
            .collect()
    }

    fn extension(&self, extension: &Extension) -> ExtensionRelation {
        ExtensionRelation {
            id: extension.id.0,
            exten: extension.exten.clone(),
            context: extension.context.clone(),
            links: Link::of(self.base, "extensions", "extensions", extension.id),
        }
    }
}
