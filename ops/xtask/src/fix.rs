//! `cargo xtask fix`: writes what `verify` would complain about, where a machine can.

use anyhow::Result;

use crate::cargo::Cargo;
use crate::tidy;
use crate::verify;
use crate::workspace::Workspace;

pub(crate) fn fix(workspace: &Workspace) -> Result<()> {
    tidy::write_bans(workspace)?;
    let cargo = Cargo::with_rocksdb(workspace)?;
    cargo.run(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ])?;
    cargo.run(&["fmt", "--all"])?;
    verify::write_openapi(workspace)
}
