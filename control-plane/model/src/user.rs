//! Users.

use serde::{Deserialize, Serialize};

use crate::{LineId, Secret, UserId};

/// A person, or what is treated as one (a meeting room, a door).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the flags of the configuration interface, one by one"
)]
pub struct User {
    /// Number of the user.
    pub id: UserId,
    /// The same as a lasting name; chosen by who creates the user.
    pub uuid: String,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// Given name.
    pub firstname: String,
    /// Family name.
    pub lastname: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Language of prompts, as `fr_FR`.
    pub language: Option<String>,
    /// Free text for administrators.
    pub description: Option<String>,
    /// What other phones show, as `"Alice Martin"`; empty means from the names.
    pub caller_id: Option<String>,
    /// `default`, `anonymous`, or `"Name" <number>`.
    pub outgoing_caller_id: Option<String>,
    /// Mobile number.
    pub mobile_phone_number: Option<String>,
    /// Login of the user for applications.
    pub username: Option<String>,
    /// Hash of the password that goes with it.
    pub password_hash: Option<Secret>,
    /// Music on hold class.
    pub music_on_hold: Option<String>,
    /// Dialplan subroutine run before the call reaches the user.
    pub preprocess_subroutine: Option<String>,
    /// Free text that goes into the call records.
    pub userfield: Option<String>,
    /// Code that lifts call restrictions.
    pub call_permission_password: Option<Secret>,
    /// Licence class of other systems, kept for them.
    pub subscription_type: Option<u32>,
    /// Free labels.
    pub labels: Vec<String>,
    /// How long the phones ring.
    pub ring_seconds: u32,
    /// Calls at a time.
    pub simultaneous_calls: u32,
    /// Presence is shown to others.
    pub supervision_enabled: bool,
    /// Transfer by DTMF.
    pub call_transfer_enabled: bool,
    /// Hang up by DTMF.
    pub dtmf_hangup_enabled: bool,
    /// Record outgoing calls to outside.
    pub call_record_outgoing_external_enabled: bool,
    /// Record outgoing calls to inside.
    pub call_record_outgoing_internal_enabled: bool,
    /// Record incoming calls from outside.
    pub call_record_incoming_external_enabled: bool,
    /// Record incoming calls from inside.
    pub call_record_incoming_internal_enabled: bool,
    /// Recording on demand.
    pub online_call_record_enabled: bool,
    /// May be called and may call.
    pub enabled: bool,
    /// The user's lines, the main one first.
    pub lines: Vec<LineId>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            id: UserId(0),
            uuid: String::new(),
            revision: 0,
            firstname: String::new(),
            lastname: None,
            email: None,
            timezone: None,
            language: None,
            description: None,
            caller_id: None,
            outgoing_caller_id: None,
            mobile_phone_number: None,
            username: None,
            password_hash: None,
            music_on_hold: None,
            preprocess_subroutine: None,
            userfield: None,
            call_permission_password: None,
            subscription_type: None,
            labels: Vec::new(),
            ring_seconds: 30,
            simultaneous_calls: 5,
            supervision_enabled: true,
            call_transfer_enabled: false,
            dtmf_hangup_enabled: false,
            call_record_outgoing_external_enabled: false,
            call_record_outgoing_internal_enabled: false,
            call_record_incoming_external_enabled: false,
            call_record_incoming_internal_enabled: false,
            online_call_record_enabled: false,
            enabled: true,
            lines: Vec::new(),
        }
    }
}

impl User {
    /// First and last name.
    pub fn full_name(&self) -> String {
        match &self.lastname {
            Some(lastname) if !lastname.is_empty() => format!("{} {lastname}", self.firstname),
            Some(_) | None => self.firstname.clone(),
        }
    }

    /// The name that other phones show: `caller_id` without its quotes and number, else the full name.
    pub fn display_name(&self) -> String {
        let own = self.caller_id.as_deref().map(|text| {
            let name = text.split('<').next().unwrap_or_default();
            name.trim().trim_matches('"').to_owned()
        });
        own.filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.full_name())
    }
}
