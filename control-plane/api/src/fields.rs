//! Fields of a body that may be missing, null or set: an update changes only what is there.

use serde::{Deserialize, Deserializer};

use crate::refusal::Refusal;

/// A field of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Field<T> {
    /// Not there: keep what is stored.
    #[default]
    Missing,
    /// `null`: back to the default.
    Null,
    /// This value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(value) => Self::Value(value),
            None => Self::Null,
        })
    }
}

/// A body of [`Field`]s, described as fields that may be missing or null.
macro_rules! body {
    ($(#[$about:meta])* $visible:vis struct $name:ident {
        $($(#[$field_about:meta])* $field_visible:vis $field:ident: $type:ident $(<$of:ident>)?,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
        $visible struct $name {
            $(
                $(#[$field_about])*
                #[serde(default)]
                #[schema(value_type = Option<$type $(<$of>)?>)]
                $field_visible $field: $crate::fields::Field<$type $(<$of>)?>,
            )*
        }
    };
}

pub(crate) use body;

impl<T> Field<T> {
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Null => None,
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Into a field that can be empty.
    pub(crate) fn into_optional(self, target: &mut Option<T>) {
        match self {
            Self::Missing => {}
            Self::Null => *target = None,
            Self::Value(value) => *target = Some(value),
        }
    }

    /// Into a field that has a default.
    pub(crate) fn or_default_into(self, target: &mut T, default: T) {
        match self {
            Self::Missing => {}
            Self::Null => *target = default,
            Self::Value(value) => *target = value,
        }
    }

    /// Into a field that must have a value.
    pub(crate) fn required_into(self, name: &str, target: &mut T) -> Result<(), Refusal> {
        match self {
            Self::Missing => Ok(()),
            Self::Null => Err(Refusal::field(
                name,
                "cannot be null; give a value or leave it out",
            )),
            Self::Value(value) => {
                *target = value;
                Ok(())
            }
        }
    }
}

impl Field<String> {
    /// Into a text that can be empty: an empty text is no text.
    pub(crate) fn into_text(self, target: &mut Option<String>) {
        match self {
            Self::Value(text) if text.is_empty() => *target = None,
            field => field.into_optional(target),
        }
    }
}
