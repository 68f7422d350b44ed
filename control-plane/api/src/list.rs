//! Lists: search, exact filters, order, and a page of what is left.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::refusal::Refusal;

/// Rows of one page, however many are asked.
const MAX_LIMIT: usize = 10_000;
/// Parameters of other systems that change nothing here.
const WITHOUT_EFFECT: [&str; 2] = ["recurse", "view"];

/// What a list shows.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(
    dead_code,
    reason = "the description of the parameters; ListQuery reads them"
)]
pub(crate) struct ListParameters {
    /// Only rows that have this text in a field.
    search: Option<String>,
    /// The field to sort by.
    order: Option<String>,
    /// `asc` or `desc`.
    direction: Option<String>,
    /// At most so many rows.
    limit: Option<usize>,
    /// How many rows to pass over.
    offset: Option<usize>,
    /// The same as `offset`, as older clients call it.
    skip: Option<usize>,
}

/// The parameters of a list, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListQuery {
    search: Option<String>,
    order: Option<String>,
    descending: bool,
    limit: Option<usize>,
    offset: usize,
    /// Exact filters: field and value.
    filters: Vec<(String, String)>,
}

/// Rows and how many there are in all.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// How many match, on this page or not.
    pub(crate) total: usize,
    /// Those of this page.
    pub(crate) items: Vec<T>,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl ListQuery {
    fn parse(query: &str) -> Result<Self, Refusal> {
        let mut list = Self::default();
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "search" => {
                    list.search = Some(value.to_lowercase()).filter(|text| !text.is_empty())
                }
                "order" => list.order = Some(value),
                "direction" => {
                    list.descending = match value.to_ascii_lowercase().as_str() {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err(Refusal::query("direction", "must be asc or desc")),
                    }
                }
                "limit" => list.limit = Some(number("limit", &value)?.min(MAX_LIMIT)),
                "offset" | "skip" => list.offset = number(&name, &value)?,
                other if WITHOUT_EFFECT.contains(&other) => {}
                _ => list.filters.push((name, value)),
            }
        }
        Ok(list)
    }

    /// Takes a filter away that the caller handles itself.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.filters.iter().position(|(filter, _)| filter == name)?;
        Some(self.filters.remove(at).1)
    }

    /// How many rows to show if the request does not say.
    pub(crate) fn default_limit(&mut self, limit: usize) {
        self.limit.get_or_insert(limit);
    }

    /// Whether rows can be counted off without looking into them.
    fn is_plain(&self) -> bool {
        self.search.is_none() && self.order.is_none() && self.filters.is_empty() && !self.descending
    }

    /// The page of these rows. `fields` are the names that `order` and filters may have.
    pub(crate) fn page<R, V: Serialize>(
        &self,
        rows: impl Iterator<Item = R>,
        fields: &[&str],
        view: impl Fn(R) -> V,
    ) -> Result<Page<Value>, Refusal> {
        self.check_names(fields)?;
        let json = |row: R| serde_json::to_value(view(row)).unwrap_or_default();
        let limit = self.limit.unwrap_or(MAX_LIMIT);
        if self.is_plain() {
            let rows: Vec<R> = rows.collect();
            let total = rows.len();
            let items = rows
                .into_iter()
                .skip(self.offset)
                .take(limit)
                .map(json)
                .collect();
            return Ok(Page { total, items });
        }
        let mut matching: Vec<Value> = rows.map(json).filter(|row| self.matches(row)).collect();
        if let Some(order) = &self.order {
            matching.sort_by(|one, two| compare(&one[order], &two[order]));
        }
        if self.descending {
            matching.reverse();
        }
        let total = matching.len();
        let items = matching.into_iter().skip(self.offset).take(limit).collect();
        Ok(Page { total, items })
    }

    fn check_names(&self, fields: &[&str]) -> Result<(), Refusal> {
        let known = || fields.join(", ");
        if let Some(order) = self
            .order
            .as_deref()
            .filter(|order| !fields.contains(order))
        {
            let message = format!("there is no field '{order}'; known are {}", known());
            return Err(Refusal::query("order", message));
        }
        match self
            .filters
            .iter()
            .find(|(name, _)| !fields.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Refusal::query(
                name,
                format!("there is no such field; known are {}", known()),
            )),
            None => Ok(()),
        }
    }

    fn matches(&self, row: &Value) -> bool {
        let filtered = self
            .filters
            .iter()
            .all(|(field, wanted)| match &row[field] {
                Value::String(text) => text == wanted,
                Value::Bool(flag) => flag.to_string() == wanted.to_ascii_lowercase(),
                Value::Number(number) => number.to_string() == *wanted,
                Value::Null => wanted.is_empty(),
                Value::Array(_) | Value::Object(_) => false,
            });
        filtered
            && self
                .search
                .as_deref()
                .is_none_or(|text| has_text(row, text))
    }
}

