//! `/api/v1`: what XiVO's configuration interface has not.

mod administrators;
mod calls;
mod health;
mod machines;
mod registrations;
mod status;
mod trunks;

use utoipa_axum::router::OpenApiRouter;

use crate::router::Routes;

/// Paths for whoever asks: load balancers have no token.
pub(crate) fn open() -> Routes {
    health::routes()
}

pub(crate) fn routes() -> Routes {
    OpenApiRouter::new()
        .merge(status::routes())
        .merge(machines::routes())
        .merge(registrations::routes())
        .merge(calls::routes())
        .merge(trunks::routes())
        .merge(administrators::routes())
}
