use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{Resource, ResourceKey, Secret, User};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::generate::Generator;
use super::relations::{LineRelation, Relations};
use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::{Base, Id, UserKey};
use crate::fields::{Field, body};
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::write;

const MIN_PASSWORD: usize = 4;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    id: u32,
    uuid: String,
    firstname: String,
    lastname: Option<String>,
    email: Option<String>,
    timezone: Option<String>,
    language: Option<String>,
    description: Option<String>,
    caller_id: Option<String>,
    outgoing_caller_id: Option<String>,
    mobile_phone_number: Option<String>,
    username: Option<String>,
    /// Never shown.
    password: Option<String>,
    music_on_hold: Option<String>,
    preprocess_subroutine: Option<String>,
    userfield: Option<String>,
    call_permission_password: Option<String>,
    subscription_type: Option<u32>,
    labels: Vec<String>,
    ring_seconds: u32,
    simultaneous_calls: u32,
    supervision_enabled: bool,
    call_transfer_enabled: bool,
    dtmf_hangup_enabled: bool,
    call_record_enabled: bool,
    call_record_outgoing_external_enabled: bool,
    call_record_outgoing_internal_enabled: bool,
    call_record_incoming_external_enabled: bool,
    call_record_incoming_internal_enabled: bool,
    online_call_record_enabled: bool,
    enabled: bool,
    lines: Vec<LineRelation>,
    links: Vec<Link>,
}

/// By which users can be sorted and filtered.
const FIELDS: [&str; 27] = [
    "id",
    "uuid",
    "firstname",
    "lastname",
    "email",
    "timezone",
    "language",
    "description",
    "caller_id",
    "outgoing_caller_id",
    "mobile_phone_number",
    "username",
    "music_on_hold",
    "preprocess_subroutine",
    "userfield",
    "subscription_type",
    "ring_seconds",
    "simultaneous_calls",
    "supervision_enabled",
    "call_transfer_enabled",
    "dtmf_hangup_enabled",
    "call_record_outgoing_external_enabled",
    "call_record_outgoing_internal_enabled",
    "call_record_incoming_external_enabled",
    "call_record_incoming_internal_enabled",
    "online_call_record_enabled",
    "enabled",
];

impl UserView {
    fn of(user: &User, relations: Relations<'_>) -> Self {
        let user_ = user.clone();
        Self {
            id: user.id.0,
            caller_id: Some(
                user_
                    .caller_id
                    .unwrap_or_else(|| format!("\"{}\"", user.full_name())),
            ),
            outgoing_caller_id: Some(
                user_
                    .outgoing_caller_id
                    .unwrap_or_else(|| "default".to_owned()),
            ),
            password: None,
            call_permission_password: user_
                .call_permission_password
                .map(|code| code.expose().to_owned()),
            call_record_enabled: user.call_record_outgoing_external_enabled
                && user.call_record_outgoing_internal_enabled
                && user.call_record_incoming_external_enabled
                && user.call_record_incoming_internal_enabled,
            lines: relations.lines(&user.lines),
            links: Link::of(relations.base, "users", "users", user.id),
            uuid: user_.uuid,
            firstname: user_.firstname,
            lastname: user_.lastname,
            email: user_.email,
            timezone: user_.timezone,
            language: user_.language,
            description: user_.description,
            mobile_phone_number: user_.mobile_phone_number,
            username: user_.username,
            music_on_hold: user_.music_on_hold,
            preprocess_subroutine: user_.preprocess_subroutine,
            userfield: user_.userfield,
            subscription_type: user_.subscription_type,
            labels: user_.labels,
            ring_seconds: user.ring_seconds,
            simultaneous_calls: user.simultaneous_calls,
            supervision_enabled: user.supervision_enabled,
            call_transfer_enabled: user.call_transfer_enabled,
            dtmf_hangup_enabled: user.dtmf_hangup_enabled,
            call_record_outgoing_external_enabled: user.call_record_outgoing_external_enabled,
            call_record_outgoing_internal_enabled: user.call_record_outgoing_internal_enabled,
            call_record_incoming_external_enabled: user.call_record_incoming_external_enabled,
            call_record_incoming_internal_enabled: user.call_record_incoming_internal_enabled,
            online_call_record_enabled: user.online_call_record_enabled,
            enabled: user.enabled,
        }
    }
}

