//! The OpenAPI part of this service says what the route does.

use std::collections::BTreeSet;

use crate::support::PATH;

#[test]
fn the_route_and_every_answer_is_described() {
    let document = serde_json::to_value(gmail_ingress::openapi()).unwrap();

    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, [PATH]);
    let responses = document["paths"][PATH]["post"]["responses"].as_object().unwrap();
    let statuses: BTreeSet<_> = responses.keys().map(String::as_str).collect();
    assert_eq!(statuses, BTreeSet::from(["204", "400", "401", "408", "413", "415", "503"]));
}
