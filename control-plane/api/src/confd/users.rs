use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{Resource, ResourceKey, Secret, State as Replica, Table, User, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection};
use super::relations::{LineRelation, Relations};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id, UserKey};
use crate::fields::{Field, body};
use crate::generate::Generator;
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

impl Collection for User {
    type Id = UserId;
    type View = UserView;
    type Body = UserBody;

    const NAME: &'static str = "User";
    const PATH: &'static str = "users";
    const FIELDS: &'static [&'static str] = &[
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

    fn all(state: &Replica) -> &Table<UserId, Self> {
        state.users()
    }

    fn id(number: u32) -> UserId {
        UserId(number)
    }

    fn key(id: UserId) -> ResourceKey {
        ResourceKey::User(id)
    }

    fn into_resource(self) -> Resource {
        Resource::User(self)
    }

    fn view(&self, relations: Relations<'_>) -> UserView {
        UserView {
            id: self.id.0,
            caller_id: Some(
                self.caller_id
                    .clone()
                    .unwrap_or_else(|| format!("\"{}\"", self.full_name())),
            ),
            outgoing_caller_id: Some(
                self.outgoing_caller_id
                    .clone()
                    .unwrap_or_else(|| "default".to_owned()),
            ),
            password: None,
            call_permission_password: self
                .call_permission_password
                .as_ref()
                .map(|code| code.expose().to_owned()),
            call_record_enabled: self.call_record_outgoing_external_enabled
                && self.call_record_outgoing_internal_enabled
                && self.call_record_incoming_external_enabled
                && self.call_record_incoming_internal_enabled,
            lines: relations.lines(&self.lines),
            links: Link::of(relations.base, "users", "users", self.id),
            uuid: self.uuid.clone(),
            firstname: self.firstname.clone(),
            lastname: self.lastname.clone(),
            email: self.email.clone(),
            timezone: self.timezone.clone(),
            language: self.language.clone(),
            description: self.description.clone(),
            mobile_phone_number: self.mobile_phone_number.clone(),
            username: self.username.clone(),
            music_on_hold: self.music_on_hold.clone(),
            preprocess_subroutine: self.preprocess_subroutine.clone(),
            userfield: self.userfield.clone(),
            subscription_type: self.subscription_type,
            labels: self.labels.clone(),
            ring_seconds: self.ring_seconds,
            simultaneous_calls: self.simultaneous_calls,
            supervision_enabled: self.supervision_enabled,
            call_transfer_enabled: self.call_transfer_enabled,
            dtmf_hangup_enabled: self.dtmf_hangup_enabled,
            call_record_outgoing_external_enabled: self.call_record_outgoing_external_enabled,
            call_record_outgoing_internal_enabled: self.call_record_outgoing_internal_enabled,
            call_record_incoming_external_enabled: self.call_record_incoming_external_enabled,
            call_record_incoming_internal_enabled: self.call_record_incoming_internal_enabled,
            online_call_record_enabled: self.online_call_record_enabled,
            enabled: self.enabled,
        }
    }

    /// All but the password: whoever has the body hashes that.
    fn write(&mut self, body: UserBody) -> Result<(), Refusal> {
        let blank = Self::default();
        body.firstname
            .required_into("firstname", &mut self.firstname)?;
        body.lastname.into_text(&mut self.lastname);
        body.email.into_text(&mut self.email);
        body.timezone.into_text(&mut self.timezone);
        body.language.into_text(&mut self.language);
        body.description.into_text(&mut self.description);
        body.caller_id.into_text(&mut self.caller_id);
        body.outgoing_caller_id
            .into_text(&mut self.outgoing_caller_id);
        body.mobile_phone_number
            .into_text(&mut self.mobile_phone_number);
        body.username.into_text(&mut self.username);
        body.music_on_hold.into_text(&mut self.music_on_hold);
        body.preprocess_subroutine
            .into_text(&mut self.preprocess_subroutine);
        body.userfield.into_text(&mut self.userfield);
        let mut code = self
            .call_permission_password
            .take()
            .map(|code| code.expose().to_owned());
        body.call_permission_password.into_text(&mut code);
        self.call_permission_password = code.map(Secret::new);
        body.subscription_type
            .into_optional(&mut self.subscription_type);
        body.labels.or_default_into(&mut self.labels, blank.labels);
        body.ring_seconds
            .or_default_into(&mut self.ring_seconds, blank.ring_seconds);
        body.simultaneous_calls
            .or_default_into(&mut self.simultaneous_calls, blank.simultaneous_calls);
        body.supervision_enabled
            .or_default_into(&mut self.supervision_enabled, blank.supervision_enabled);
        body.call_transfer_enabled
            .or_default_into(&mut self.call_transfer_enabled, false);
        body.dtmf_hangup_enabled
            .or_default_into(&mut self.dtmf_hangup_enabled, false);
        let records = [
            (
                &mut self.call_record_outgoing_external_enabled,
                body.call_record_outgoing_external_enabled,
            ),
            (
                &mut self.call_record_outgoing_internal_enabled,
                body.call_record_outgoing_internal_enabled,
            ),
            (
                &mut self.call_record_incoming_external_enabled,
                body.call_record_incoming_external_enabled,
            ),
            (
                &mut self.call_record_incoming_internal_enabled,
                body.call_record_incoming_internal_enabled,
            ),
        ];
        for (flag, own) in records {
            body.call_record_enabled
                .clone()
                .or_default_into(flag, false);
            own.or_default_into(flag, false);
        }
        body.online_call_record_enabled
            .or_default_into(&mut self.online_call_record_enabled, false);
        body.enabled.or_default_into(&mut self.enabled, true);
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
    collection::list::<User>(&api, &base, &query)
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
    user.write(body)?;
    collection::create(&api, &base, user).await
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
    let id = key.find(&api.plane.state())?.id;
    collection::show::<User>(&api, &base, id)
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
        user.write(body.clone())?;
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
    collection::delete::<User>(&api, id).await
}
