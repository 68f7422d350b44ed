//! Call records, as XiVO's table or as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    CallDirection, CallRecord, CallStatus, DirectionQuality, Party, State as Replica,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::CsvText;
use crate::list::{ListParameters, ListQuery, Page};
use crate::observe::{accepts, names_json};
use crate::refusal::{Kind, Place, Refusal};
use crate::router::{Api, Routes};
use crate::time;

/// Records that one request reads, whatever part of them it shows.
const MAX_RECORDS: usize = 100_000;
/// Rows of a JSON answer when the request does not say.
const DEFAULT_LIMIT: usize = 1_000;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(call_logs))
}

pub(super) fn cdr_routes() -> Routes {
    OpenApiRouter::new().routes(routes!(cdr))
}

/// Quality of one direction of a call's media.
#[derive(Debug, Serialize, ToSchema)]
struct QualityView {
    packets: u64,
    bytes: u64,
    lost: u64,
    jitter_ms: u32,
    /// Estimated mean opinion score.
    mos: f64,
}

impl QualityView {
    fn of(quality: &DirectionQuality) -> Self {
        Self {
            packets: quality.packets,
            bytes: quality.bytes,
            lost: quality.lost,
            jitter_ms: quality.jitter_ms,
            mos: f64::from(quality.mos_hundredths) / 100.0,
        }
    }
}

/// A call that is over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallLog)]
pub(crate) struct CallLogView {
    id: u64,
    /// The id that the call had while it was up, and in the logs.
    call_id: String,
    start: String,
    answer: Option<String>,
    end: String,
    /// Talk time in seconds.
    duration: f64,
    answered: bool,
    call_direction: &'static str,
    call_status: &'static str,
    source_name: Option<String>,
    source_extension: String,
    source_user_uuid: Option<String>,
    source_line_id: Option<u32>,
    destination_name: Option<String>,
    destination_extension: String,
    destination_user_uuid: Option<String>,
    destination_line_id: Option<u32>,
    requested_extension: String,
    user_field: Option<String>,
    /// The final SIP code.
    sip_code: u16,
    /// Q.850.
    cause: u8,
    /// What arrived of the caller's media.
    source_quality: Option<QualityView>,
    /// What arrived of the called's media.
    destination_quality: Option<QualityView>,
    /// What the carrier's `accountcode` says for whoever writes bills.
    account_code: Option<String>,
    /// What its `amaflags` say.
    ama_flags: Option<String>,
    /// The node that wrote the record.
    node: u64,
    /// It went ahead while the cluster had no quorum.
    unprotected: bool,
}

const FIELDS: [&str; 16] = [
    "id",
    "call_id",
    "start",
    "answer",
    "end",
    "duration",
    "answered",
    "call_direction",
    "call_status",
    "source_name",
    "source_extension",
    "destination_name",
    "destination_extension",
    "requested_extension",
    "user_field",
    "account_code",
];

impl CallLogView {
    fn of(state: &Replica, record: &CallRecord) -> Self {
        let uuid = |party: &Party| Some(state.users().get(&party.user?)?.uuid.clone());
        Self {
            // What every JSON reader takes as an integer.
            id: record.call.0 as u64 & ((1 << 53) - 1),
            call_id: record.call.to_string(),
            start: time::rfc3339(record.started_at_ms),
            answer: record.answered_at_ms.map(time::rfc3339),
            end: time::rfc3339(record.ended_at_ms),
            duration: record.duration_ms as f64 / 1000.0,
            answered: record.status == CallStatus::Answered,
            call_direction: match record.direction {
                CallDirection::Internal => "internal",
                CallDirection::Inbound => "inbound",
                CallDirection::Outbound => "outbound",
            },
            call_status: match record.status {
                CallStatus::Answered => "answered",
                CallStatus::Busy => "busy",
                CallStatus::NoAnswer => "no_answer",
                CallStatus::Cancelled => "cancelled",
                CallStatus::Failed => "failed",
            },
            source_name: record.caller.name.clone(),
            source_extension: record.caller.number.clone(),
            source_user_uuid: uuid(&record.caller),
            source_line_id: record.caller.line.map(|line| line.0),
            destination_name: record.callee.name.clone(),
            destination_extension: record.callee.number.clone(),
            destination_user_uuid: uuid(&record.callee),
            destination_line_id: record.callee.line.map(|line| line.0),
            requested_extension: record.callee.number.clone(),
            user_field: record.userfield.clone(),
            sip_code: record.cause.sip,
            cause: record.cause.q850,
            source_quality: record.caller_quality.as_ref().map(QualityView::of),
            destination_quality: record.callee_quality.as_ref().map(QualityView::of),
            account_code: record.billing.account_code.clone(),
            ama_flags: record.billing.ama_flags.clone(),
            node: record.node.0,
            unprotected: record.unprotected,
        }
    }
}

