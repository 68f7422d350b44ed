use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    EndpointId, Link as Association, Register, RegisterId, Resource, ResourceKey, SipEndpoint,
    State as Replica, Table, Trunk, TrunkId,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection, known};
use super::links::{associate, dissociate};
use super::relations::{EndpointRelation, OutcallRelation, RegisterRelation, Relations};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id, Ids};
use crate::fields::body;
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(link_endpoint, unlink_endpoint))
        .routes(routes!(link_register, unlink_register))
}

/// A connection to a carrier.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trunk)]
pub(crate) struct TrunkView {
    id: u32,
    name: String,
    context: Option<String>,
    outgoing_caller_id_format: String,
    endpoint_sip: Option<EndpointRelation>,
    register_sip: Option<RegisterRelation>,
    outcalls: Vec<OutcallRelation>,
    links: Vec<Link>,
}

body! {
    /// What can be said of a trunk. An update changes what is there.
    pub(super) struct TrunkBody {
        /// Unique; made of the number if none is given.
        name: String,
        /// Name of the context in which calls from the carrier land.
        context: String,
        /// `+E164`, `E164` or `national`.
        outgoing_caller_id_format: String,
    }
}

impl Shape for TrunkBody {
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "uuid",
        "endpoint_sip",
        "register_sip",
        "outcalls",
        "links",
        "tenant_uuid",
    ];
    const ABSENT: &'static [&'static str] = &[
        "endpoint_custom",
        "endpoint_iax",
        "register_iax",
        "twilio_incoming",
    ];
}

impl Collection for Trunk {
    type Id = TrunkId;
    type View = TrunkView;
    type Body = TrunkBody;

    const NAME: &'static str = "Trunk";
    const PATH: &'static str = "trunks";
    const FIELDS: &'static [&'static str] = &["id", "name", "context"];

    fn all(state: &Replica) -> &Table<TrunkId, Self> {
        state.trunks()
    }

    fn id(number: u32) -> TrunkId {
        TrunkId(number)
    }

    fn key(id: TrunkId) -> ResourceKey {
        ResourceKey::Trunk(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Trunk(self)
    }

    fn view(&self, relations: Relations<'_>) -> TrunkView {
        TrunkView {
            id: self.id.0,
            name: self.name.clone(),
            context: self.context.clone(),
            outgoing_caller_id_format: self.outgoing_caller_id_format.clone(),
            endpoint_sip: self.endpoint_sip.and_then(|id| relations.endpoint(id)),
            register_sip: self.register_sip.and_then(|id| relations.register(id)),
            outcalls: relations.outcalls_of(self.id),
            links: Link::of(relations.base, "trunks", "trunks", self.id),
        }
    }

    fn write(&mut self, body: TrunkBody) -> Result<(), Refusal> {
        body.name.or_default_into(&mut self.name, String::new());
        body.context.into_text(&mut self.context);
        body.outgoing_caller_id_format
            .or_default_into(&mut self.outgoing_caller_id_format, String::new());
        Ok(())
    }
}

/// List trunks
#[utoipa::path(get, path = "/trunks", tag = "trunks", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<TrunkView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<Trunk>(&api, &base, &query)
}

/// Create a trunk
#[utoipa::path(post, path = "/trunks", tag = "trunks", request_body = TrunkBody, security(("token" = [])),
    responses((status = 201, body = TrunkView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<TrunkBody>,
) -> Result<Response, Refusal> {
    let mut trunk = Trunk::default();
    trunk.write(body)?;
    collection::create(&api, &base, trunk).await
}

/// Show a trunk
#[utoipa::path(get, path = "/trunks/{trunk_id}", tag = "trunks", params(("trunk_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = TrunkView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<TrunkId>,
) -> Result<Response, Refusal> {
    collection::show::<Trunk>(&api, &base, id)
}

/// Change fields of a trunk; it works at once
#[utoipa::path(put, path = "/trunks/{trunk_id}", tag = "trunks", params(("trunk_id" = u32, Path)),
    request_body = TrunkBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<TrunkId>,
    Body(body): Body<TrunkBody>,
) -> Result<Done, Refusal> {
    collection::update::<Trunk>(&api, id, body).await
}

/// Delete a trunk that no outcall uses
#[utoipa::path(delete, path = "/trunks/{trunk_id}", tag = "trunks", params(("trunk_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<TrunkId>) -> Result<Done, Refusal> {
    collection::delete::<Trunk>(&api, id).await
}

fn endpoint(state: &Replica, trunk: TrunkId, endpoint: EndpointId) -> Result<Association, Refusal> {
    known::<Trunk>(state, "trunk_id", trunk)?;
    known::<SipEndpoint>(state, "endpoint_id", endpoint)?;
    Ok(Association::TrunkEndpoint { trunk, endpoint })
}

fn register(state: &Replica, trunk: TrunkId, register: RegisterId) -> Result<Association, Refusal> {
    known::<Trunk>(state, "trunk_id", trunk)?;
    known::<Register>(state, "register_id", register)?;
    Ok(Association::TrunkRegister { trunk, register })
}

/// Give a trunk its address, credentials and options
#[utoipa::path(put, path = "/trunks/{trunk_id}/endpoints/sip/{endpoint_id}", tag = "associations",
    params(("trunk_id" = u32, Path), ("endpoint_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_endpoint(
    State(api): State<Arc<Api>>,
    Ids(trunk, of): Ids<TrunkId, EndpointId>,
) -> Result<Done, Refusal> {
    let link = endpoint(&api.plane.state(), trunk, of)?;
    associate(&api, link).await
}

/// Take a trunk's address, credentials and options
#[utoipa::path(delete, path = "/trunks/{trunk_id}/endpoints/sip/{endpoint_id}", tag = "associations",
    params(("trunk_id" = u32, Path), ("endpoint_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_endpoint(
    State(api): State<Arc<Api>>,
    Ids(trunk, of): Ids<TrunkId, EndpointId>,
) -> Result<Done, Refusal> {
    let link = endpoint(&api.plane.state(), trunk, of)?;
    dissociate(&api, link).await
}

/// Let a trunk register at its carrier
#[utoipa::path(put, path = "/trunks/{trunk_id}/registers/sip/{register_id}", tag = "associations",
    params(("trunk_id" = u32, Path), ("register_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_register(
    State(api): State<Arc<Api>>,
    Ids(trunk, by): Ids<TrunkId, RegisterId>,
) -> Result<Done, Refusal> {
    let link = register(&api.plane.state(), trunk, by)?;
    associate(&api, link).await
}

/// Let a trunk register no more
#[utoipa::path(delete, path = "/trunks/{trunk_id}/registers/sip/{register_id}", tag = "associations",
    params(("trunk_id" = u32, Path), ("register_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_register(
    State(api): State<Arc<Api>>,
    Ids(trunk, by): Ids<TrunkId, RegisterId>,
) -> Result<Done, Refusal> {
    let link = register(&api.plane.state(), trunk, by)?;
    dissociate(&api, link).await
}
