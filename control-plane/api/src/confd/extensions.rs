use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    ContextKind, Extension, ExtensionId, LineId, Resource, ResourceKey, State as Replica,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::relations::{IncallRelation, LineName, OutcallRelation, Relations};
use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
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

const FIELDS: [&str; 5] = ["id", "exten", "context", "enabled", "commented"];

impl ExtensionView {
    fn of(extension: &Extension, relations: Relations<'_>) -> Self {
        Self {
            id: extension.id.0,
            exten: extension.exten.clone(),
            context: extension.context.clone(),
            enabled: extension.enabled,
            commented: !extension.enabled,
            lines: extension
                .line
                .and_then(|line| relations.line_named(line))
                .into_iter()
                .collect(),
            incall: extension.incall.map(|id| relations.incall(id)),
            outcall: extension.outcall.and_then(|id| relations.outcall(id)),
            links: Link::of(relations.base, "extensions", "extensions", extension.id),
        }
    }
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

impl ExtensionBody {
    fn write(self, extension: &mut Extension) -> Result<(), Refusal> {
        self.exten.required_into("exten", &mut extension.exten)?;
        self.context
            .required_into("context", &mut extension.context)?;
        self.enabled.or_default_into(&mut extension.enabled, true);
        Ok(())
    }
}

fn find(state: &Replica, id: ExtensionId) -> Result<&Arc<Extension>, Refusal> {
    state
        .extensions()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("Extension", "id", id))
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
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let view = |extension: &Arc<Extension>| ExtensionView::of(extension, relations);
    let page = match query.take("type") {
        None => query.page(state.extensions().values(), &FIELDS, view)?,
        Some(kind) => {
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
            let of_kind = |extension: &&Arc<Extension>| {
                state
                    .context_by_name(&extension.context)
                    .is_some_and(|context| context.kind == wanted)
            };
            let rows: Vec<_> = state.extensions().values().filter(of_kind).collect();
            query.page(rows.into_iter(), &FIELDS, view)?
        }
    };
    Ok(axum::Json(page).into_response())
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
    body.write(&mut extension)?;
    let key = write::create(api.plane(), Resource::Extension(extension)).await?;
    let state = api.plane.state();
    let extension = find(&state, ExtensionId(key.number()))?;
    let view = ExtensionView::of(
        extension,
        Relations {
            state: &state,
            base,
        },
    );
    Ok(Created(base.of(&format!("extensions/{}", extension.id)), view).into_response())
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
    if !api.plane.state().lines().contains(&line) {
        return Err(Refusal::not_found("Line", "id", line));
    }
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
    let state = api.plane.state();
    let view = ExtensionView::of(
        find(&state, id)?,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(axum::Json(view).into_response())
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
    write::update(api.plane(), |state| {
        let mut extension = (**find(state, id)?).clone();
        body.clone().write(&mut extension)?;
        Ok(Resource::Extension(extension))
    })
    .await?;
    Ok(Done)
}

/// Delete a number, which must lead nowhere
#[utoipa::path(delete, path = "/extensions/{extension_id}", tag = "extensions", params(("extension_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<ExtensionId>) -> Result<Done, Refusal> {
    write::delete(api.plane(), ResourceKey::Extension(id)).await?;
    Ok(Done)
}
