//! What the service is told at start: one line for what is missing or wrong.

use chassis::SettingsError;
use clap::Parser;
use whatsapp_ingress::Config;

use crate::support::{ACCOUNT, TOKEN, US};

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    config: Config,
}

fn parse(more: &[&str]) -> Config {
    let given = ["whatsapp-ingress", "--database-url", "postgres://u@127.0.0.1/d"];
    let all = given.iter().chain(more).map(Into::into);
    chassis::parse::<Command>("whatsapp-ingress", all).unwrap().config
}

async fn refused(more: &[&str]) -> String {
    let context = chassis::Context::new("whatsapp-ingress", prometheus::Registry::new());
    let error = whatsapp_ingress::run(parse(more), context).await.unwrap_err();
    let settings = error.downcast_ref::<SettingsError>().expect("a wrong setting");
    settings.to_string()
}

#[tokio::test]
async fn a_missing_or_half_set_account_ends_the_service_as_a_wrong_setting() {
    let sid = ["--twilio-account-sid", ACCOUNT];
    let token = ["--twilio-auth-token", TOKEN];
    let from = ["--twilio-whatsapp-from", US];

    assert!(refused(&[]).await.contains("TWILIO_ACCOUNT_SID"));
    assert!(refused(&sid).await.contains("TWILIO_AUTH_TOKEN"));
    assert!(refused(&[sid, token].concat()).await.contains("TWILIO_WHATSAPP_FROM"));
    assert!(refused(&[token, from].concat()).await.contains("TWILIO_ACCOUNT_SID"));
    let url = ["--public-base-url", "support.example.com"];
    assert!(refused(&[sid, token, from, url].concat()).await.contains("PUBLIC_BASE_URL"));
}

#[test]
fn public_urls_are_a_list_and_tokens_stay_secret() {
    let config = parse(&[
        "--public-base-url",
        "https://a.example,https://b.example/",
        "--twilio-auth-token",
        "hunter2",
        "--twilio-auth-token-secondary",
        "hunter3",
        "--twilio-account-sid",
        ACCOUNT,
        "--twilio-whatsapp-from",
        US,
    ]);

    let account = config.twilio.required().unwrap();
    assert_eq!(account.public_base_urls, ["https://a.example", "https://b.example"]);
    let shown = format!("{config:?} {account:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}
