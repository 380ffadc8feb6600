//! What cannot be answered is a problem document.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::support::request;

const PROBLEM: &str = "application/problem+json";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_window_outside_its_bounds_is_refused_by_name(pool: PgPool) {
    for window in ["", "24", "59s", "31d", "-1h", "1y", "99999999999999999999d", "%00"] {
        let answer = request(&pool, "GET", &format!("/metrics/channels?window={window}")).await;

        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{window:?}");
        assert_eq!(answer.content_type, PROBLEM);
        assert_eq!(answer.body["errors"][0]["field"], "window");
    }
    for window in ["1m", "90m", "720h", "30d", "1day%202h"] {
        let answer = request(&pool, "GET", &format!("/metrics/channels?window={window}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{window:?}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_unknown_parameter_path_or_method_is_a_problem(pool: PgPool) {
    let cases = [
        ("GET", "/metrics/channels?since=1h", 422),
        ("GET", "/metrics/nothing", 404),
        ("POST", "/metrics/channels", 405),
    ];
    for (method, path, status) in cases {
        let answer = request(&pool, method, path).await;

        assert_eq!((answer.status.as_u16(), answer.content_type.as_str()), (status, PROBLEM));
        assert_eq!(answer.body["status"], status);
        assert!(answer.body["title"].is_string() && answer.body["detail"].is_string());
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so_and_asked_later() {
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(200))
        .connect_lazy("postgres://postgres@127.0.0.1:1/none")
        .unwrap();
    let start = Instant::now();

    let answers = [
        request(&pool, "GET", "/metrics/channels").await,
        request(&pool, "GET", "/metrics/alerts").await,
    ];

    assert!(start.elapsed() < Duration::from_secs(5));
    for answer in answers {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.body.to_string().contains("127.0.0.1"), "{answer:?}");
    }
}

#[test]
fn the_document_describes_every_route_and_its_answers() {
    let document: Value = serde_json::to_value(metrics::openapi()).unwrap();

    let answers = |path: &str| {
        let responses = document["paths"][path]["get"]["responses"].as_object().unwrap();
        responses.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(answers("/metrics/channels"), ["200", "422", "503"]);
    assert_eq!(answers("/metrics/alerts"), ["200", "422", "503"]);
    let answer = &document["paths"]["/metrics/alerts"]["get"]["responses"]["503"]["content"];
    assert_eq!(answer[PROBLEM]["schema"]["$ref"], "#/components/schemas/Problem");
    for schema in ["Problem", "FieldError", "Figures"] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
}
