use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{State as Replica, Trunk, TrunkOptions, TrunkReport, TrunkState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::time;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// How a trunk is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrunkState)]
struct TrunkStateView {
    id: u32,
    name: String,
    /// Name or address of the carrier.
    host: Option<String>,
    /// The name that is registered there.
    username: Option<String>,
    /// `registered`, `registering`, `refused`, `unregistered`, or `none` where it does not register.
    registration: &'static str,
    /// The carrier's last answer.
    code: Option<u16>,
    /// The node that registers it, by name.
    owner: Option<String>,
    owner_id: Option<u64>,
    /// Grows with each change of owner.
    epoch: Option<u64>,
    contact: Option<String>,
    expires_at: Option<String>,
    /// Calls by it now.
    calls: usize,
    call_limit: Option<u32>,
}

const FIELDS: [&str; 6] = ["id", "name", "host", "registration", "owner", "owner_id"];

impl TrunkStateView {
    fn of(state: &Replica, now_ms: u64, trunk: &Trunk) -> Self {
        let endpoint = state.endpoint_of_trunk(trunk.id);
        let register = state.register_of_trunk(trunk.id);
        let lease = state
            .trunk_lease(trunk.id)
            .filter(|lease| register.is_some() && !state.is_vacant(lease, now_ms));
        let report = state
            .trunk_report(trunk.id)
            .filter(|report| lease.is_some_and(|lease| lease.epoch == report.epoch));
        let host = register.map(|register| register.remote_host.clone());
        let owner = lease.map(|lease| match state.nodes().get(&lease.holder) {
            Some(node) => node.name.clone(),
            None => lease.holder.to_string(),
        });
        let until = |report: &Arc<TrunkReport>| {
            (report.state == TrunkState::Registered).then(|| time::rfc3339(report.expires_at_ms))
        };
        Self {
            id: trunk.id.0,
            name: trunk.name.clone(),
            host: host.or_else(|| endpoint.map(|endpoint| endpoint.host.clone())),
            username: register.map(|register| register.sip_username.clone()),
            registration: match (register, report) {
                (None, _) => "none",
                (Some(_), None) => "unregistered",
                (Some(_), Some(report)) => word(report.state),
            },
            code: report.and_then(|report| report.code),
            owner,
            owner_id: lease.map(|lease| lease.holder.0),
            epoch: lease.map(|lease| lease.epoch.0),
            contact: report.and_then(|report| report.contacts.last().cloned()),
            expires_at: report.and_then(until),
            calls: state.calls_of_trunk(trunk.id).count(),
            call_limit: endpoint.and_then(|endpoint| TrunkOptions::of(endpoint).call_limit),
        }
    }
}

fn word(state: TrunkState) -> &'static str {
    match state {
        TrunkState::Unregistered => "unregistered",
        TrunkState::Registering => "registering",
        TrunkState::Registered => "registered",
        TrunkState::Refused => "refused",
    }
}

/// How the trunks are: who registers them, and whether the carrier has said yes
#[utoipa::path(get, path = "/trunks", tag = "trunks", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<TrunkStateView>)))]
async fn list(State(api): State<Arc<Api>>, query: ListQuery) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let now_ms = state.now_ms();
    let page = query.page(state.trunks().values(), &FIELDS, |trunk| {
        TrunkStateView::of(&state, now_ms, trunk)
    })?;
    Ok(axum::Json(page).into_response())
}
