use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    ContextKind, Extension, ExtensionId, Line, LineId, Resource, ResourceKey, State as Replica,
    Table,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection, known};
use super::relations::{IncallRelation, LineName, OutcallRelation, Relations};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
use crate::fields::body;
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(create_for_line))
}

/// A number in a context.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Extension)]
pub(crate) struct ExtensionView {
    id: u32,
    exten: String,
    context: String,
    enabled: bool,
    /// The opposite of `enabled`.
    commented: bool,
    lines: Vec<LineName>,
    incall: Option<IncallRelation>,
    outcall: Option<OutcallRelation>,
    links: Vec<Link>,
}

body! {
    /// What can be said of a number. An update changes what is there.
    pub(super) struct ExtensionBody {
        /// In one of the ranges of its context, or a pattern such as `_0.` where it leads out; needed to create one.
        exten: String,
        /// Name of a context; needed to create one.
        context: String,
        enabled: bool,
    }
}

impl Shape for ExtensionBody {
    // `commented` is the opposite of `enabled` and comes with it.
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "lines",
        "incall",
        "outcall",
        "links",
        "commented",
        "tenant_uuid",
        "uuid",
    ];
    const ABSENT: &'static [&'static str] = &["conference", "group", "parking_lot", "queue"];
}

impl Collection for Extension {
    type Id = ExtensionId;
    type View = ExtensionView;
    type Body = ExtensionBody;

    const NAME: &'static str = "Extension";
    const PATH: &'static str = "extensions";
    const FIELDS: &'static [&'static str] = &["id", "exten", "context", "enabled", "commented"];

    fn all(state: &Replica) -> &Table<ExtensionId, Self> {
        state.extensions()
    }

    fn id(number: u32) -> ExtensionId {
        ExtensionId(number)
    }

    fn key(id: ExtensionId) -> ResourceKey {
        ResourceKey::Extension(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Extension(self)
    }

    fn view(&self, relations: Relations<'_>) -> ExtensionView {
        ExtensionView {
            id: self.id.0,
            exten: self.exten.clone(),
            context: self.context.clone(),
            enabled: self.enabled,
            commented: !self.enabled,
            lines: self
                .line
                .and_then(|line| relations.line_named(line))
                .into_iter()
                .collect(),
            incall: self.incall.map(|id| relations.incall(id)),
            outcall: self.outcall.and_then(|id| relations.outcall(id)),
            links: Link::of(relations.base, "extensions", "extensions", self.id),
        }
    }

    fn write(&mut self, body: ExtensionBody) -> Result<(), Refusal> {
        body.exten.required_into("exten", &mut self.exten)?;
        body.context.required_into("context", &mut self.context)?;
        body.enabled.or_default_into(&mut self.enabled, true);
        Ok(())
    }
}

/// List numbers
#[utoipa::path(get, path = "/extensions", tag = "extensions", security(("token" = [])),
    params(ListParameters, ("type" = Option<String>, Query, description = "`internal`, `incall` or `outcall`")),
    responses((status = 200, body = Page<ExtensionView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    mut query: ListQuery,
) -> Result<Response, Refusal> {
    let Some(kind) = query.take("type") else {
        return collection::list::<Extension>(&api, &base, &query);
    };
    let wanted = match kind.as_str() {
        "internal" => ContextKind::Internal,
        "incall" => ContextKind::Incall,
        "outcall" => ContextKind::Outcall,
        _ => {
            return Err(Refusal::query(
                "type",
                "must be internal, incall or outcall",
            ));
        }
    };
    let state = api.plane.state();
    let of_kind = |extension: &&Arc<Extension>| {
        state
            .context_by_name(&extension.context)
            .is_some_and(|context| context.kind == wanted)
    };
    let rows = state.extensions().values().filter(of_kind);
    collection::list_of(&state, &base, &query, rows)
}

async fn make(
    api: &Api,
    base: &Base,
    body: ExtensionBody,
    line: Option<LineId>,
) -> Result<Response, Refusal> {
    let mut extension = Extension {
        line,
        ..Extension::default()
    };
    extension.write(body)?;
    collection::create(api, base, extension).await
}

/// Create a number
#[utoipa::path(post, path = "/extensions", tag = "extensions", request_body = ExtensionBody, security(("token" = [])),
    responses((status = 201, body = ExtensionView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<ExtensionBody>,
) -> Result<Response, Refusal> {
    make(&api, &base, body, None).await
}

/// Create a number for a line
#[utoipa::path(post, path = "/lines/{line_id}/extensions", tag = "extensions", params(("line_id" = u32, Path)),
    request_body = ExtensionBody, security(("token" = [])),
    responses((status = 201, body = ExtensionView), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn create_for_line(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(line): Id<LineId>,
    Body(body): Body<ExtensionBody>,
) -> Result<Response, Refusal> {
    known::<Line>(&api.plane.state(), "id", line)?;
    make(&api, &base, body, Some(line)).await
}

/// Show a number
#[utoipa::path(get, path = "/extensions/{extension_id}", tag = "extensions", params(("extension_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = ExtensionView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<ExtensionId>,
) -> Result<Response, Refusal> {
    collection::show::<Extension>(&api, &base, id)
}

/// Change fields of a number
#[utoipa::path(put, path = "/extensions/{extension_id}", tag = "extensions", params(("extension_id" = u32, Path)),
    request_body = ExtensionBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<ExtensionId>,
    Body(body): Body<ExtensionBody>,
) -> Result<Done, Refusal> {
    collection::update::<Extension>(&api, id, body).await
}

/// Delete a number, which must lead nowhere
#[utoipa::path(delete, path = "/extensions/{extension_id}", tag = "extensions", params(("extension_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<ExtensionId>) -> Result<Done, Refusal> {
    collection::delete::<Extension>(&api, id).await
}