body! {
    /// What can be said of a user. An update changes what is there; `null` is back to the default.
    pub(super) struct UserBody {
        /// Needed to create one.
        pub(super) firstname: String,
        pub(super) lastname: String,
        pub(super) email: String,
        pub(super) timezone: String,
        pub(super) language: String,
        pub(super) description: String,
        /// As `"Alice Martin"`.
        pub(super) caller_id: String,
        /// `default`, `anonymous`, or as `"Alice" <0123456789>`.
        pub(super) outgoing_caller_id: String,
        pub(super) mobile_phone_number: String,
        pub(super) username: String,
        /// At least four characters.
        pub(super) password: String,
        pub(super) music_on_hold: String,
        pub(super) preprocess_subroutine: String,
        pub(super) userfield: String,
        pub(super) call_permission_password: String,
        pub(super) subscription_type: u32,
        pub(super) labels: Vec<String>,
        pub(super) ring_seconds: u32,
        pub(super) simultaneous_calls: u32,
        pub(super) supervision_enabled: bool,
        pub(super) call_transfer_enabled: bool,
        pub(super) dtmf_hangup_enabled: bool,
        /// Sets all four.
        pub(super) call_record_enabled: bool,
        pub(super) call_record_outgoing_external_enabled: bool,
        pub(super) call_record_outgoing_internal_enabled: bool,
        pub(super) call_record_incoming_external_enabled: bool,
        pub(super) call_record_incoming_internal_enabled: bool,
        pub(super) online_call_record_enabled: bool,
        pub(super) enabled: bool,
    }
}

impl Shape for UserBody {
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "uuid",
        "links",
        "lines",
        "tenant_uuid",
        "entity_id",
        "created_at",
        "country",
    ];
    const ABSENT: &'static [&'static str] = &[
        "agent",
        "auth",
        "call_permissions",
        "call_pickup_target_users",
        "call_pickup_user_targets",
        "fallbacks",
        "forwards",
        "func_key_template_id",
        "groups",
        "incalls",
        "queues",
        "schedules",
        "services",
        "switchboards",
        "voicemail",
    ];
}

impl UserBody {
    /// Writes all but the password into a user.
    pub(super) fn write(self, user: &mut User) -> Result<(), Refusal> {
        let blank = User::default();
        self.firstname
            .required_into("firstname", &mut user.firstname)?;
        self.lastname.into_text(&mut user.lastname);
        self.email.into_text(&mut user.email);
        self.timezone.into_text(&mut user.timezone);
        self.language.into_text(&mut user.language);
        self.description.into_text(&mut user.description);
        self.caller_id.into_text(&mut user.caller_id);
        self.outgoing_caller_id
            .into_text(&mut user.outgoing_caller_id);
        self.mobile_phone_number
            .into_text(&mut user.mobile_phone_number);
        self.username.into_text(&mut user.username);
        self.music_on_hold.into_text(&mut user.music_on_hold);
        self.preprocess_subroutine
            .into_text(&mut user.preprocess_subroutine);
        self.userfield.into_text(&mut user.userfield);
        let mut code = user
            .call_permission_password
            .take()
            .map(|code| code.expose().to_owned());
        self.call_permission_password.into_text(&mut code);
        user.call_permission_password = code.map(Secret::new);
        self.subscription_type
            .into_optional(&mut user.subscription_type);
        self.labels.or_default_into(&mut user.labels, blank.labels);
        self.ring_seconds
            .or_default_into(&mut user.ring_seconds, blank.ring_seconds);
        self.simultaneous_calls
            .or_default_into(&mut user.simultaneous_calls, blank.simultaneous_calls);
        self.supervision_enabled
            .or_default_into(&mut user.supervision_enabled, blank.supervision_enabled);
        self.call_transfer_enabled
            .or_default_into(&mut user.call_transfer_enabled, false);
        self.dtmf_hangup_enabled
            .or_default_into(&mut user.dtmf_hangup_enabled, false);
        let records = [
            (
                &mut user.call_record_outgoing_external_enabled,
                self.call_record_outgoing_external_enabled,
            ),
            (
                &mut user.call_record_outgoing_internal_enabled,
                self.call_record_outgoing_internal_enabled,
            ),
            (
                &mut user.call_record_incoming_external_enabled,
                self.call_record_incoming_external_enabled,
            ),
            (
                &mut user.call_record_incoming_internal_enabled,
                self.call_record_incoming_internal_enabled,
            ),
        ];
        for (flag, own) in records {
            self.call_record_enabled
                .clone()
                .or_default_into(flag, false);
            own.or_default_into(flag, false);
        }
        self.online_call_record_enabled
            .or_default_into(&mut user.online_call_record_enabled, false);
        self.enabled.or_default_into(&mut user.enabled, true);
        Ok(())
    }
}

