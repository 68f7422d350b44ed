//! The description that is checked in is the one that is served, and it says what is to be known.

use serde_json::Value;

#[test]
fn the_checked_in_description_is_current() {
    let checked_in = include_str!("../openapi.json");
    assert!(
        checked_in == carillon_api::openapi_json(),
        "openapi.json is not current: cargo run -p carillon-api --example openapi > control-plane/api/openapi.json"
    );
}

#[test]
fn every_operation_has_a_summary_a_tag_and_its_rights() {
    let described: Value = serde_json::from_str(&carillon_api::openapi_json()).unwrap();
    let mut operations = 0;
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["tags"].is_array(), "{method} {path}");
            assert!(operation["security"].is_array(), "{method} {path}");
        }
    }
    assert!(operations > 50, "{operations}");
    let schemas = described["components"]["schemas"].as_object().unwrap();
    for name in [
        "User",
        "Line",
        "SipEndpoint",
        "Extension",
        "Context",
        "CallLog",
        "Call",
        "Registration",
    ] {
        assert!(schemas.contains_key(name), "{name}");
    }
}
