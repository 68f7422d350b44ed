//! Lines.

use serde::{Deserialize, Serialize};

use crate::{EndpointId, ExtensionId, LineId, SiteId, UserId};

/// What a user calls with: a place in a context, numbers, and an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Number of the line.
    pub id: LineId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// Name of the context in which the line dials.
    pub context: String,
    /// Which account of the device this is.
    pub position: u32,
    /// Name shown to the called, over the user's.
    pub caller_id_name: Option<String>,
    /// Number shown to the called, over the line's first extension.
    pub caller_id_num: Option<String>,
    /// Six digits by which a phone takes this line over.
    pub provisioning_code: Option<String>,
    /// Registrar set of the provisioning.
    pub registrar: Option<String>,
    /// Where its phones usually are; else their address decides.
    pub site: Option<SiteId>,
    /// Its credentials.
    pub endpoint_sip: Option<EndpointId>,
    /// Its users, the main one first.
    pub users: Vec<UserId>,
    /// Its numbers, the main one first.
    pub extensions: Vec<ExtensionId>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            id: LineId(0),
            revision: 0,
            context: String::new(),
            position: 1,
            caller_id_name: None,
            caller_id_num: None,
            provisioning_code: None,
            registrar: None,
            site: None,
            endpoint_sip: None,
            users: Vec::new(),
            extensions: Vec::new(),
        }
    }
}
