//! The columns of the users' table.

use crate::refusal::Refusal;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A field of the user, as text.
    Text,
    /// A field of the user, 0 or 1.
    Flag,
    /// A field of the user, a number.
    Number,
    /// A field of the user, texts with `;` between.
    Texts,
    /// Something of the row's line, or the user's uuid.
    Special,
    /// Of other systems; without effect.
    Ignored,
    /// Of other systems; must be empty.
    Absent,
}

/// All columns that a table may have. The first ones are written by an export, in this order.
pub(super) const COLUMNS: [(&str, Column); 53] = [
    ("uuid", Column::Special),
    ("firstname", Column::Text),
    ("lastname", Column::Text),
    ("email", Column::Text),
    ("language", Column::Text),
    ("timezone", Column::Text),
    ("description", Column::Text),
    ("caller_id", Column::Text),
    ("outgoing_caller_id", Column::Text),
    ("mobile_phone_number", Column::Text),
    ("username", Column::Text),
    ("password", Column::Text),
    ("music_on_hold", Column::Text),
    ("preprocess_subroutine", Column::Text),
    ("userfield", Column::Text),
    ("call_permission_password", Column::Text),
    ("subscription_type", Column::Number),
    ("labels", Column::Texts),
    ("ring_seconds", Column::Number),
    ("simultaneous_calls", Column::Number),
    ("enabled", Column::Flag),
    ("supervision_enabled", Column::Flag),
    ("call_transfer_enabled", Column::Flag),
    ("dtmf_hangup_enabled", Column::Flag),
    ("call_record_outgoing_external_enabled", Column::Flag),
    ("call_record_outgoing_internal_enabled", Column::Flag),
    ("call_record_incoming_external_enabled", Column::Flag),
    ("call_record_incoming_internal_enabled", Column::Flag),
    ("online_call_record_enabled", Column::Flag),
    ("line_protocol", Column::Special),
    ("provisioning_code", Column::Special),
    ("context", Column::Special),
    ("exten", Column::Special),
    ("sip_username", Column::Special),
    ("sip_secret", Column::Special),
    ("incall_exten", Column::Special),
    ("incall_context", Column::Special),
    ("call_record_enabled", Column::Flag),
    ("entity_id", Column::Ignored),
    ("tenant_uuid", Column::Ignored),
    ("incall_ring_seconds", Column::Absent),
    ("call_permissions", Column::Absent),
    ("cti_profile_name", Column::Absent),
    ("cti_profile_enabled", Column::Absent),
    ("voicemail_name", Column::Absent),
    ("voicemail_number", Column::Absent),
    ("voicemail_context", Column::Absent),
    ("voicemail_password", Column::Absent),
    ("voicemail_email", Column::Absent),
    ("voicemail_attach_audio", Column::Absent),
    ("voicemail_delete_messages", Column::Absent),
    ("voicemail_ask_password", Column::Absent),
    ("webrtc", Column::Absent),
];

/// How many of them an export writes.
pub(super) const EXPORTED: usize = 37;

/// A row: the columns that the file has, with their values.
#[derive(Debug)]
pub(super) struct Row {
    /// From 1.
    pub(super) number: u32,
    pub(super) cells: Vec<(&'static str, Column, String)>,
}

impl Row {
    /// The value of a column, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let cell = self.cells.iter().find(|(column, _, _)| *column == name)?;
        Some(cell.2.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads a table. Only what makes it unreadable as a whole is refused here.
pub(super) fn read(octets: &[u8]) -> Result<Vec<Row>, Refusal> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(octets);
    let header = reader
        .headers()
        .map_err(|error| unreadable(&error))?
        .clone();
    let mut columns = Vec::new();
    for name in &header {
        let Some((name, column)) = COLUMNS.iter().copied().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            let message = format!("there is no such column; known are {}", known.join(", "));
            return Err(Refusal::field(name, message));
        };
        if columns.iter().any(|(other, _)| *other == name) {
            return Err(Refusal::field(name, "this column is there twice"));
        }
        columns.push((name, column));
    }
    let mut rows = Vec::new();
    for (number, record) in (1..).zip(reader.records()) {
        let record = record.map_err(|error| unreadable(&error))?;
        let cells = columns.iter().enumerate();
        let cells = cells
            .map(|(at, (name, column))| (*name, *column, record.get(at).unwrap_or("").to_owned()));
        rows.push(Row {
            number,
            cells: cells.collect(),
        });
        if record.len() != columns.len() {
            let message = format!(
                "row {number} has {} values and the header {}",
                record.len(),
                columns.len()
            );
            return Err(Refusal::field("body", message));
        }
    }
    if rows.is_empty() {
        return Err(Refusal::field(
            "body",
            "the table has no rows; the first line names the columns",
        ));
    }
    Ok(rows)
}

fn unreadable(error: &csv::Error) -> Refusal {
    Refusal::field(
        "body",
        format!("is no table of UTF-8 text with commas: {error}"),
    )
}
