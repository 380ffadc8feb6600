//! What the service is told at start: defaults, and one line for what is wrong.

use chassis::SettingsError;
use clap::Parser;
use webform_ingress::{Config, RateLimits};

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    config: Config,
}

const SECRET: &str = "a secret of at least 32 characters";

pub(crate) fn parse(more: &[&str]) -> Result<Config, clap::Error> {
    let given = ["webform-ingress", "--database-url", "postgres://u@127.0.0.1/d", "--secret"];
    let all = given.iter().chain([&SECRET]).chain(more);
    chassis::parse::<Command>("webform-ingress", all.map(Into::into)).map(|parsed| parsed.config)
}

#[test]
fn limits_and_links_have_defaults_and_nobody_is_trusted() {
    let config = parse(&[]).unwrap();

    let expected: RateLimits = "ip=60/m,address=10/h,domain=1000/h".parse().unwrap();
    assert_eq!(config.limits.rate_limits, expected);
    assert!(config.proxies.trusted_proxies.is_empty());
    assert_eq!(config.link_hosts, ["taskflow.example"]);
}

#[test]
fn lists_are_separated_by_commas() {
    let config = parse(&[
        "--trusted-proxies",
        "10.0.0.0/8,192.0.2.7",
        "--link-hosts",
        "a.example,b.example",
    ]);
    let config = config.unwrap();

    assert_eq!(config.proxies.trusted_proxies.len(), 2);
    assert_eq!(config.link_hosts, ["a.example", "b.example"]);
}

#[test]
fn what_is_wrong_is_named_by_its_flag() {
    for (flag, value) in
        [("--rate-limits", "ip=lots"), ("--trusted-proxies", "proxy.example"), ("--listen", "80")]
    {
        let error = parse(&[flag, value]).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains(value), "{error}");
    }
}

#[tokio::test]
async fn a_short_secret_ends_the_service_as_a_wrong_setting() {
    let mut config = parse(&[]).unwrap();
    config.secret.secret = "short".into();
    let context = chassis::Context::new("webform-ingress", prometheus::Registry::new());

    let error = webform_ingress::run(config, context).await.unwrap_err();

    assert!(error.downcast_ref::<SettingsError>().is_some(), "{error:#}");
    assert!(!format!("{error:#}").contains("short\""), "{error:#}");
}
