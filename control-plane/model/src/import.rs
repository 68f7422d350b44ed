//! Users by the table: each row a user with what belongs to it.

use serde::{Deserialize, Serialize};

use crate::{EndpointId, ExtensionId, LineId, Rejection, SipEndpoint, User, UserId};

/// Rows of one import.
pub const MAX_IMPORT_ROWS: usize = 5_000;

/// Whether rows make users or change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportMode {
    /// Every row is a new user.
    Create,
    /// Every row names a user by its uuid.
    Update,
}

/// One row. On creation everything present is made and linked; on update everything present replaces what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportRow {
    /// Its number in the file, from 1.
    pub row_number: u32,
    /// The user; on update whole, with the revision it was read at.
    pub user: User,
    /// Context of the line; needed with any of what follows.
    pub context: Option<String>,
    /// The line's number.
    pub exten: Option<String>,
    /// Six digits by which a phone takes the line over.
    pub provisioning_code: Option<String>,
    /// The line's credentials.
    pub endpoint: Option<SipEndpoint>,
    /// A number from outside that leads to the line.
    pub incall_exten: Option<String>,
    /// The context of that number.
    pub incall_context: Option<String>,
}

/// What a row made or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Imported {
    /// The row.
    pub row_number: u32,
    /// Its user.
    pub user: UserId,
    /// The same.
    pub user_uuid: String,
    /// Its line.
    pub line: Option<LineId>,
    /// Its number.
    pub extension: Option<ExtensionId>,
    /// Its credentials.
    pub endpoint: Option<EndpointId>,
    /// Its number from outside.
    pub incall_extension: Option<ExtensionId>,
}

/// Why a row was refused, and with it the whole import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The row.
    pub row_number: u32,
    /// Why.
    pub rejection: Rejection,
}
