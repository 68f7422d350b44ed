//! XiVO's configuration interface, version 1.1: its paths, its bodies, its answers.

mod call_logs;
mod collection;
mod contexts;
mod endpoints;
mod export;
mod extensions;
mod import;
mod incalls;
mod lines;
mod links;
mod outcalls;
mod registers;
mod relations;
mod table;
mod trunks;
mod users;

use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::fields::body;
use crate::router::Routes;

pub(crate) fn routes() -> Routes {
    OpenApiRouter::new()
        .merge(users::routes())
        .merge(import::routes())
        .merge(export::routes())
        .merge(lines::routes())
        .merge(endpoints::routes())
        .merge(extensions::routes())
        .merge(contexts::routes())
        .merge(links::routes())
        .merge(trunks::routes())
        .merge(registers::routes())
        .merge(outcalls::routes())
        .merge(incalls::routes())
        .merge(call_logs::routes())
        .routes(routes!(live_reload, set_live_reload))
}

pub(crate) fn call_logd() -> Routes {
    call_logs::cdr_routes()
}

/// Whether changes work at once.
#[derive(Debug, Serialize, ToSchema)]
struct LiveReload {
    enabled: bool,
}

body! {
    struct LiveReloadBody {
        /// Taken and without effect.
        enabled: bool,
    }
}

impl Shape for LiveReloadBody {}

/// Whether changes work at once: always
#[utoipa::path(get, path = "/configuration/live_reload", tag = "configuration", security(("token" = [])),
    responses((status = 200, body = LiveReload)))]
async fn live_reload() -> impl IntoResponse {
    axum::Json(LiveReload { enabled: true })
}

/// Taken for the sake of scripts: there is nothing to reload, every change works at once
#[utoipa::path(put, path = "/configuration/live_reload", tag = "configuration", security(("token" = [])),
    request_body = LiveReloadBody, responses((status = 204)))]
async fn set_live_reload(Body(body): Body<LiveReloadBody>) -> Done {
    let _ = body.enabled;
    Done
}
