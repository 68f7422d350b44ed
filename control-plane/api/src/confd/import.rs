//! Users from a table: all rows or none, every wrong row named.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    Command, ConfigCommand, ImportMode, ImportRow, Imported, MAX_IMPORT_ROWS, Outcome, Rejection,
    RejectionKind, Secret, SipEndpoint, Stamp, State as Replica, User,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::Collection;
use super::table::{self, Column, Row};
use super::users::{UserBody, password_hash};
use crate::body::{self, Csv};
use crate::generate::Generator;
use crate::refusal::{Fault, Place, Refusal};
use crate::router::{Api, Routes};

/// Attempts when others write the same users.
const ATTEMPTS: usize = 4;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(create, update))
}

/// What a row made.
#[derive(Debug, Serialize, ToSchema)]
struct ImportedView {
    row_number: u32,
    user_id: u32,
    user_uuid: String,
    line_id: Option<u32>,
    extension_id: Option<u32>,
    sip_id: Option<u32>,
    incall_extension_id: Option<u32>,
    voicemail_id: Option<u32>,
}

impl ImportedView {
    fn of(row: &Imported) -> Self {
        Self {
            row_number: row.row_number,
            user_id: row.user.0,
            user_uuid: row.user_uuid.clone(),
            line_id: row.line.map(|id| id.0),
            extension_id: row.extension.map(|id| id.0),
            sip_id: row.endpoint.map(|id| id.0),
            incall_extension_id: row.incall_extension.map(|id| id.0),
            voicemail_id: None,
        }
    }
}

/// What an import made.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the description of the answer")]
struct Created {
    created: Vec<ImportedView>,
}

/// What an import changed.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "the description of the answer")]
struct Updated {
    updated: Vec<ImportedView>,
}

/// Create users from a table of comma-separated values; all or none
#[utoipa::path(post, path = "/users/import", tag = "users", security(("token" = [])),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 201, body = Created), (status = 400, description = "Each wrong row, in `errors`")))]
async fn create(State(api): State<Arc<Api>>, Csv(octets): Csv) -> Result<Response, Refusal> {
    run(&api, ImportMode::Create, &octets).await
}

/// Change users by a table: found by `uuid`; columns that are missing stay, empty values clear
#[utoipa::path(put, path = "/users/import", tag = "users", security(("token" = [])),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Updated), (status = 400, description = "Each wrong row, in `errors`")))]
async fn update(State(api): State<Arc<Api>>, Csv(octets): Csv) -> Result<Response, Refusal> {
    run(&api, ImportMode::Update, &octets).await
}

/// A row that is wrong.
struct Wrong {
    number: u32,
    sentence: String,
}

impl Wrong {
    fn by(number: u32, fault: &Fault) -> Self {
        let sentence = match &fault.place {
            Place::Body(field) | Place::Query(field) | Place::Path(field) => {
                format!("Input Error - field '{field}': {}", fault.message)
            }
            Place::Header(_) | Place::Request => format!("Input Error - {}", fault.message),
        };
        Self { number, sentence }
    }

    fn of_rejection(number: u32, rejection: &Rejection) -> Self {
        let title = match rejection.kind {
            RejectionKind::Input | RejectionKind::NotFound => "Input Error",
            RejectionKind::Conflict
            | RejectionKind::InUse
            | RejectionKind::Stale
            | RejectionKind::Limit => "Resource Error",
        };
        // The table calls the endpoint's fields by names of its own.
        let field = match (rejection.resource.as_str(), rejection.field.as_str()) {
            ("SIPEndpoint", "username") => "sip_username",
            ("SIPEndpoint", "secret") => "sip_secret",
            (_, field) => field,
        };
        Self {
            number,
            sentence: format!("{title} - field '{field}': {}", rejection.message),
        }
    }
}

async fn run(api: &Api, mode: ImportMode, octets: &[u8]) -> Result<Response, Refusal> {
    let rows = table::read(octets)?;
    if rows.len() > MAX_IMPORT_ROWS {
        let message = format!(
            "has {} rows; import at most {MAX_IMPORT_ROWS} at a time",
            rows.len()
        );
        return Err(Refusal::field("body", message));
    }
    let (bodies, mut wrong) = bodies(api, &rows).await?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let state = api.plane.state();
        let (ready, unprepared) = prepare(&state, mode, &rows, &bodies)?;
        wrong.extend(unprepared);
        let command = ConfigCommand::Import { mode, rows: ready };
        let command = Command::Configure(Box::new(command));
        // Tried here first: a table with mistakes is no work for the cluster, and all mistakes are told at once.
        let at = Stamp {
            index: state.applied() + 1,
            now_ms: api.now_ms(),
        };
        if let Outcome::ImportRejected(errors) = (*state).clone().apply(at, &command).outcome {
            wrong.extend(
                errors
                    .iter()
                    .map(|error| Wrong::of_rejection(error.row_number, &error.rejection)),
            );
        }
        if !wrong.is_empty() {
            return Ok(refuse(api, &rows, wrong));
        }
        match api.plane.propose(command).await? {
            Outcome::Imported(imported) => return Ok(accept(mode, &imported)),
            Outcome::ImportRejected(errors) => {
                if attempt < ATTEMPTS {
                    api.plane.linearizable().await?;
                    continue;
                }
                let errors = errors
                    .iter()
                    .map(|error| Wrong::of_rejection(error.row_number, &error.rejection));
                return Ok(refuse(api, &rows, errors.collect()));
            }
            Outcome::Rejected(rejection) => return Err(rejection.into()),
            other => {
                tracing::error!(?other, "unexpected outcome of an import");
                return Err(Refusal::field(
                    "body",
                    "the cluster gave an unexpected answer",
                ));
            }
        }
    }
}

