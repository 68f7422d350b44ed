//! Bodies. A field that a body does not have is refused, and named; fields that the interface only shows are passed
//! over, so that what was read can be sent back.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde_json::{Map, Value};

use crate::refusal::{Kind, Place, Refusal};

/// Octets of a JSON body.
pub(crate) const MAX_JSON_BYTES: usize = 1024 * 1024;
/// A body takes no longer than this: a place among the connections is not for ever.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// Octets of a CSV body.
pub(crate) const MAX_CSV_BYTES: usize = 16 * 1024 * 1024;

/// What a body may have.
pub(crate) trait Shape: DeserializeOwned {
    /// Fields that answers have and bodies cannot set.
    const READ_ONLY: &'static [&'static str] = &[];
    /// Fields that other systems of this interface have and this one has not: refused unless they are empty.
    const ABSENT: &'static [&'static str] = &[];
}

/// A JSON body of this shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: Shape, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let media_type = content_type(&request);
        let json = media_type == "application/json" || media_type.ends_with("+json");
        if !json {
            return Err(unsupported("application/json"));
        }
        let bytes = read(request, MAX_JSON_BYTES).await?;
        parse(&bytes).map(Body)
    }
}

/// A JSON body of this shape, or none at all, which says nothing: an association needs no body.
pub(crate) struct BodyOrNone<T>(pub(crate) T);

impl<T: Shape + Default, S: Send + Sync> FromRequest<S> for BodyOrNone<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = read(request, MAX_JSON_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse(&bytes).map(Self)
    }
}

/// A CSV body.
pub(crate) struct Csv(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Csv {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if content_type(&request) != "text/csv" {
            return Err(unsupported("text/csv; charset=utf-8"));
        }
        Ok(Self(read(request, MAX_CSV_BYTES).await?))
    }
}

fn content_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn unsupported(wanted: &str) -> Refusal {
    let message = format!("must be {wanted}");
    Refusal::new(
        Kind::UnsupportedMediaType,
        Place::Header("Content-Type"),
        message,
    )
}

/// Reads a body up to a limit.
pub(crate) async fn read(request: Request, limit: usize) -> Result<Vec<u8>, Refusal> {
    let reading = axum::body::to_bytes(request.into_body(), limit);
    let bytes = tokio::time::timeout(BODY_WITHIN, reading)
        .await
        .map_err(|_| {
            let message = format!("the body did not come within {} s", BODY_WITHIN.as_secs());
            Refusal::new(Kind::TooSlow, Place::Request, message)
        })?;
    bytes.map(Into::into).map_err(|error| {
        let message = format!("the body could not be read, or has more than {limit} octets");
        tracing::debug!(%error, "body not read");
        Refusal::new(Kind::TooLarge, Place::Request, message)
    })
}

/// Reads JSON of this shape.
pub(crate) fn parse<T: Shape>(bytes: &[u8]) -> Result<T, Refusal> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Refusal::new(
            Kind::Input,
            Place::Request,
            format!("the body is no JSON: {error}"),
        )
    })?;
    let Value::Object(mut fields) = value else {
        let message = "the body must be a JSON object";
        return Err(Refusal::new(Kind::Input, Place::Request, message));
    };
    drop_read_only::<T>(&mut fields)?;
    let known = fields_of::<T>();
    let mut unknown = fields
        .keys()
        .filter(|field| !known.contains(&field.as_str()));
    if let Some(first) = unknown.next() {
        let faults = std::iter::once(first)
            .chain(unknown)
            .map(|field| crate::refusal::Fault {
                place: Place::Body(field.clone()),
                message: format!("is unknown; known are {}", known.join(", ")),
            });
        return Err(Refusal {
            kind: Kind::Input,
            faults: faults.collect(),
            retry_after_s: None,
        });
    }
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        Refusal::field(&path, error.into_inner().to_string())
    })
}

fn drop_read_only<T: Shape>(fields: &mut Map<String, Value>) -> Result<(), Refusal> {
    for field in T::READ_ONLY {
        fields.remove(*field);
    }
    for field in T::ABSENT {
        if fields.remove(*field).is_some_and(|value| !is_empty(&value)) {
            return Err(Refusal::field(field, "is not supported yet; leave it out"));
        }
    }
    Ok(())
}

/// `null`, `false`, `[]`, and objects of such values say nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

/// The names of a struct's fields, as it tells them to a deserializer.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Names<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only the names are asked"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    // It fails by intention, after it has told the names.
    let _ = T::deserialize(Names(&mut names));
    names
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::fields::Field;

    #[derive(Deserialize, Default, Debug)]
    #[serde(default)]
    struct Pet {
        name: Field<String>,
        legs: Field<u32>,
    }

    impl Shape for Pet {
        const READ_ONLY: &'static [&'static str] = &["id"];
        const ABSENT: &'static [&'static str] = &["wings"];
    }

    fn refused(text: &str) -> Vec<Place> {
        let refusal = parse::<Pet>(text.as_bytes()).unwrap_err();
        refusal
            .faults
            .into_iter()
            .map(|fault| fault.place)
            .collect()
    }

    #[test]
    fn missing_null_and_set_are_three_things() {
        let pet: Pet = parse(br#"{"id": 5, "legs": null, "wings": []}"#).unwrap();
        assert_eq!((pet.name, pet.legs), (Field::Missing, Field::Null));
        let pet: Pet = parse(br#"{"legs": 4}"#).unwrap();
        assert_eq!(pet.legs, Field::Value(4));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let body = |field: &str| Place::Body(field.to_owned());
        assert_eq!(refused(r#"{"legs": "four"}"#), [body("legs")]);
        assert_eq!(
            refused(r#"{"tail": 1, "fur": 2}"#),
            [body("fur"), body("tail")]
        );
        assert_eq!(refused(r#"{"wings": 2}"#), [body("wings")]);
        assert_eq!(refused("[]"), [Place::Request]);
        assert_eq!(refused("{"), [Place::Request]);
    }
}
