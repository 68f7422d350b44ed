//! Answers as tables for people or as JSON for programs.

use anyhow::Result;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::client::Client;
use crate::command::Output;
use crate::print::print_line;

/// A list: where it is, and which of its fields are columns. A column's field may be a path into nested objects.
pub(crate) struct Listing {
    path: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

pub(crate) const USERS: Listing = Listing {
    path: "/1.1/users",
    columns: &[
        ("ID", "/id"),
        ("FIRST NAME", "/firstname"),
        ("LAST NAME", "/lastname"),
        ("EMAIL", "/email"),
        ("ENABLED", "/enabled"),
    ],
};

pub(crate) const LINES: Listing = Listing {
    path: "/1.1/lines",
    columns: &[
        ("ID", "/id"),
        ("NUMBER", "/extensions/0/exten"),
        ("CONTEXT", "/context"),
        ("SIP USER", "/endpoint_sip/username"),
        ("FIRST NAME", "/users/0/firstname"),
        ("LAST NAME", "/users/0/lastname"),
    ],
};

pub(crate) const REGISTRATIONS: Listing = Listing {
    path: "/api/v1/registrations",
    columns: &[
        ("SIP USER", "/username"),
        ("CONTACT", "/contact"),
        ("NODE", "/node"),
        ("TRANSPORT", "/transport"),
        ("EXPIRES", "/expires_at"),
        ("USER AGENT", "/user_agent"),
    ],
};

pub(crate) const CALLS: Listing = Listing {
    path: "/api/v1/calls",
    columns: &[
        ("ID", "/id"),
        ("FROM", "/caller/number"),
        ("TO", "/callee/number"),
        ("STATE", "/state"),
        ("SINCE", "/started_at"),
        ("NODE", "/owner"),
        ("MEDIA", "/media_server"),
    ],
};

pub(crate) const TRUNKS: Listing = Listing {
    path: "/api/v1/trunks",
    columns: &[
        ("ID", "/id"),
        ("NAME", "/name"),
        ("HOST", "/host"),
        ("REGISTRATION", "/registration"),
        ("CODE", "/code"),
        ("OWNER", "/owner"),
        ("EPOCH", "/epoch"),
        ("CALLS", "/calls"),
        ("LIMIT", "/call_limit"),
    ],
};

pub(crate) const MEDIA: Listing = Listing {
    path: "/api/v1/media-servers",
    columns: &[
        ("ID", "/id"),
        ("NAME", "/name"),
        ("SITE", "/site"),
        ("ADDRESS", "/address"),
        ("WEIGHT", "/weight"),
        ("STATE", "/state"),
        ("CALLS", "/calls"),
    ],
};

pub(crate) const NODES: Listing = Listing {
    path: "/api/v1/nodes",
    columns: &[
        ("ID", "/id"),
        ("NAME", "/name"),
        ("ROLE", "/role"),
        ("ADDRESS", "/address"),
        ("STATE", "/state"),
        ("FLOATING", "/floating"),
        ("HELD BY", "/floating_holder"),
    ],
};

pub(crate) fn list(client: &Client, listing: &Listing, output: Output) -> Result<()> {
    let items = client.items(listing.path)?;
    match output {
        Output::Json => print_line(serde_json::to_string_pretty(&items)?)?,
        Output::Table => print_line(table(listing, &items))?,
    }
    Ok(())
}

pub(crate) fn status(client: &Client, output: Output) -> Result<()> {
    let status = client.get("/api/v1/status")?;
    match output {
        Output::Json => print_line(serde_json::to_string_pretty(&status)?)?,
        Output::Table => {
            let mut table = bare_table();
            rows("", &status, &mut table);
            print_line(table)?;
        }
    }
    Ok(())
}

fn table(listing: &Listing, items: &[Value]) -> Table {
    let mut table = bare_table();
    table.set_header(listing.columns.iter().map(|(name, _)| *name));
    for item in items {
        table.add_row(
            listing
                .columns
                .iter()
                .map(|(_, path)| cell(item.pointer(path))),
        );
    }
    table
}

fn bare_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn rows(name: &str, value: &Value, table: &mut Table) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                rows(&name, value, table);
            }
        }
        Value::Array(items) => {
            for (number, item) in (1..).zip(items) {
                rows(&format!("{name}.{number}"), item, table);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            table.add_row([name.to_owned(), cell(Some(value))]);
        }
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_without_a_user_has_gaps_and_no_error() {
        let lines = [
            json!({"id": 3, "context": "default", "endpoint_sip": {"username": "alice"}, "users": []}),
        ];
        let text = table(&LINES, &lines).to_string();
        assert!(text.contains("alice"), "{text}");
        assert!(text.contains('-'), "{text}");
    }
}
