use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    CallCommand, CallEntry, CallId, CallOutcome, CallState, Command, Outcome, Party,
    State as Replica,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Id;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::{Kind, Place, Refusal};
use crate::router::{Api, Routes};
use crate::time;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(hang_up))
}

/// One side of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallParty)]
struct PartyView {
    number: String,
    name: Option<String>,
    user_id: Option<u32>,
    user_uuid: Option<String>,
    line_id: Option<u32>,
    /// The trunk, of a party outside.
    trunk_id: Option<u32>,
}

impl PartyView {
    fn of(state: &Replica, party: &Party) -> Self {
        Self {
            number: party.number.clone(),
            name: party.name.clone(),
            user_id: party.user.map(|user| user.0),
            user_uuid: party
                .user
                .and_then(|user| Some(state.users().get(&user)?.uuid.clone())),
            line_id: party.line.map(|line| line.0),
            trunk_id: party.trunk.map(|trunk| trunk.0),
        }
    }
}

/// A call that is up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Call)]
struct CallView {
    id: String,
    /// `ringing`, `answered` or `held`.
    state: &'static str,
    caller: PartyView,
    callee: PartyView,
    started_at: String,
    answered_at: Option<String>,
    /// Since it was answered, in seconds.
    talk_time: Option<f64>,
    /// The node that acts for it, by name.
    owner: String,
    owner_id: u64,
    /// Grows with each change of owner.
    epoch: u64,
    /// The media server, by name.
    media_server: Option<String>,
    /// It goes ahead while the cluster has no quorum.
    unprotected: bool,
    /// A phone does not accept the address that its media has moved to: the other may not hear it.
    one_way: bool,
}

const FIELDS: [&str; 9] = [
    "id",
    "state",
    "started_at",
    "answered_at",
    "owner",
    "owner_id",
    "media_server",
    "unprotected",
    "one_way",
];

impl CallView {
    fn of(state: &Replica, call: &CallEntry, now_ms: u64) -> Self {
        let summary = &call.summary;
        let node = state.nodes().get(&call.owner);
        let media_server = summary.media_server.map(|id| {
            let server = state.media_servers().get(&id);
            server.map_or_else(|| id.to_string(), |server| server.name.clone())
        });
        Self {
            id: call.id.to_string(),
            state: match summary.state {
                CallState::Ringing => "ringing",
                CallState::Answered => "answered",
                CallState::Held => "held",
            },
            caller: PartyView::of(state, &summary.caller),
            callee: PartyView::of(state, &summary.callee),
            started_at: time::rfc3339(summary.started_at_ms),
            answered_at: summary.answered_at_ms.map(time::rfc3339),
            talk_time: summary
                .answered_at_ms
                .map(|at| now_ms.saturating_sub(at) as f64 / 1000.0),
            owner: node.map_or_else(|| call.owner.to_string(), |node| node.name.clone()),
            owner_id: call.owner.0,
            epoch: call.epoch.0,
            media_server,
            unprotected: summary.unprotected,
            one_way: summary.one_way,
        }
    }
}

/// List the calls that are up
#[utoipa::path(get, path = "/calls", tag = "calls", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<CallView>)))]
async fn list(State(api): State<Arc<Api>>, query: ListQuery) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let now_ms = api.now_ms();
    let page = query.page(state.calls().values(), &FIELDS, |call| {
        CallView::of(&state, call, now_ms)
    })?;
    Ok(axum::Json(page).into_response())
}

/// Show a call that is up
#[utoipa::path(get, path = "/calls/{call_id}", tag = "calls", params(("call_id" = String, Path)),
    security(("token" = [])), responses((status = 200, body = CallView), (status = 404, description = "No such call")))]
async fn show(State(api): State<Arc<Api>>, Id(id): Id<CallId>) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let call = state
        .calls()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("Call", "id", id))?;
    Ok(axum::Json(CallView::of(&state, call, api.now_ms())).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
struct Asked {
    /// The call.
    id: String,
    /// `hangup_requested`.
    status: &'static str,
}

/// Ask the owner of a call to end it
#[utoipa::path(post, path = "/calls/{call_id}/hangup", tag = "calls", params(("call_id" = String, Path)),
    security(("token" = [])), responses((status = 202, body = Asked), (status = 404, description = "No such call")))]
async fn hang_up(State(api): State<Arc<Api>>, Id(id): Id<CallId>) -> Result<Response, Refusal> {
    match api
        .plane
        .propose(Command::Call(CallCommand::RequestHangup { id }))
        .await?
    {
        Outcome::Call(CallOutcome::Accepted) => {
            let asked = Asked {
                id: id.to_string(),
                status: "hangup_requested",
            };
            Ok((StatusCode::ACCEPTED, axum::Json(asked)).into_response())
        }
        Outcome::Call(CallOutcome::Unknown | CallOutcome::Ended) => {
            Err(Refusal::not_found("Call", "id", id))
        }
        other => {
            tracing::error!(?other, "unexpected outcome of a request to hang up");
            Err(Refusal::new(
                Kind::Internal,
                Place::Request,
                "the cluster gave an unexpected answer",
            ))
        }
    }
}
