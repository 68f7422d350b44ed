use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::refusal::{Kind, Place, Refusal};
use crate::router::{Api, Routes};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(health))
}

#[derive(Debug, Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// Whether the process answers
#[utoipa::path(get, path = "/health/live", tag = "health", security(), responses((status = 200, body = Health)))]
async fn live() -> Response {
    axum::Json(Health { status: "live" }).into_response()
}

/// Whether the node can be given work
#[utoipa::path(get, path = "/health/ready", tag = "health", security(),
    responses((status = 200, body = Health), (status = 503, description = "Not now; `detail` says why")))]
async fn ready(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let status = api.plane.status();
    let why = match (status.out_of_duty, status.quorum) {
        (Some(why), _) => format!("this node is out of duty: {why}"),
        (None, false) => "this node does not reach a majority of the control nodes".to_owned(),
        (None, true) => return Ok(axum::Json(Health { status: "ready" }).into_response()),
    };
    Err(Refusal::new(Kind::Unavailable, Place::Request, why).retry_after_s(1))
}

/// The same as `/health/ready`
#[utoipa::path(get, path = "/health", tag = "health", security(),
    responses((status = 200, body = Health), (status = 503, description = "Not now; `detail` says why")))]
async fn health(state: State<Arc<Api>>) -> Result<Response, Refusal> {
    ready(state).await
}
