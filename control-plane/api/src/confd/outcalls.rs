use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    ConfigCommand, Extension, ExtensionId, Link as Association, Outcall, OutcallId, OutcallNumber,
    Resource, ResourceKey, State as Replica, Table, TrunkId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection, find, known};
use super::links::dissociate;
use super::relations::{Numbered, Relations, TrunkRelation};
use crate::answer::Done;
use crate::body::{Body, BodyOrNone, Shape};
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
        .routes(routes!(set_trunks))
        .routes(routes!(link_extension, unlink_extension))
}

/// A way to the outside.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcall)]
pub(crate) struct OutcallView {
    id: u32,
    name: String,
    description: Option<String>,
    internal_caller_id: bool,
    ring_time: Option<u32>,
    enabled: bool,
    trunks: Vec<TrunkRelation>,
    extensions: Vec<NumberView>,
    links: Vec<Link>,
}

/// A number that leaves by a way out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutcallExtension)]
struct NumberView {
    id: u32,
    exten: String,
    context: String,
    prefix: Option<String>,
    external_prefix: Option<String>,
    strip_digits: u32,
    caller_id: Option<String>,
    links: Vec<Link>,
}

body! {
    /// What can be said of a way out. An update changes what is there.
    pub(super) struct OutcallBody {
        /// Unique; needed to create one.
        name: String,
        description: String,
        /// The carrier sees the caller's number inside.
        internal_caller_id: bool,
        /// Seconds.
        ring_time: u32,
        enabled: bool,
    }
}

impl Shape for OutcallBody {
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "trunks",
        "extensions",
        "links",
        "tenant_uuid",
        "call_permissions",
        "schedules",
    ];
    const ABSENT: &'static [&'static str] = &["preprocess_subroutine"];
}

impl Collection for Outcall {
    type Id = OutcallId;
    type View = OutcallView;
    type Body = OutcallBody;

    const NAME: &'static str = "Outcall";
    const PATH: &'static str = "outcalls";
    const FIELDS: &'static [&'static str] = &["id", "name", "description", "enabled"];

    fn all(state: &Replica) -> &Table<OutcallId, Self> {
        state.outcalls()
    }

    fn id(number: u32) -> OutcallId {
        OutcallId(number)
    }

    fn key(id: OutcallId) -> ResourceKey {
        ResourceKey::Outcall(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Outcall(self)
    }

    fn view(&self, relations: Relations<'_>) -> OutcallView {
        let number = |number: &OutcallNumber| {
            let extension = relations.state.extensions().get(&number.extension)?;
            Some(NumberView {
                id: extension.id.0,
                exten: extension.exten.clone(),
                context: extension.context.clone(),
                prefix: number.prefix.clone(),
                external_prefix: number.external_prefix.clone(),
                strip_digits: number.strip_digits,
                caller_id: number.caller_id.clone(),
                links: Link::of(relations.base, "extensions", "extensions", extension.id),
            })
        };
        let trunks = self.trunks.iter();
        OutcallView {
            id: self.id.0,
            name: self.name.clone(),
            description: self.description.clone(),
            internal_caller_id: self.internal_caller_id,
            ring_time: self.ring_seconds,
            enabled: self.enabled,
            trunks: trunks
                .filter_map(|id| relations.state.trunks().get(id))
                .map(|trunk| relations.trunk(trunk))
                .collect(),
            extensions: self.numbers.iter().filter_map(number).collect(),
            links: Link::of(relations.base, "outcalls", "outcalls", self.id),
        }
    }

    fn write(&mut self, body: OutcallBody) -> Result<(), Refusal> {
        body.name.required_into("name", &mut self.name)?;
        body.description.into_text(&mut self.description);
        body.internal_caller_id
            .or_default_into(&mut self.internal_caller_id, false);
        body.ring_time.into_optional(&mut self.ring_seconds);
        body.enabled.or_default_into(&mut self.enabled, true);
        Ok(())
    }
}

body! {
    /// How a number is rewritten on its way out.
    pub(super) struct NumberBody {
        /// What people dial before the number: a note.
        prefix: String,
        /// What is set before the number.
        external_prefix: String,
        /// How many digits are taken away at first.
        strip_digits: u32,
        /// The caller as the carrier sees it.
        caller_id: String,
    }
}

