use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    AccountCommand, Administrator, AdministratorId, Command, Resource, ResourceKey, Secret,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::{Base, Caller, Id};
use crate::fields::{Field, body};
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::{time, write};

/// Administrators can do everything: their passwords are longer than those of users.
const MIN_PASSWORD: usize = 8;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(log_out))
}

/// An administrator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Administrator)]
struct AdministratorView {
    id: u32,
    username: String,
    enabled: bool,
    created_at: String,
}

const FIELDS: [&str; 4] = ["id", "username", "enabled", "created_at"];

impl AdministratorView {
    fn of(administrator: &Administrator) -> Self {
        Self {
            id: administrator.id.0,
            username: administrator.username.clone(),
            enabled: administrator.enabled,
            created_at: time::rfc3339(administrator.created_at_ms),
        }
    }
}

body! {
    /// What can be said of an administrator.
    struct AdministratorBody {
        username: String,
        /// At least eight characters.
        password: String,
        enabled: bool,
    }
}

impl Shape for AdministratorBody {
    const READ_ONLY: &'static [&'static str] = &["id", "created_at"];
}

impl AdministratorBody {
    async fn password_hash(&self, api: &Api) -> Result<Option<Secret>, Refusal> {
        match &self.password {
            Field::Missing => Ok(None),
            Field::Value(text) if text.chars().count() >= MIN_PASSWORD => {
                Ok(Some(api.passwords.hash(Secret::new(text.as_str())).await?))
            }
            Field::Null | Field::Value(_) => {
                let message = format!("is too short; use at least {MIN_PASSWORD} characters");
                Err(Refusal::field("password", message))
            }
        }
    }

    fn write(self, hash: Option<Secret>, administrator: &mut Administrator) -> Result<(), Refusal> {
        self.username
            .required_into("username", &mut administrator.username)?;
        self.enabled
            .or_default_into(&mut administrator.enabled, true);
        if let Some(hash) = hash {
            administrator.password_hash = hash;
        }
        Ok(())
    }
}

/// List administrators
#[utoipa::path(get, path = "/administrators", tag = "administrators", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<AdministratorView>)))]
async fn list(State(api): State<Arc<Api>>, query: ListQuery) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let page = query.page(state.administrators().values(), &FIELDS, |account| {
        AdministratorView::of(account)
    })?;
    Ok(axum::Json(page).into_response())
}

/// Create an administrator
#[utoipa::path(post, path = "/administrators", tag = "administrators", request_body = AdministratorBody,
    security(("token" = [])),
    responses((status = 201, body = AdministratorView), (status = 400, description = "A wrong field, in `errors`")))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<AdministratorBody>,
) -> Result<Response, Refusal> {
    let hash = body.password_hash(&api).await?;
    let hash = hash
        .ok_or_else(|| Refusal::field("password", "is missing; give at least eight characters"))?;
    let mut administrator = Administrator::default();
    body.write(Some(hash), &mut administrator)?;
    let key = write::create(api.plane(), Resource::Administrator(administrator)).await?;
    let id = AdministratorId(key.number());
    let state = api.plane.state();
    let account = state
        .administrators()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("Administrator", "id", id))?;
    Ok(Created(
        base.of(&format!("administrators/{id}")),
        AdministratorView::of(account),
    )
    .into_response())
}

/// Show an administrator
#[utoipa::path(get, path = "/administrators/{administrator_id}", tag = "administrators",
    params(("administrator_id" = u32, Path)), security(("token" = [])),
    responses((status = 200, body = AdministratorView), (status = 404, description = "No such administrator")))]
async fn show(
    State(api): State<Arc<Api>>,
    Id(id): Id<AdministratorId>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let account = state
        .administrators()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("Administrator", "id", id))?;
    Ok(axum::Json(AdministratorView::of(account)).into_response())
}

/// Change an administrator; a new password ends all of the account's tokens
#[utoipa::path(put, path = "/administrators/{administrator_id}", tag = "administrators",
    params(("administrator_id" = u32, Path)), request_body = AdministratorBody, security(("token" = [])),
    responses((status = 204), (status = 400, description = "A wrong field, in `errors`"),
        (status = 409, description = "The last enabled administrator must stay")))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<AdministratorId>,
    Body(body): Body<AdministratorBody>,
) -> Result<Done, Refusal> {
    let hash = body.password_hash(&api).await?;
    write::update(api.plane(), |state| {
        let known = state
            .administrators()
            .get(&id)
            .ok_or_else(|| Refusal::not_found("Administrator", "id", id))?;
        let mut administrator = (**known).clone();
        body.clone().write(hash.clone(), &mut administrator)?;
        Ok(Resource::Administrator(administrator))
    })
    .await?;
    Ok(Done)
}

/// Delete an administrator
#[utoipa::path(delete, path = "/administrators/{administrator_id}", tag = "administrators",
    params(("administrator_id" = u32, Path)), security(("token" = [])),
    responses((status = 204), (status = 404, description = "No such administrator"),
        (status = 409, description = "The last enabled administrator must stay")))]
async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<AdministratorId>,
) -> Result<Done, Refusal> {
    if caller.administrator == id {
        return Err(Refusal::field(
            "id",
            "is your own account; let another administrator delete it",
        ));
    }
    write::delete(api.plane(), ResourceKey::Administrator(id)).await?;
    Ok(Done)
}

/// End the token of this request
#[utoipa::path(post, path = "/logout", tag = "administrators", security(("token" = [])), responses((status = 204)))]
async fn log_out(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Done, Refusal> {
    write::done(
        api.plane(),
        Command::Account(AccountCommand::RevokeToken { hash: caller.token }),
    )
    .await?;
    Ok(Done)
}