/// The calls of a time, as comma-separated values as XiVO writes them, or as JSON if `Accept` names it
#[utoipa::path(get, path = "/call_logs", tag = "call_logs", security(("token" = [])),
    params(ListParameters, ("start_date" = Option<String>, Query, description = "2026-11-20T14:37:00; UTC without an offset"),
        ("end_date" = Option<String>, Query, description = "Exclusive")),
    responses((status = 200, description = "Call Date, Caller, Called, Period, user Field",
        content((Page<CallLogView> = "application/json"), (String = "text/csv")))))]
async fn call_logs(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    query: ListQuery,
) -> Result<Response, Refusal> {
    answer(&api, &headers, query, !names_json(&headers)).await
}

/// The same, as JSON unless `Accept` names text/csv
#[utoipa::path(get, path = "/cdr", tag = "call_logs", security(("token" = [])), params(ListParameters),
    responses((status = 200, body = Page<CallLogView>)))]
async fn cdr(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    query: ListQuery,
) -> Result<Response, Refusal> {
    let csv = !accepts(&headers, "application/json");
    answer(&api, &headers, query, csv).await
}

async fn answer(
    api: &Api,
    headers: &HeaderMap,
    mut query: ListQuery,
    csv: bool,
) -> Result<Response, Refusal> {
    if csv && !accepts(headers, "text/csv") {
        let message = "this path answers application/json and text/csv";
        return Err(Refusal::new(
            Kind::NotAcceptable,
            Place::Header("Accept"),
            message,
        ));
    }
    let from_ms = date(&mut query, ["start_date", "from"])?.unwrap_or(0);
    let to_ms = date(&mut query, ["end_date", "until"])?.unwrap_or(u64::MAX);
    if from_ms > to_ms {
        return Err(Refusal::query("end_date", "comes before the start_date"));
    }
    let mut records = api
        .plane
        .call_records(from_ms, to_ms, MAX_RECORDS + 1)
        .await?;
    if csv && records.len() > MAX_RECORDS {
        let message =
            format!("there are more than {MAX_RECORDS} calls in this time; choose a shorter one");
        return Err(Refusal::query("start_date", message));
    }
    records.truncate(MAX_RECORDS);
    if csv {
        let text = table(&records).map_err(|error| {
            tracing::error!(%error, "the call logs could not be written");
            Refusal::new(
                Kind::Internal,
                Place::Request,
                "the call logs could not be written",
            )
        })?;
        return Ok(CsvText(text).into_response());
    }
    let state = api.plane.state();
    query.default_limit(DEFAULT_LIMIT);
    let page = query.page(records.iter(), &FIELDS, |record| {
        CallLogView::of(&state, record)
    })?;
    Ok(axum::Json(page).into_response())
}

fn date(query: &mut ListQuery, names: [&str; 2]) -> Result<Option<u64>, Refusal> {
    for name in names {
        if let Some(text) = query.take(name).filter(|text| !text.is_empty()) {
            let message = "is no date; write it as 2026-11-20T14:37:00";
            return time::parse(&text)
                .map(Some)
                .ok_or_else(|| Refusal::query(name, message));
        }
    }
    Ok(None)
}

/// `Call Date,Caller,Called,Period,user Field`, oldest first.
fn table(records: &[CallRecord]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(["Call Date", "Caller", "Called", "Period", "user Field"])?;
    for record in records.iter().rev() {
        let caller = match &record.caller.name {
            Some(name) => format!("{name} ({})", record.caller.number),
            None => record.caller.number.clone(),
        };
        writer.write_record([
            time::naive(record.started_at_ms),
            caller,
            record.callee.number.clone(),
            (record.duration_ms / 1000).to_string(),
            record.userfield.clone().unwrap_or_default(),
        ])?;
    }
    Ok(writer.into_inner()?)
}