fn accept(mode: ImportMode, imported: &[Imported]) -> Response {
    let views: Vec<ImportedView> = imported.iter().map(ImportedView::of).collect();
    match mode {
        ImportMode::Create => {
            (StatusCode::CREATED, axum::Json(json!({"created": views}))).into_response()
        }
        ImportMode::Update => axum::Json(json!({"updated": views})).into_response(),
    }
}

/// Columns whose values are not sent back.
const SECRET_COLUMNS: [&str; 3] = ["password", "sip_secret", "call_permission_password"];

fn refuse(api: &Api, rows: &[Row], mut wrong: Vec<Wrong>) -> Response {
    wrong.sort_by_key(|wrong| wrong.number);
    let now_s = api.now_ms() / 1000;
    let errors = wrong.iter().map(|wrong| {
        let row = rows.iter().find(|row| row.number == wrong.number);
        let cells = row.into_iter().flat_map(|row| &row.cells);
        let cells = cells.filter(|(name, _, _)| !SECRET_COLUMNS.contains(name));
        let cells: Map<String, Value> = cells
            .map(|(name, _, value)| ((*name).to_owned(), json!(value)))
            .collect();
        json!({
            "message": wrong.sentence,
            "timestamp": now_s,
            "details": {"row_number": wrong.number, "row": cells},
        })
    });
    let errors: Vec<Value> = errors.collect();
    (
        StatusCode::BAD_REQUEST,
        axum::Json(json!({"errors": errors})),
    )
        .into_response()
}

/// The user's fields of a row, with the password's hash.
struct RowBody {
    number: u32,
    body: UserBody,
    password_hash: Option<Option<Secret>>,
}

