use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::Base;

/// Where a resource lies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    /// What lies there, as `users`.
    rel: &'static str,
    /// The address.
    href: String,
}

impl Link {
    pub(crate) fn of(
        base: &Base,
        rel: &'static str,
        path: &str,
        id: impl std::fmt::Display,
    ) -> Vec<Self> {
        vec![Self {
            rel,
            href: base.of(&format!("{path}/{id}")),
        }]
    }
}
