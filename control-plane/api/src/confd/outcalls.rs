use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    ConfigCommand, ExtensionId, Link as Association, Outcall, OutcallId, OutcallNumber, Resource,
    ResourceKey, State as Replica, TrunkId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::links::dissociate;
use super::relations::{Relations, TrunkRelation};
use crate::answer::{Created, Done};
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

const FIELDS: [&str; 4] = ["id", "name", "description", "enabled"];

impl OutcallView {
    fn of(outcall: &Outcall, relations: Relations<'_>) -> Self {
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
        let trunks = outcall.trunks.iter();
        Self {
            id: outcall.id.0,
            name: outcall.name.clone(),
            description: outcall.description.clone(),
            internal_caller_id: outcall.internal_caller_id,
            ring_time: outcall.ring_seconds,
            enabled: outcall.enabled,
            trunks: trunks
                .filter_map(|id| relations.state.trunks().get(id))
                .map(|trunk| relations.trunk(trunk))
                .collect(),
            extensions: outcall.numbers.iter().filter_map(number).collect(),
            links: Link::of(relations.base, "outcalls", "outcalls", outcall.id),
        }
    }
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

impl OutcallBody {
    fn write(self, outcall: &mut Outcall) -> Result<(), Refusal> {
        self.name.required_into("name", &mut outcall.name)?;
        self.description.into_text(&mut outcall.description);
        self.internal_caller_id
            .or_default_into(&mut outcall.internal_caller_id, false);
        self.ring_time.into_optional(&mut outcall.ring_seconds);
        self.enabled.or_default_into(&mut outcall.enabled, true);
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

impl Shape for NumberBody {
    const READ_ONLY: &'static [&'static str] = &[];
    const ABSENT: &'static [&'static str] = &[];
}

/// A trunk by its number.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct TrunkKey {
    id: u32,
}

/// Trunks, to be tried in this order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct OutcallTrunks {
    trunks: Vec<TrunkKey>,
}

impl Shape for OutcallTrunks {
    const READ_ONLY: &'static [&'static str] = &[];
    const ABSENT: &'static [&'static str] = &[];
}

fn find(state: &Replica, id: OutcallId) -> Result<&Arc<Outcall>, Refusal> {
    let outcall = state.outcalls().get(&id);
    outcall.ok_or_else(|| Refusal::not_found("Outcall", "id", id))
}

/// List ways out
#[utoipa::path(get, path = "/outcalls", tag = "outcalls", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<OutcallView>)))]
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
    let page = query.page(state.outcalls().values(), &FIELDS, |outcall| {
        OutcallView::of(outcall, relations)
    })?;
    Ok(axum::Json(page).into_response())
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
    body.write(&mut outcall)?;
    let key = write::create(api.plane(), Resource::Outcall(outcall)).await?;
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let view = OutcallView::of(find(&state, OutcallId(key.number()))?, relations);
    Ok(Created(base.of(&format!("outcalls/{}", key.number())), view).into_response())
}

/// Show a way out
#[utoipa::path(get, path = "/outcalls/{outcall_id}", tag = "outcalls", params(("outcall_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = OutcallView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<OutcallId>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    Ok(axum::Json(OutcallView::of(find(&state, id)?, relations)).into_response())
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
    write::update(api.plane(), |state| {
        let mut outcall = (**find(state, id)?).clone();
        body.clone().write(&mut outcall)?;
        Ok(Resource::Outcall(outcall))
    })
    .await?;
    Ok(Done)
}

/// Delete a way out; its numbers stay
#[utoipa::path(delete, path = "/outcalls/{outcall_id}", tag = "outcalls", params(("outcall_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<OutcallId>) -> Result<Done, Refusal> {
    write::delete(api.plane(), ResourceKey::Outcall(id)).await?;
    Ok(Done)
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
    find(&api.plane.state(), outcall)?;
    let trunks = body.trunks.iter().map(|trunk| TrunkId(trunk.id)).collect();
    write::configure(
        api.plane(),
        ConfigCommand::SetOutcallTrunks { outcall, trunks },
    )
    .await?;
    Ok(Done)
}

fn check_number(state: &Replica, outcall: OutcallId, of: ExtensionId) -> Result<(), Refusal> {
    if !state.outcalls().contains(&outcall) {
        return Err(Refusal::not_found("Outcall", "outcall_id", outcall));
    }
    if !state.extensions().contains(&of) {
        return Err(Refusal::not_found("Extension", "extension_id", of));
    }
    Ok(())
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