async fn bodies(api: &Api, rows: &[Row]) -> Result<(Vec<RowBody>, Vec<Wrong>), Refusal> {
    let mut bodies = Vec::new();
    let mut wrong = Vec::new();
    for row in rows {
        let read = user_fields(row)
            .and_then(|fields| body::parse::<UserBody>(fields.to_string().as_bytes()));
        let body = match read {
            Ok(body) => body,
            Err(refusal) => {
                wrong.extend(
                    refusal
                        .faults
                        .iter()
                        .map(|fault| Wrong::by(row.number, fault)),
                );
                continue;
            }
        };
        match password_hash(api, &body.password).await {
            Ok(password_hash) => bodies.push(RowBody {
                number: row.number,
                body,
                password_hash,
            }),
            Err(refusal) if refusal.kind == crate::refusal::Kind::Input => {
                wrong.extend(
                    refusal
                        .faults
                        .iter()
                        .map(|fault| Wrong::by(row.number, fault)),
                );
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok((bodies, wrong))
}

/// The cells of a row as the JSON that the users' own path would take.
fn user_fields(row: &Row) -> Result<Value, Refusal> {
    let mut fields = Map::new();
    for (name, column, text) in &row.cells {
        let value = match column {
            Column::Special | Column::Ignored => continue,
            Column::Absent if text.is_empty() || text == "0" => continue,
            Column::Absent => {
                return Err(Refusal::field(name, "is not supported yet; leave it empty"));
            }
            _ if text.is_empty() => Value::Null,
            Column::Text => json!(text),
            Column::Flag => match text.as_str() {
                "0" => json!(false),
                "1" => json!(true),
                _ => return Err(Refusal::field(name, "must be 0 or 1")),
            },
            Column::Number => match text.parse::<u32>() {
                Ok(number) => json!(number),
                Err(_) => return Err(Refusal::field(name, "must be a number")),
            },
            Column::Texts => json!(text.split(';').map(str::trim).collect::<Vec<_>>()),
        };
        fields.insert((*name).to_owned(), value);
    }
    Ok(Value::Object(fields))
}

fn prepare(
    state: &Replica,
    mode: ImportMode,
    rows: &[Row],
    bodies: &[RowBody],
) -> Result<(Vec<ImportRow>, Vec<Wrong>), Refusal> {
    let mut preparer = Preparer {
        state,
        generator: Generator::new()?,
        codes: BTreeSet::new(),
    };
    let mut ready = Vec::new();
    let mut wrong = Vec::new();
    for body in bodies {
        let Some(row) = rows.iter().find(|row| row.number == body.number) else {
            continue;
        };
        let prepared = match mode {
            ImportMode::Create => preparer.new_row(row, body),
            ImportMode::Update => preparer.changed_row(row, body),
        };
        match prepared {
            Ok(row) => ready.push(row),
            Err(refusal) => wrong.extend(
                refusal
                    .faults
                    .iter()
                    .map(|fault| Wrong::by(row.number, fault)),
            ),
        }
    }
    Ok((ready, wrong))
}

struct Preparer<'a> {
    state: &'a Replica,
    generator: Generator,
    /// Provisioning codes that this import has given away.
    codes: BTreeSet<String>,
}

impl Preparer<'_> {
    fn new_row(&mut self, row: &Row, body: &RowBody) -> Result<ImportRow, Refusal> {
        let uuid = row
            .get("uuid")
            .map_or_else(|| self.generator.uuid(), str::to_owned);
        let mut user = User {
            uuid,
            ..User::default()
        };
        // An empty cell of a new user is nothing, not a null where a value must be.
        if row.get("firstname").is_none() {
            return Err(Refusal::field("firstname", "is missing; a user needs one"));
        }
        user.write(body.body.clone())?;
        user.password_hash = body.password_hash.clone().flatten();
        let mut ready = self.numbers(row, user)?;
        let line_columns = [
            "line_protocol",
            "context",
            "exten",
            "sip_username",
            "sip_secret",
            "incall_exten",
        ];
        if line_columns.iter().any(|column| row.get(column).is_some()) {
            let username = row
                .get("sip_username")
                .map_or_else(|| self.generator.username(), str::to_owned);
            let secret = row
                .get("sip_secret")
                .map_or_else(|| self.generator.secret(), Secret::from);
            ready.endpoint = Some(SipEndpoint {
                username,
                secret,
                ..SipEndpoint::default()
            });
            ready.provisioning_code = Some(match row.get("provisioning_code") {
                Some(code) => code.to_owned(),
                None => self.free_code(),
            });
        }
        Ok(ready)
    }

    fn changed_row(&mut self, row: &Row, body: &RowBody) -> Result<ImportRow, Refusal> {
        let uuid = row
            .get("uuid")
            .ok_or_else(|| Refusal::field("uuid", "is missing; it says which user changes"))?;
        let known = self.state.user_by_uuid(uuid);
        let known = known.ok_or_else(|| {
            Refusal::field("uuid", format!("User was not found ('uuid': '{uuid}')"))
        })?;
        let mut user = (**known).clone();
        user.write(body.body.clone())?;
        if let Some(hash) = &body.password_hash {
            user.password_hash.clone_from(hash);
        }
        let main_line = user
            .lines
            .first()
            .and_then(|line| self.state.lines().get(line));
        let endpoint = main_line.and_then(|line| self.state.endpoints().get(&line.endpoint_sip?));
        let mut ready = self.numbers(row, user)?;
        let credentials = row.get("sip_username").is_some() || row.get("sip_secret").is_some();
        if credentials {
            let known =
                endpoint.map(|endpoint| (endpoint.username.clone(), endpoint.secret.clone()));
            let (username, secret) =
                known.unwrap_or_else(|| (self.generator.username(), self.generator.secret()));
            let username = row.get("sip_username").map_or(username, str::to_owned);
            let secret = row.get("sip_secret").map_or(secret, Secret::from);
            ready.endpoint = Some(SipEndpoint {
                username,
                secret,
                ..SipEndpoint::default()
            });
        }
        Ok(ready)
    }

    /// What both kinds of rows say of numbers.
    fn numbers(&self, row: &Row, user: User) -> Result<ImportRow, Refusal> {
        if let Some(protocol) = row
            .get("line_protocol")
            .filter(|protocol| *protocol != "sip")
        {
            let message = format!("'{protocol}' is not supported; use sip");
            return Err(Refusal::field("line_protocol", message));
        }
        let text = |column: &str| row.get(column).map(str::to_owned);
        Ok(ImportRow {
            row_number: row.number,
            user,
            context: text("context"),
            exten: text("exten"),
            provisioning_code: text("provisioning_code"),
            endpoint: None,
            incall_exten: text("incall_exten"),
            incall_context: text("incall_context"),
        })
    }

    fn free_code(&mut self) -> String {
        loop {
            let code = self.generator.provisioning_code();
            if self.state.line_by_provisioning_code(&code).is_none()
                && self.codes.insert(code.clone())
            {
                return code;
            }
        }
    }
}
