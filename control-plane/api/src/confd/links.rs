//! Associations: each is a path of its own; putting one that exists is no error.

use std::sync::Arc;

use axum::extract::State;
use carillon_model::{
    ConfigCommand, EndpointId, Extension, ExtensionId, Line, LineId, Link, SipEndpoint,
    State as Replica,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::known;
use super::relations::Numbered;
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Id, Ids, UserKey};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::write;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(link_user_line, unlink_user_line))
        .routes(routes!(set_user_lines))
        .routes(routes!(link_extension, unlink_extension))
        .routes(routes!(link_endpoint, unlink_endpoint))
}

fn user_line(state: &Replica, user: &UserKey, line: LineId) -> Result<Link, Refusal> {
    let user = user.find(state)?.id;
    known::<Line>(state, "line_id", line)?;
    Ok(Link::UserLine { user, line })
}

fn line_extension(state: &Replica, line: LineId, extension: ExtensionId) -> Result<Link, Refusal> {
    known::<Line>(state, "line_id", line)?;
    known::<Extension>(state, "extension_id", extension)?;
    Ok(Link::LineExtension { line, extension })
}

fn line_endpoint(state: &Replica, line: LineId, endpoint: EndpointId) -> Result<Link, Refusal> {
    known::<Line>(state, "line_id", line)?;
    known::<SipEndpoint>(state, "endpoint_id", endpoint)?;
    Ok(Link::LineEndpoint { line, endpoint })
}

pub(super) async fn associate(api: &Api, link: Link) -> Result<Done, Refusal> {
    write::configure(api.plane(), ConfigCommand::Associate(link)).await?;
    Ok(Done)
}

pub(super) async fn dissociate(api: &Api, link: Link) -> Result<Done, Refusal> {
    write::configure(api.plane(), ConfigCommand::Dissociate(link)).await?;
    Ok(Done)
}

/// Give a user a line
#[utoipa::path(put, path = "/users/{user_id}/lines/{line_id}", tag = "associations", security(("token" = [])),
    params(("user_id" = String, Path), ("line_id" = u32, Path)),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_user_line(
    State(api): State<Arc<Api>>,
    Ids(user, line): Ids<UserKey, LineId>,
) -> Result<Done, Refusal> {
    let link = user_line(&api.plane.state(), &user, line)?;
    associate(&api, link).await
}

/// Take a line from a user
#[utoipa::path(delete, path = "/users/{user_id}/lines/{line_id}", tag = "associations", security(("token" = [])),
    params(("user_id" = String, Path), ("line_id" = u32, Path)),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_user_line(
    State(api): State<Arc<Api>>,
    Ids(user, line): Ids<UserKey, LineId>,
) -> Result<Done, Refusal> {
    let link = user_line(&api.plane.state(), &user, line)?;
    dissociate(&api, link).await
}

/// Lines in order, the main one first.
#[derive(Clone, Debug, Deserialize, ToSchema)]
struct UserLines {
    lines: Vec<Numbered>,
}

impl Shape for UserLines {}

/// Give a user exactly these lines
#[utoipa::path(put, path = "/users/{user_id}/lines", tag = "associations", security(("token" = [])),
    params(("user_id" = String, Path)), request_body = UserLines,
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn set_user_lines(
    State(api): State<Arc<Api>>,
    Id(user): Id<UserKey>,
    Body(body): Body<UserLines>,
) -> Result<Done, Refusal> {
    let state = api.plane.state();
    let user = user.find(&state)?.id;
    let lines: Vec<LineId> = body.lines.iter().map(|line| LineId(line.id)).collect();
    if let Some(unknown) = lines.iter().find(|line| !state.lines().contains(line)) {
        return Err(Refusal::field(
            "lines",
            format!("Line was not found ('id': '{unknown}')"),
        ));
    }
    write::configure(api.plane(), ConfigCommand::SetUserLines { user, lines }).await?;
    Ok(Done)
}

/// Let a number ring a line
#[utoipa::path(put, path = "/lines/{line_id}/extensions/{extension_id}", tag = "associations",
    params(("line_id" = u32, Path), ("extension_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_extension(
    State(api): State<Arc<Api>>,
    Ids(line, extension): Ids<LineId, ExtensionId>,
) -> Result<Done, Refusal> {
    let link = line_extension(&api.plane.state(), line, extension)?;
    associate(&api, link).await
}

/// Let a number ring a line no more
#[utoipa::path(delete, path = "/lines/{line_id}/extensions/{extension_id}", tag = "associations",
    params(("line_id" = u32, Path), ("extension_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_extension(
    State(api): State<Arc<Api>>,
    Ids(line, extension): Ids<LineId, ExtensionId>,
) -> Result<Done, Refusal> {
    let link = line_extension(&api.plane.state(), line, extension)?;
    dissociate(&api, link).await
}

/// Give a line its credentials
#[utoipa::path(put, path = "/lines/{line_id}/endpoints/sip/{endpoint_id}", tag = "associations",
    params(("line_id" = u32, Path), ("endpoint_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn link_endpoint(
    State(api): State<Arc<Api>>,
    Ids(line, endpoint): Ids<LineId, EndpointId>,
) -> Result<Done, Refusal> {
    let link = line_endpoint(&api.plane.state(), line, endpoint)?;
    associate(&api, link).await
}

/// Take a line's credentials
#[utoipa::path(delete, path = "/lines/{line_id}/endpoints/sip/{endpoint_id}", tag = "associations",
    params(("line_id" = u32, Path), ("endpoint_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn unlink_endpoint(
    State(api): State<Arc<Api>>,
    Ids(line, endpoint): Ids<LineId, EndpointId>,
) -> Result<Done, Refusal> {
    let link = line_endpoint(&api.plane.state(), line, endpoint)?;
    dissociate(&api, link).await
}
