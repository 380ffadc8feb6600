//! The OpenAPI part of this service says what the routes do.

use std::collections::BTreeSet;

use serde_json::Value;

fn openapi() -> Value {
    serde_json::to_value(webform_ingress::openapi()).unwrap()
}

fn statuses(document: &Value, path: &str, method: &str) -> BTreeSet<String> {
    let responses = &document["paths"][path][method]["responses"];
    responses.as_object().unwrap_or_else(|| panic!("{path}")).keys().cloned().collect()
}

#[test]
fn every_route_and_every_answer_is_described() {
    let document = openapi();
    let set = |list: &[&str]| list.iter().map(ToString::to_string).collect::<BTreeSet<_>>();

    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        paths,
        ["/support", "/support/submit", "/support/ticket/{ref}", "/support/ticket/{ref}/messages"]
    );
    assert_eq!(statuses(&document, "/support", "get"), set(&["200"]));
    let submit = ["202", "303", "400", "408", "409", "413", "415", "422", "429", "503"];
    assert_eq!(statuses(&document, "/support/submit", "post"), set(&submit));
    assert_eq!(statuses(&document, "/support/ticket/{ref}", "get"), set(&["200", "404", "503"]));
    let mut follow_up = set(&submit);
    follow_up.insert("404".to_owned());
    assert_eq!(statuses(&document, "/support/ticket/{ref}/messages", "post"), follow_up);
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document = openapi();
    let text = document.to_string();
    for (_, rest) in
        text.match_indices("#/components/schemas/").map(|(at, m)| text.split_at(at + m.len()))
    {
        let name = rest.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[test]
fn our_own_api_refuses_unknown_fields_in_the_document_too() {
    let document = openapi();
    for name in ["Submission", "SubmissionForm", "FollowUp", "FollowUpForm"] {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}: {schema}");
    }
    let submission = &document["components"]["schemas"]["Submission"];
    assert_eq!(submission["required"], serde_json::json!(["name", "email", "subject", "message"]));
}
