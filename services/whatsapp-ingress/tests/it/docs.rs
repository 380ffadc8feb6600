//! The OpenAPI part of this service says what the routes do.

use std::collections::BTreeSet;

use crate::support::{MESSAGES, STATUSES};

#[test]
fn every_route_and_every_answer_is_described() {
    let document = serde_json::to_value(whatsapp_ingress::openapi()).unwrap();

    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, [MESSAGES, STATUSES]);
    for path in [MESSAGES, STATUSES] {
        let responses = document["paths"][path]["post"]["responses"].as_object().unwrap();
        let statuses: BTreeSet<_> = responses.keys().map(String::as_str).collect();
        let expected = ["204", "400", "403", "408", "413", "415", "503"];
        assert_eq!(statuses, BTreeSet::from(expected), "{path}");
    }
}
