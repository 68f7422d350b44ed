//! Users as the table that an import reads.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use carillon_model::{ContextKind, Extension, Line, State as Replica, User};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::table::{COLUMNS, EXPORTED};
use crate::answer::CsvText;
use crate::observe::accepts;
use crate::refusal::{Kind, Place, Refusal};
use crate::router::{Api, Routes};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(export))
}

/// All users with their main lines, as the table that an import reads; passwords of users are not in it
#[utoipa::path(get, path = "/users/export", tag = "users", security(("token" = [])),
    responses((status = 200, body = String, content_type = "text/csv")))]
async fn export(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Refusal> {
    if !accepts(&headers, "text/csv") {
        let message = "this path answers text/csv only";
        return Err(Refusal::new(
            Kind::NotAcceptable,
            Place::Header("Accept"),
            message,
        ));
    }
    let state = api.plane.state();
    let octets = table(&state).map_err(|error| {
        tracing::error!(%error, "the users could not be exported");
        Refusal::new(
            Kind::Internal,
            Place::Request,
            "the users could not be exported",
        )
    })?;
    Ok(CsvText(octets).into_response())
}

fn table(state: &Replica) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let exported = &COLUMNS[..EXPORTED];
    writer.write_record(exported.iter().map(|(name, _)| *name))?;
    for user in state.users().values() {
        let line = user.lines.first().and_then(|line| state.lines().get(line));
        writer.write_record(
            exported
                .iter()
                .map(|(name, _)| cell(state, user, line.map(AsRef::as_ref), name)),
        )?;
    }
    Ok(writer.into_inner()?)
}

fn cell(state: &Replica, user: &User, line: Option<&Line>, column: &str) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let flag = |flag: bool| if flag { "1".to_owned() } else { "0".to_owned() };
    let endpoint = || line.and_then(|line| state.endpoints().get(&line.endpoint_sip?));
    match column {
        "uuid" => user.uuid.clone(),
        "firstname" => user.firstname.clone(),
        "lastname" => text(&user.lastname),
        "email" => text(&user.email),
        "language" => text(&user.language),
        "timezone" => text(&user.timezone),
        "description" => text(&user.description),
        "caller_id" => text(&user.caller_id),
        "outgoing_caller_id" => text(&user.outgoing_caller_id),
        "mobile_phone_number" => text(&user.mobile_phone_number),
        "username" => text(&user.username),
        "music_on_hold" => text(&user.music_on_hold),
        "preprocess_subroutine" => text(&user.preprocess_subroutine),
        "userfield" => text(&user.userfield),
        "call_permission_password" => {
            let code = user.call_permission_password.as_ref();
            code.map(|code| code.expose().to_owned())
                .unwrap_or_default()
        }
        "subscription_type" => user
            .subscription_type
            .map(|kind| kind.to_string())
            .unwrap_or_default(),
        "labels" => user.labels.join(";"),
        "ring_seconds" => user.ring_seconds.to_string(),
        "simultaneous_calls" => user.simultaneous_calls.to_string(),
        "enabled" => flag(user.enabled),
        "supervision_enabled" => flag(user.supervision_enabled),
        "call_transfer_enabled" => flag(user.call_transfer_enabled),
        "dtmf_hangup_enabled" => flag(user.dtmf_hangup_enabled),
        "call_record_outgoing_external_enabled" => flag(user.call_record_outgoing_external_enabled),
        "call_record_outgoing_internal_enabled" => flag(user.call_record_outgoing_internal_enabled),
        "call_record_incoming_external_enabled" => flag(user.call_record_incoming_external_enabled),
        "call_record_incoming_internal_enabled" => flag(user.call_record_incoming_internal_enabled),
        "online_call_record_enabled" => flag(user.online_call_record_enabled),
        "line_protocol" => endpoint().map(|_| "sip".to_owned()).unwrap_or_default(),
        "provisioning_code" => line
            .map(|line| text(&line.provisioning_code))
            .unwrap_or_default(),
        "context" => line.map(|line| line.context.clone()).unwrap_or_default(),
        "sip_username" => endpoint()
            .map(|endpoint| endpoint.username.clone())
            .unwrap_or_default(),
        "sip_secret" => endpoint()
            .map(|endpoint| endpoint.secret.expose().to_owned())
            .unwrap_or_default(),
        "exten" => number(state, line, false)
            .map(|extension| extension.exten.clone())
            .unwrap_or_default(),
        "incall_exten" => number(state, line, true)
            .map(|extension| extension.exten.clone())
            .unwrap_or_default(),
        "incall_context" => number(state, line, true)
            .map(|extension| extension.context.clone())
            .unwrap_or_default(),
        // The password is known as a hash only.
        _ => String::new(),
    }
}

/// The line's first number from outside, or its first other one.
fn number<'a>(
    state: &'a Replica,
    line: Option<&Line>,
    from_outside: bool,
) -> Option<&'a Extension> {
    let extensions = line?
        .extensions
        .iter()
        .filter_map(|id| state.extensions().get(id));
    let is_incall = |extension: &Extension| {
        state
            .context_by_name(&extension.context)
            .is_some_and(|context| context.kind == ContextKind::Incall)
    };
    extensions
        .map(AsRef::as_ref)
        .find(|extension| is_incall(extension) == from_outside)
}