impl Shape for NumberBody {}

/// Trunks, to be tried in this order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct OutcallTrunks {
    trunks: Vec<Numbered>,
}

impl Shape for OutcallTrunks {}

/// List ways out
#[utoipa::path(get, path = "/outcalls", tag = "outcalls", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<OutcallView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<Outcall>(&api, &base, &query)
}

/// Create a way out
#[utoipa::path(post, path = "/outcalls", tag = "outcalls", request_body = OutcallBody, security(("token" = [])),
    responses((status = 201, body = OutcallView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<OutcallBody>,
) -> Result<Response, Refusal> {
    let mut outcall = Outcall::default();
    outcall.write(body)?;
    collection::create(&api, &base, outcall).await
}

/// Show a way out
#[utoipa::path(get, path = "/outcalls/{outcall_id}", tag = "outcalls", params(("outcall_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = OutcallView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<OutcallId>,
) -> Result<Response, Refusal> {
    collection::show::<Outcall>(&api, &base, id)
}

/// Change fields of a way out
#[utoipa::path(put, path = "/outcalls/{outcall_id}", tag = "outcalls", params(("outcall_id" = u32, Path)),
    request_body = OutcallBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<OutcallId>,
    Body(body): Body<OutcallBody>,
) -> Result<Done, Refusal> {
    collection::update::<Outcall>(&api, id, body).await
}

/// Delete a way out; its numbers stay
#[utoipa::path(delete, path = "/outcalls/{outcall_id}", tag = "outcalls", params(("outcall_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<OutcallId>) -> Result<Done, Refusal> {
    collection::delete::<Outcall>(&api, id).await
}

/// Give a way out exactly these trunks
#[utoipa::path(put, path = "/outcalls/{outcall_id}/trunks", tag = "associations", security(("token" = [])),
    params(("outcall_id" = u32, Path)), request_body = OutcallTrunks,
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn set_trunks(
    State(api): State<Arc<Api>>,
    Id(outcall): Id<OutcallId>,
    Body(body): Body<OutcallTrunks>,
) -> Result<Done, Refusal> {
    find::<Outcall>(&api.plane.state(), outcall)?;
    let trunks = body.trunks.iter().map(|trunk| TrunkId(trunk.id)).collect();
    write::configure(
        api.plane(),
        ConfigCommand::SetOutcallTrunks { outcall, trunks },
    )
    .await?;
    Ok(Done)
}

fn check_number(state: &Replica, outcall: OutcallId, of: ExtensionId) -> Result<(), Refusal> {
    known::<Outcall>(state, "outcall_id", outcall)?;
    known::<Extension>(state, "extension_id", of)
}

/// Let a number or a pattern leave by a way out
#[utoipa::path(put, path = "/outcalls/{outcall_id}/extensions/{extension_id}", tag = "associations",
    params(("outcall_id" = u32, Path), ("extension_id" = u32, Path)), security(("token" = [])),
    request_body = Option<NumberBody>,
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_extension(
    State(api): State<Arc<Api>>,
    Ids(outcall, extension): Ids<OutcallId, ExtensionId>,
    BodyOrNone(body): BodyOrNone<NumberBody>,
) -> Result<Done, Refusal> {
    check_number(&api.plane.state(), outcall, extension)?;
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let number = OutcallNumber {
        extension,
        prefix: text(body.prefix.value()),
        external_prefix: text(body.external_prefix.value()),
        strip_digits: body.strip_digits.value().unwrap_or_default(),
        caller_id: text(body.caller_id.value()),
    };
    write::configure(
        api.plane(),
        ConfigCommand::SetOutcallNumber { outcall, number },
    )
    .await?;
    Ok(Done)
}

/// Let a number leave by a way out no more
#[utoipa::path(delete, path = "/outcalls/{outcall_id}/extensions/{extension_id}", tag = "associations",
    params(("outcall_id" = u32, Path), ("extension_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_extension(
    State(api): State<Arc<Api>>,
    Ids(outcall, extension): Ids<OutcallId, ExtensionId>,
) -> Result<Done, Refusal> {
    check_number(&api.plane.state(), outcall, extension)?;
    let link = Association::OutcallExtension { outcall, extension };
    dissociate(&api, link).await
}
