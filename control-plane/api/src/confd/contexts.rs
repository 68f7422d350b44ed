use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    Context, ContextId, ContextKind, NumberRange, Resource, ResourceKey, State as Replica,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::relations::{ContextRelation, Relations};
use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
use crate::fields::{Field, body};
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::write;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(include))
}

/// Numbers from `start` to `end`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RangeView {
    start: String,
    /// The same as `start` if it is missing.
    end: Option<String>,
    /// How many last digits of a number called from outside are compared; 0 for all.
    #[serde(default)]
    did_length: u32,
}

impl RangeView {
    fn of(ranges: &[NumberRange]) -> Vec<Self> {
        let views = ranges.iter().map(|range| Self {
            start: range.start.clone(),
            end: Some(range.end.clone()),
            did_length: range.did_length,
        });
        views.collect()
    }

    fn into_range(self) -> NumberRange {
        let end = self
            .end
            .filter(|end| !end.is_empty())
            .unwrap_or_else(|| self.start.clone());
        NumberRange {
            start: self.start,
            end,
            did_length: self.did_length,
        }
    }
}

/// A context: a set of numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Context)]
pub(crate) struct ContextView {
    id: u32,
    name: String,
    label: Option<String>,
    description: Option<String>,
    r#type: &'static str,
    user_ranges: Vec<RangeView>,
    group_ranges: Vec<RangeView>,
    queue_ranges: Vec<RangeView>,
    conference_room_ranges: Vec<RangeView>,
    incall_ranges: Vec<RangeView>,
    /// Searched after this one, in order.
    contexts: Vec<ContextRelation>,
    enabled: bool,
    links: Vec<Link>,
}

const FIELDS: [&str; 6] = ["id", "name", "label", "description", "type", "enabled"];

impl ContextView {
    fn of(context: &Context, relations: Relations<'_>) -> Self {
        let included = context
            .includes
            .iter()
            .filter_map(|id| relations.state.contexts().get(id));
        Self {
            id: context.id.0,
            name: context.name.clone(),
            label: context.label.clone(),
            description: context.description.clone(),
            r#type: context.kind.as_str(),
            user_ranges: RangeView::of(&context.user_ranges),
            group_ranges: RangeView::of(&context.group_ranges),
            queue_ranges: RangeView::of(&context.queue_ranges),
            conference_room_ranges: RangeView::of(&context.conference_room_ranges),
            incall_ranges: RangeView::of(&context.incall_ranges),
            contexts: included
                .map(|context| ContextRelation::of(context))
                .collect(),
            enabled: context.enabled,
            links: Link::of(relations.base, "contexts", "contexts", context.id),
        }
    }
}

body! {
    /// What can be said of a context. An update changes what is there.
    pub(super) struct ContextBody {
        /// Lines and extensions quote it; it cannot be changed. Made from the label if none is given.
        name: String,
        label: String,
        description: String,
        /// `internal`, `incall`, `outcall`, `services` or `others`.
        r#type: String,
        user_ranges: Vec<RangeView>,
        group_ranges: Vec<RangeView>,
        queue_ranges: Vec<RangeView>,
        conference_room_ranges: Vec<RangeView>,
        incall_ranges: Vec<RangeView>,
        enabled: bool,
    }
}

impl Shape for ContextBody {
    const READ_ONLY: &'static [&'static str] = &["id", "uuid", "contexts", "links", "tenant_uuid"];
    const ABSENT: &'static [&'static str] = &[];
}

