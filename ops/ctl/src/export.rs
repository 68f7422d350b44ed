//! `carillon ctl export`: the cluster as a company file.

use anyhow::{Context as _, Result};

use crate::client::Client;
use crate::current::Current;
use crate::print::print_line;

pub(crate) fn run(client: &Client) -> Result<()> {
    let company = Current::read(client)?.company();
    let text = serde_yaml_ng::to_string(&company).context("write the company as YAML")?;
    Ok(print_line(text.trim_end())?)
}
