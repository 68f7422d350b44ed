//! All paths, the layers around them, and the description of both.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use carillon_telemetry::Metrics;
use tokio::sync::Semaphore;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::passwords::Passwords;
use crate::refusal::{Kind, Place, Refusal};
use crate::throttle::Throttle;
use crate::{Plane, auth, confd, observe, render, v1};

/// What handlers share.
pub(crate) struct Api {
    pub(crate) plane: Arc<dyn Plane>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    /// Unknown tokens that are looked up across the cluster at a time: whoever invents tokens waits in this line.
    pub(crate) unknown_tokens: Semaphore,
    pub(crate) metrics: Metrics,
}

const UNKNOWN_TOKENS: usize = 8;

impl Api {
    pub(crate) fn plane(&self) -> &dyn Plane {
        self.plane.as_ref()
    }

    /// Wall time, or the cluster's where that is ahead: a token expires by the same clock that stamped it.
    pub(crate) fn now_ms(&self) -> u64 {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        wall_ms.max(self.plane.state().now_ms())
    }
}

/// The routes of one prefix, with their descriptions.
pub(crate) type Routes = OpenApiRouter<Arc<Api>>;

/// Every path of the interface.
pub fn router(plane: Arc<dyn Plane>, metrics: Metrics) -> Result<Router> {
    let api = Arc::new(Api {
        plane,
        passwords: Passwords::new()?,
        throttle: Throttle::default(),
        unknown_tokens: Semaphore::new(UNKNOWN_TOKENS),
        metrics,
    });
    let described = openapi();
    let description = serde_json::to_value(&described)?;
    let open = Router::new()
        .route(
            "/api/openapi.json",
            get(move || async move { axum::Json(description) }),
        )
        .nest("/api/v1", v1::open().split_for_parts().0)
        .nest("/0.1", auth::routes().split_for_parts().0)
        .nest("/api/auth/0.1", auth::routes().split_for_parts().0);
    let closed = Router::new()
        .nest("/1.1", confd::routes().split_for_parts().0)
        .nest("/api/confd/1.1", confd::routes().split_for_parts().0)
        .nest("/api/call-logd/1.0", confd::call_logd().split_for_parts().0)
        .nest("/api/v1", v1::routes().split_for_parts().0)
        .route_layer(from_fn_with_state(Arc::clone(&api), auth::require_token));
    let router = open
        .merge(closed)
        .fallback(nowhere)
        .layer(from_fn(observe::accept))
        .layer(from_fn_with_state(Arc::clone(&api), render::render))
        .layer(from_fn_with_state(Arc::clone(&api), observe::measure))
        .with_state(api);
    Ok(router)
}

async fn nowhere() -> impl IntoResponse {
    let message = "there is nothing at this path; GET /api/openapi.json lists the paths";
    Refusal::new(Kind::NotFound, Place::Request, message)
}

/// The description of the interface, OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Carillon")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The REST interface of a Carillon cluster; any node answers anything.\n\n\
             `/1.1` is the configuration interface of XiVO, also under `/api/confd/1.1`; tokens are under `/0.1` and \
             `/api/auth/0.1`; call logs also under `/api/call-logd/1.0`. Its refusals are arrays of sentences. \
             `/api/v1` has what the others have not; its refusals are problem+json (RFC 9457) with the fields in \
             `errors`.\n\nA write is answered once a majority of the control nodes has it on disk; without a majority \
             it is refused with 503 and `Retry-After`. Send `Consistency: linearizable` with a read to see everything \
             that was acknowledged before it.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let base = OpenApiRouter::<Arc<Api>>::with_openapi(OpenApiBuilder::new().info(info).build());
    let mut described = base
        .nest("/0.1", auth::routes())
        .nest("/1.1", confd::routes())
        .nest("/api/v1", v1::open().merge(v1::routes()))
        .into_openapi();
    let token = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Auth-Token")));
    let basic = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build());
    let components = described.components.get_or_insert_default();
    components.add_security_scheme("token", token);
    components.add_security_scheme("login", basic);
    described
}

/// The same as text, as it is checked in.
pub fn openapi_json() -> String {
    let json = openapi()
        .to_pretty_json()
        .expect("a description is plain data");
    format!("{json}\n")
}
