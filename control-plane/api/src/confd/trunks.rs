use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    EndpointId, Link as Association, RegisterId, Resource, ResourceKey, State as Replica, Trunk,
    TrunkId,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::links::{associate, dissociate};
use super::relations::{EndpointRelation, OutcallRelation, RegisterRelation, Relations};
use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::{Base, Id, Ids};
use crate::fields::body;
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::write;

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

const FIELDS: [&str; 3] = ["id", "name", "context"];

impl TrunkView {
    fn of(trunk: &Trunk, relations: Relations<'_>) -> Self {
        Self {
            id: trunk.id.0,
            name: trunk.name.clone(),
            context: trunk.context.clone(),
            outgoing_caller_id_format: trunk.outgoing_caller_id_format.clone(),
            endpoint_sip: trunk.endpoint_sip.and_then(|id| relations.endpoint(id)),
            register_sip: trunk.register_sip.and_then(|id| relations.register(id)),
            outcalls: relations.outcalls_of(trunk.id),
            links: Link::of(relations.base, "trunks", "trunks", trunk.id),
        }
    }
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

impl TrunkBody {
    fn write(self, trunk: &mut Trunk) {
        self.name.or_default_into(&mut trunk.name, String::new());
        self.context.into_text(&mut trunk.context);
        self.outgoing_caller_id_format
            .or_default_into(&mut trunk.outgoing_caller_id_format, String::new());
    }
}

pub(super) fn find(state: &Replica, id: TrunkId) -> Result<&Arc<Trunk>, Refusal> {
    let trunk = state.trunks().get(&id);
    trunk.ok_or_else(|| Refusal::not_found("Trunk", "id", id))
}

/// List trunks
#[utoipa::path(get, path = "/trunks", tag = "trunks", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<TrunkView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let page = query.page(state.trunks().values(), &FIELDS, |trunk| {
        TrunkView::of(trunk, relations)
    })?;
    Ok(axum::Json(page).into_response())
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
    body.write(&mut trunk);
    let key = write::create(api.plane(), Resource::Trunk(trunk)).await?;
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let view = TrunkView::of(find(&state, TrunkId(key.number()))?, relations);
    Ok(Created(base.of(&format!("trunks/{}", key.number())), view).into_response())
}

/// Show a trunk
#[utoipa::path(get, path = "/trunks/{trunk_id}", tag = "trunks", params(("trunk_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = TrunkView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<TrunkId>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    Ok(axum::Json(TrunkView::of(find(&state, id)?, relations)).into_response())
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
    write::update(api.plane(), |state| {
        let mut trunk = (**find(state, id)?).clone();
        body.clone().write(&mut trunk);
        Ok(Resource::Trunk(trunk))
    })
    .await?;
    Ok(Done)
}

/// Delete a trunk that no outcall uses
#[utoipa::path(delete, path = "/trunks/{trunk_id}", tag = "trunks", params(("trunk_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<TrunkId>) -> Result<Done, Refusal> {
    write::delete(api.plane(), ResourceKey::Trunk(id)).await?;
    Ok(Done)
}

fn endpoint(state: &Replica, trunk: TrunkId, endpoint: EndpointId) -> Result<Association, Refusal> {
    if !state.trunks().contains(&trunk) {
        return Err(Refusal::not_found("Trunk", "trunk_id", trunk));
    }
    if !state.endpoints().contains(&endpoint) {
        return Err(Refusal::not_found("SIPEndpoint", "endpoint_id", endpoint));
    }
    Ok(Association::TrunkEndpoint { trunk, endpoint })
}

fn register(state: &Replica, trunk: TrunkId, register: RegisterId) -> Result<Association, Refusal> {
    if !state.trunks().contains(&trunk) {
        return Err(Refusal::not_found("Trunk", "trunk_id", trunk));
    }
    if !state.registers().contains(&register) {
        return Err(Refusal::not_found("SIPRegister", "register_id", register));
    }
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
