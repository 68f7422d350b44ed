use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    Destination, Extension, ExtensionId, HangupCause, Incall, IncallId, Link as Association,
    Resource, ResourceKey, State as Replica, Table, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection, known};
use super::links::{associate, dissociate};
use super::relations::{ExtensionRelation, Relations};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id, Ids};
use crate::fields::{Field, body};
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(link_extension, unlink_extension))
}

/// Where a call is sent: `type` says what else is there.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Destination)]
pub(super) struct DestinationBody {
    /// `user`, `extension`, `hangup` or `none`.
    r#type: String,
    /// Of `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<u32>,
    /// Of `user`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ring_time: Option<u32>,
    /// Of `extension`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exten: Option<String>,
    /// Of `extension`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Of `hangup`: `busy`, `congestion` or `normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl DestinationBody {
    fn of(destination: &Destination) -> Self {
        let kind = |kind: &str| Self {
            r#type: kind.to_owned(),
            ..Self::default()
        };
        match destination {
            Destination::None => kind("none"),
            Destination::User { user, ring_seconds } => Self {
                user_id: Some(user.0),
                ring_time: *ring_seconds,
                ..kind("user")
            },
            Destination::Extension { exten, context } => Self {
                exten: Some(exten.clone()),
                context: Some(context.clone()),
                ..kind("extension")
            },
            Destination::Hangup { cause } => {
                let cause = match cause {
                    HangupCause::Normal => "normal",
                    HangupCause::Busy => "busy",
                    HangupCause::Congestion => "congestion",
                };
                Self {
                    cause: Some(cause.to_owned()),
                    ..kind("hangup")
                }
            }
        }
    }

    fn read(self) -> Result<Destination, Refusal> {
        let needed = |field: &str| {
            Refusal::field(
                &format!("destination.{field}"),
                format!("is missing; a destination of type {} needs it", self.r#type),
            )
        };
        match self.r#type.as_str() {
            "none" => Ok(Destination::None),
            "user" => Ok(Destination::User {
                user: UserId(self.user_id.ok_or_else(|| needed("user_id"))?),
                ring_seconds: self.ring_time,
            }),
            "extension" => Ok(Destination::Extension {
                exten: self.exten.clone().ok_or_else(|| needed("exten"))?,
                context: self.context.clone().ok_or_else(|| needed("context"))?,
            }),
            "hangup" => Ok(Destination::Hangup {
                cause: match self.cause.as_deref() {
                    None | Some("normal") => HangupCause::Normal,
                    Some("busy") => HangupCause::Busy,
                    Some("congestion") => HangupCause::Congestion,
                    Some(_) => {
                        let message = "must be busy, congestion or normal";
                        return Err(Refusal::field("destination.cause", message));
                    }
                },
            }),
            other => {
                let message = format!(
                    "'{other}' is not supported yet; known are user, extension, hangup and none"
                );
                Err(Refusal::field("destination.type", message))
            }
        }
    }
}

/// Where numbers called from outside lead.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incall)]
pub(crate) struct IncallView {
    id: u32,
    description: Option<String>,
    destination: DestinationBody,
    extensions: Vec<ExtensionRelation>,
    links: Vec<Link>,
}

body! {
    /// What can be said of a way in. An update changes what is there.
    pub(super) struct IncallBody {
        description: String,
        /// Where it leads; needed to create one.
        destination: DestinationBody,
    }
}

impl Shape for IncallBody {
    const READ_ONLY: &'static [&'static str] =
        &["id", "extensions", "links", "tenant_uuid", "schedules"];
    const ABSENT: &'static [&'static str] = &[
        "caller_id_mode",
        "caller_id_name",
        "greeting_sound",
        "preprocess_subroutine",
    ];
}

impl Collection for Incall {
    type Id = IncallId;
    type View = IncallView;
    type Body = IncallBody;

    const NAME: &'static str = "Incall";
    const PATH: &'static str = "incalls";
    const FIELDS: &'static [&'static str] = &["id", "description"];

    fn all(state: &Replica) -> &Table<IncallId, Self> {
        state.incalls()
    }

    fn id(number: u32) -> IncallId {
        IncallId(number)
    }

    fn key(id: IncallId) -> ResourceKey {
        ResourceKey::Incall(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Incall(self)
    }

    fn view(&self, relations: Relations<'_>) -> IncallView {
        IncallView {
            id: self.id.0,
            description: self.description.clone(),
            destination: DestinationBody::of(&self.destination),
            extensions: relations.extensions(&self.extensions),
            links: Link::of(relations.base, "incalls", "incalls", self.id),
        }
    }

    fn write(&mut self, body: IncallBody) -> Result<(), Refusal> {
        body.description.into_text(&mut self.description);
        match body.destination {
            Field::Missing => {}
            Field::Null => {
                let message = "cannot be null; give one of type none";
                return Err(Refusal::field("destination", message));
            }
            Field::Value(destination) => self.destination = destination.read()?,
        }
        Ok(())
    }
}

/// List ways in
#[utoipa::path(get, path = "/incalls", tag = "incalls", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<IncallView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<Incall>(&api, &base, &query)
}

/// Create a way in
#[utoipa::path(post, path = "/incalls", tag = "incalls", request_body = IncallBody, security(("token" = [])),
    responses((status = 201, body = IncallView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<IncallBody>,
) -> Result<Response, Refusal> {
    let mut incall = Incall::default();
    if body.destination.is_missing() {
        return Err(Refusal::field(
            "destination",
            "is missing; say where the numbers lead",
        ));
    }
    incall.write(body)?;
    collection::create(&api, &base, incall).await
}

/// Show a way in
#[utoipa::path(get, path = "/incalls/{incall_id}", tag = "incalls", params(("incall_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = IncallView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<IncallId>,
) -> Result<Response, Refusal> {
    collection::show::<Incall>(&api, &base, id)
}

/// Change fields of a way in
#[utoipa::path(put, path = "/incalls/{incall_id}", tag = "incalls", params(("incall_id" = u32, Path)),
    request_body = IncallBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<IncallId>,
    Body(body): Body<IncallBody>,
) -> Result<Done, Refusal> {
    collection::update::<Incall>(&api, id, body).await
}

/// Delete a way in; its numbers stay
#[utoipa::path(delete, path = "/incalls/{incall_id}", tag = "incalls", params(("incall_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<IncallId>) -> Result<Done, Refusal> {
    collection::delete::<Incall>(&api, id).await
}

fn number(
    state: &Replica,
    incall: IncallId,
    extension: ExtensionId,
) -> Result<Association, Refusal> {
    known::<Incall>(state, "incall_id", incall)?;
    known::<Extension>(state, "extension_id", extension)?;
    Ok(Association::IncallExtension { incall, extension })
}

/// Let a number called from outside lead there
#[utoipa::path(put, path = "/incalls/{incall_id}/extensions/{extension_id}", tag = "associations",
    params(("incall_id" = u32, Path), ("extension_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_extension(
    State(api): State<Arc<Api>>,
    Ids(incall, extension): Ids<IncallId, ExtensionId>,
) -> Result<Done, Refusal> {
    let link = number(&api.plane.state(), incall, extension)?;
    associate(&api, link).await
}

/// Let a number lead there no more
#[utoipa::path(delete, path = "/incalls/{incall_id}/extensions/{extension_id}", tag = "associations",
    params(("incall_id" = u32, Path), ("extension_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_extension(
    State(api): State<Arc<Api>>,
    Ids(incall, extension): Ids<IncallId, ExtensionId>,
) -> Result<Done, Refusal> {
    let link = number(&api.plane.state(), incall, extension)?;
    dissociate(&api, link).await
}
