use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    Context, ContextId, ContextKind, NumberRange, Resource, ResourceKey, State as Replica, Table,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection, find};
use super::relations::{ContextRelation, Numbered, Relations};
use crate::answer::Done;
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
}

impl Collection for Context {
    type Id = ContextId;
    type View = ContextView;
    type Body = ContextBody;

    const NAME: &'static str = "Context";
    const PATH: &'static str = "contexts";
    const FIELDS: &'static [&'static str] =
        &["id", "name", "label", "description", "type", "enabled"];

    fn all(state: &Replica) -> &Table<ContextId, Self> {
        state.contexts()
    }

    fn id(number: u32) -> ContextId {
        ContextId(number)
    }

    fn key(id: ContextId) -> ResourceKey {
        ResourceKey::Context(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Context(self)
    }

    fn view(&self, relations: Relations<'_>) -> ContextView {
        let included = self
            .includes
            .iter()
            .filter_map(|id| relations.state.contexts().get(id));
        ContextView {
            id: self.id.0,
            name: self.name.clone(),
            label: self.label.clone(),
            description: self.description.clone(),
            r#type: self.kind.as_str(),
            user_ranges: RangeView::of(&self.user_ranges),
            group_ranges: RangeView::of(&self.group_ranges),
            queue_ranges: RangeView::of(&self.queue_ranges),
            conference_room_ranges: RangeView::of(&self.conference_room_ranges),
            incall_ranges: RangeView::of(&self.incall_ranges),
            contexts: included
                .map(|context| ContextRelation::of(context))
                .collect(),
            enabled: self.enabled,
            links: Link::of(relations.base, "contexts", "contexts", self.id),
        }
    }

    fn write(&mut self, body: ContextBody) -> Result<(), Refusal> {
        body.name.required_into("name", &mut self.name)?;
        body.label.into_text(&mut self.label);
        body.description.into_text(&mut self.description);
        match body.r#type {
            Field::Missing => {}
            Field::Null => self.kind = ContextKind::Internal,
            Field::Value(kind) => {
                let known = ContextKind::ALL
                    .into_iter()
                    .find(|known| known.as_str() == kind);
                self.kind = known.ok_or_else(|| {
                    let names = ContextKind::ALL.map(ContextKind::as_str).join(", ");
                    Refusal::field(
                        "type",
                        format!("there is no type '{kind}'; known are {names}"),
                    )
                })?;
            }
        }
        let ranges = [
            (body.user_ranges, &mut self.user_ranges),
            (body.group_ranges, &mut self.group_ranges),
            (body.queue_ranges, &mut self.queue_ranges),
            (
                body.conference_room_ranges,
                &mut self.conference_room_ranges,
            ),
            (body.incall_ranges, &mut self.incall_ranges),
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
        body.enabled.or_default_into(&mut self.enabled, true);
        Ok(())
    }
}

/// List contexts
#[utoipa::path(get, path = "/contexts", tag = "contexts", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<ContextView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<Context>(&api, &base, &query)
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
    context.write(body)?;
    if context.name.is_empty() {
        // Newer clients give a label only.
        let label = context.label.as_deref().unwrap_or_default();
        context.name = label
            .to_lowercase()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join("-");
    }
    collection::create(&api, &base, context).await
}

/// Show a context
#[utoipa::path(get, path = "/contexts/{context_id}", tag = "contexts", params(("context_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = ContextView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<ContextId>,
) -> Result<Response, Refusal> {
    collection::show::<Context>(&api, &base, id)
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
    collection::update::<Context>(&api, id, body).await
}

/// Delete a context that nothing uses
#[utoipa::path(delete, path = "/contexts/{context_id}", tag = "contexts", params(("context_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<ContextId>) -> Result<Done, Refusal> {
    collection::delete::<Context>(&api, id).await
}

/// Contexts in order.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct Includes {
    contexts: Vec<Numbered>,
}

impl Shape for Includes {}

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
            ..Context::clone(find(state, id)?)
        }))
    })
    .await?;
    Ok(Done)
}