/// Reads a query string into its pairs.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let uri = axum::http::Uri::builder()
        .path_and_query(format!("/?{query}"))
        .build();
    let uri = uri.map_err(|_| Refusal::query("query", "is malformed"))?;
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map(|pairs| pairs.0)
        .map_err(|_| Refusal::query("query", "is malformed"))
}

pub(crate) fn number(name: &str, text: &str) -> Result<usize, Refusal> {
    text.parse()
        .map_err(|_| Refusal::query(name, "must be a number of at least 0"))
}

/// Fields whose text nobody means when they search.
const NOT_SEARCHED: [&str; 5] = ["uuid", "links", "secret", "href", "auth_section_options"];

fn has_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.to_lowercase().contains(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, text)),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| !NOT_SEARCHED.contains(&name.as_str()) && has_text(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Numbers by size, texts without case, nothing last.
fn compare(one: &Value, two: &Value) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    match (one, two) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Number(one), Value::Number(two)) => {
            let size = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
            size(one).total_cmp(&size(two))
        }
        (Value::String(one), Value::String(two)) => one.to_lowercase().cmp(&two.to_lowercase()),
        _ => one.to_string().cmp(&two.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(query: &str) -> Result<Vec<u64>, Refusal> {
        let rows = [(1, "Alice", true), (2, "bob", false), (3, "Carol", true)];
        let view = |(id, name, enabled)| serde_json::json!({"id": id, "name": name, "enabled": enabled, "secret": "bob"});
        let page =
            ListQuery::parse(query)?.page(rows.into_iter(), &["id", "name", "enabled"], view)?;
        Ok(page
            .items
            .iter()
            .filter_map(|row| row["id"].as_u64())
            .collect())
    }

    #[test]
    fn lists_are_searched_filtered_ordered_and_cut() {
        assert_eq!(ids("").unwrap(), [1, 2, 3]);
        assert_eq!(ids("limit=1&offset=1").unwrap(), [2]);
        assert_eq!(ids("limit=1&skip=2").unwrap(), [3]);
        assert_eq!(ids("search=O").unwrap(), [2, 3]);
        assert_eq!(ids("search=bob").unwrap(), [2], "secrets are not searched");
        assert_eq!(ids("order=name&direction=desc").unwrap(), [3, 2, 1]);
        assert_eq!(ids("enabled=True").unwrap(), [1, 3]);
        assert_eq!(ids("name=Alice&recurse=true").unwrap(), [1]);
        assert_eq!(ids("name=alice").unwrap(), Vec::<u64>::new());
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (query, parameter) in [
            ("limit=many", "limit"),
            ("offset=-1", "offset"),
            ("direction=up", "direction"),
            ("order=size", "order"),
            ("colour=red", "colour"),
        ] {
            let refusal = ids(query).unwrap_err();
            assert_eq!(
                refusal.faults[0].place,
                crate::refusal::Place::Query(parameter.to_owned())
            );
        }
    }
}