/// The hash of a password that a body sets: the outer `None` leaves it as it is.
pub(super) async fn password_hash(
    api: &Api,
    password: &Field<String>,
) -> Result<Option<Option<Secret>>, Refusal> {
    match password {
        Field::Missing => Ok(None),
        Field::Null => Ok(Some(None)),
        Field::Value(text) if text.chars().count() < MIN_PASSWORD => {
            let message = format!("is too short; use at least {MIN_PASSWORD} characters");
            Err(Refusal::field("password", message))
        }
        Field::Value(text) => Ok(Some(Some(
            api.passwords.hash(Secret::new(text.as_str())).await?,
        ))),
    }
}

/// List users
#[utoipa::path(get, path = "/users", tag = "users", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<UserView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let page = query.page(state.users().values(), &FIELDS, |user| {
        UserView::of(user, relations)
    })?;
    Ok(axum::Json(page).into_response())
}

/// Create a user
#[utoipa::path(post, path = "/users", tag = "users", request_body = UserBody, security(("token" = [])),
    responses((status = 201, body = UserView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<UserBody>,
) -> Result<Response, Refusal> {
    if body.firstname.is_missing() {
        return Err(Refusal::field("firstname", "is missing; a user needs one"));
    }
    let hash = password_hash(&api, &body.password).await?;
    let mut user = User {
        uuid: Generator::new()?.uuid(),
        ..User::default()
    };
    user.password_hash = hash.flatten();
    body.write(&mut user)?;
    let ResourceKey::User(id) = write::create(api.plane(), Resource::User(user)).await? else {
        return Err(Refusal::not_found("User", "id", "?"));
    };
    let state = api.plane.state();
    let user = state
        .users()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("User", "id", id))?;
    let view = UserView::of(
        user,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(Created(base.of(&format!("users/{id}")), view).into_response())
}

/// Show a user
#[utoipa::path(get, path = "/users/{user_id}", tag = "users", security(("token" = [])),
    params(("user_id" = String, Path, description = "Number or uuid")),
    responses((status = 200, body = UserView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(key): Id<UserKey>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let view = UserView::of(
        key.find(&state)?,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(axum::Json(view).into_response())
}

/// Change fields of a user
#[utoipa::path(put, path = "/users/{user_id}", tag = "users", request_body = UserBody, security(("token" = [])),
    params(("user_id" = String, Path, description = "Number or uuid")),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(key): Id<UserKey>,
    Body(body): Body<UserBody>,
) -> Result<Done, Refusal> {
    key.find(&api.plane.state())?;
    let hash = password_hash(&api, &body.password).await?;
    write::update(api.plane(), |state| {
        let mut user = (**key.find(state)?).clone();
        body.clone().write(&mut user)?;
        if let Some(hash) = &hash {
            user.password_hash.clone_from(hash);
        }
        Ok(Resource::User(user))
    })
    .await?;
    Ok(Done)
}

/// Delete a user, who must have no line
#[utoipa::path(delete, path = "/users/{user_id}", tag = "users", security(("token" = [])),
    params(("user_id" = String, Path, description = "Number or uuid")),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(key): Id<UserKey>) -> Result<Done, Refusal> {
    let id = key.find(&api.plane.state())?.id;
    write::delete(api.plane(), ResourceKey::User(id)).await?;
    Ok(Done)
}
