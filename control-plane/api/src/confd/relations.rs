//! What a resource shows of those it is linked to.

use carillon_model::{
    Context, EndpointId, Extension, ExtensionId, Line, LineId, SipEndpoint, State, User, UserId,
};
use serde::Serialize;
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