impl ContextBody {
    fn write(self, context: &mut Context) -> Result<(), Refusal> {
        self.name.required_into("name", &mut context.name)?;
        self.label.into_text(&mut context.label);
        self.description.into_text(&mut context.description);
        match self.r#type {
            Field::Missing => {}
            Field::Null => context.kind = ContextKind::Internal,
            Field::Value(kind) => {
                let known = ContextKind::ALL
                    .into_iter()
                    .find(|known| known.as_str() == kind);
                context.kind = known.ok_or_else(|| {
                    let names = ContextKind::ALL.map(ContextKind::as_str).join(", ");
                    Refusal::field(
                        "type",
                        format!("there is no type '{kind}'; known are {names}"),
                    )
                })?;
            }
        }
        let ranges = [
            (self.user_ranges, &mut context.user_ranges),
            (self.group_ranges, &mut context.group_ranges),
            (self.queue_ranges, &mut context.queue_ranges),
            (
                self.conference_room_ranges,
                &mut context.conference_room_ranges,
            ),
            (self.incall_ranges, &mut context.incall_ranges),
        ];
        for (field, target) in ranges {
            match field {
                Field::Missing => {}
                Field::Null => target.clear(),
                Field::Value(ranges) => {
                    *target = ranges.into_iter().map(RangeView::into_range).collect()
                }
            }
        }
        self.enabled.or_default_into(&mut context.enabled, true);
        Ok(())
    }
}

fn find(state: &Replica, id: ContextId) -> Result<&Arc<Context>, Refusal> {
    state
        .contexts()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("Context", "id", id))
}

/// List contexts
#[utoipa::path(get, path = "/contexts", tag = "contexts", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<ContextView>)))]
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
    let page = query.page(state.contexts().values(), &FIELDS, |context| {
        ContextView::of(context, relations)
    })?;
    Ok(axum::Json(page).into_response())
}

/// Create a context
#[utoipa::path(post, path = "/contexts", tag = "contexts", request_body = ContextBody, security(("token" = [])),
    responses((status = 201, body = ContextView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<ContextBody>,
) -> Result<Response, Refusal> {
    let mut context = Context::default();
    body.write(&mut context)?;
    if context.name.is_empty() {
        // Newer clients give a label only.
        let label = context.label.as_deref().unwrap_or_default();
        context.name = label
            .to_lowercase()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join("-");
    }
    let key = write::create(api.plane(), Resource::Context(context)).await?;
    let state = api.plane.state();
    let context = find(&state, ContextId(key.number()))?;
    let view = ContextView::of(
        context,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(Created(base.of(&format!("contexts/{}", context.id)), view).into_response())
}

/// Show a context
#[utoipa::path(get, path = "/contexts/{context_id}", tag = "contexts", params(("context_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = ContextView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<ContextId>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let view = ContextView::of(
        find(&state, id)?,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(axum::Json(view).into_response())
}

/// Change fields of a context
#[utoipa::path(put, path = "/contexts/{context_id}", tag = "contexts", params(("context_id" = u32, Path)),
    request_body = ContextBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<ContextId>,
    Body(body): Body<ContextBody>,
) -> Result<Done, Refusal> {
    write::update(api.plane(), |state| {
        let mut context = (**find(state, id)?).clone();
        body.clone().write(&mut context)?;
        Ok(Resource::Context(context))
    })
    .await?;
    Ok(Done)
}

/// Delete a context that nothing uses
#[utoipa::path(delete, path = "/contexts/{context_id}", tag = "contexts", params(("context_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<ContextId>) -> Result<Done, Refusal> {
    write::delete(api.plane(), ResourceKey::Context(id)).await?;
    Ok(Done)
}

/// A context by its number.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct ContextKey {
    id: u32,
}

/// Contexts in order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct Includes {
    contexts: Vec<ContextKey>,
}

impl Shape for Includes {
    const READ_ONLY: &'static [&'static str] = &[];
    const ABSENT: &'static [&'static str] = &[];
}

/// Include exactly these contexts, in this order
#[utoipa::path(put, path = "/contexts/{context_id}/contexts", tag = "contexts", params(("context_id" = u32, Path)),
    request_body = Includes, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn include(
    State(api): State<Arc<Api>>,
    Id(id): Id<ContextId>,
    Body(body): Body<Includes>,
) -> Result<Done, Refusal> {
    write::update(api.plane(), |state| {
        let includes = body
            .contexts
            .iter()
            .map(|context| ContextId(context.id))
            .collect();
        Ok(Resource::Context(Context {
            includes,
            ..(**find(state, id)?).clone()
        }))
    })
    .await?;
    Ok(Done)
}
