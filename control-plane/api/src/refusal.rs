//! Refusals. They say which field and what would do; how they look depends on the path that was asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carillon_model::{Rejection, RejectionKind};

use crate::PlaneError;

/// Where in a request something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A field of the body.
    Body(String),
    /// A query parameter.
    Query(String),
    /// A part of the path.
    Path(String),
    /// A header.
    Header(&'static str),
    /// The request as such.
    Request,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// What sort of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Input,
    NotFound,
    /// Another resource is in the way.
    Resource,
    Unauthorized,
    MethodNotAllowed,
    NotAcceptable,
    TooLarge,
    TooSlow,
    UnsupportedMediaType,
    TooManyRequests,
    Internal,
    Unavailable,
    Unknown,
}

impl Kind {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Input => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Resource => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// As the configuration interface begins its sentences.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Input => "Input Error",
            Self::NotFound => "Resource Not Found",
            Self::Resource => "Resource Error",
            Self::Unauthorized => "Unauthorized",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::NotAcceptable => "Not Acceptable",
            Self::TooLarge => "Payload Too Large",
            Self::TooSlow => "Request Timeout",
            Self::UnsupportedMediaType => "Unsupported Media Type",
            Self::TooManyRequests => "Too Many Requests",
            Self::Internal => "Internal Error",
            Self::Unavailable => "Service Unavailable",
            Self::Unknown => "Outcome Unknown",
        }
    }
}

/// An answer that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) faults: Vec<Fault>,
    pub(crate) retry_after_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(kind: Kind, place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            faults: vec![Fault { place, message }],
            retry_after_s: None,
        }
    }

    /// A wrong field of the body.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Input, Place::Body(field.to_owned()), message)
    }

    /// A wrong query parameter.
    pub(crate) fn query(parameter: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Input, Place::Query(parameter.to_owned()), message)
    }

    /// Nothing has this id.
    pub(crate) fn not_found(resource: &str, field: &str, value: impl std::fmt::Display) -> Self {
        let message = format!("{resource} was not found ('{field}': '{value}')");
        Self::new(Kind::NotFound, Place::Path(field.to_owned()), message)
    }

    pub(crate) fn retry_after_s(self, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let kind = match rejection.kind {
            RejectionKind::Input => Kind::Input,
            RejectionKind::NotFound => Kind::NotFound,
            RejectionKind::Conflict
            | RejectionKind::InUse
            | RejectionKind::Stale
            | RejectionKind::Limit => Kind::Resource,
        };
        Self::new(kind, Place::Body(rejection.field), rejection.message)
    }
}

impl From<PlaneError> for Refusal {
    fn from(error: PlaneError) -> Self {
        let (kind, message, retry_after_s) = match error {
            PlaneError::NoQuorum => (
                Kind::Unavailable,
                "nothing was written: this node does not reach a majority of the control nodes; \
                 repeat it later or at another node"
                    .to_owned(),
                Some(1),
            ),
            PlaneError::Unknown => (
                Kind::Unknown,
                "the cluster did not answer in time; it may have been written or not: read before \
                 you repeat it"
                    .to_owned(),
                None,
            ),
            PlaneError::Overloaded => (
                Kind::Unavailable,
                "nothing was written: too many writes are waiting at this node; repeat it later"
                    .to_owned(),
                Some(1),
            ),
            PlaneError::Stopped(why) => (
                Kind::Unavailable,
                format!("nothing was written: this node is out of duty ({why}); use another node"),
                Some(5),
            ),
            PlaneError::Refused(why) => (Kind::Resource, why, None),
        };
        Self {
            retry_after_s,
            ..Self::new(kind, Place::Request, message)
        }
    }
}

impl IntoResponse for Refusal {
    /// Only a note for the outermost layer, which knows how the asked path puts it.
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
