//! The settings of channels: set with all or nothing, read again and again.

use contract::Channel;
use sqlx::PgPool;
use store::channel_configs::{self, ChannelConfig, ChannelConfigs, SetError};

use crate::rows::{self, LISA};

async fn set(
    pool: &PgPool,
    channel: Channel,
    changes: &[(&str, &str)],
) -> Result<ChannelConfig, SetError> {
    channel_configs::set(&mut pool.acquire().await.unwrap(), channel, changes, LISA).await
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn every_channel_is_enabled_from_the_start(pool: PgPool) {
    let (configs, mut refresher) = ChannelConfigs::new(pool);
    assert!(!configs.get(Channel::Whatsapp).enabled);

    refresher.step().await.unwrap();

    for channel in [Channel::Email, Channel::Whatsapp, Channel::WebForm] {
        let config = configs.get(channel);
        assert_eq!((config.enabled, &config.settings), (true, &Default::default()));
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_change_is_read_and_noted_without_its_value(pool: PgPool) {
    let (configs, mut refresher) = ChannelConfigs::new(pool.clone());

    let changes = [("aliases", "Help@example.com"), ("replies_per_hour", "3")];
    let config = set(&pool, Channel::Email, &changes).await.unwrap();
    refresher.step().await.unwrap();

    assert_eq!(*configs.get(Channel::Email), config);
    assert_eq!(config.settings.aliases, ["help@example.com"]);
    let noted: (String, String) =
        sqlx::query_as("select operator, action || detail::text from audit_log")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(noted.0, "lisa");
    assert_eq!(
        noted.1,
        r#"set_channel{"keys": ["aliases", "replies_per_hour"], "channel": "email"}"#
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn of_changes_with_a_wrong_one_none_is_made(pool: PgPool) {
    let changes = [("enabled", "false"), ("sends_per_second", "fast")];

    let refused = set(&pool, Channel::Whatsapp, &changes).await.unwrap_err();

    assert_eq!(
        refused.to_string(),
        "sends_per_second must be a number from 1 to 400, or empty for the program's own"
    );
    let (configs, mut refresher) = ChannelConfigs::new(pool);
    refresher.step().await.unwrap();
    assert!(configs.get(Channel::Whatsapp).enabled);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_outage_and_a_row_that_cannot_be_right_keep_what_was_read_last(pool: PgPool) {
    let (configs, mut refresher) = ChannelConfigs::new(pool.clone());
    set(&pool, Channel::Whatsapp, &[("sends_per_second", "9")]).await.unwrap();
    refresher.step().await.unwrap();
    let read = configs.get(Channel::Whatsapp);

    rows::run(
        &pool,
        r#"update channel_configs set enabled = false, settings = '{"sends_per_second": 100000}'
           where channel = 'whatsapp'"#,
    )
    .await;
    rows::run(
        &pool,
        r#"update channel_configs set settings = '{"from_a_newer_version": 1}'
           where channel = 'web_form'"#,
    )
    .await;
    refresher.step().await.unwrap();
    assert_eq!(configs.get(Channel::Whatsapp), read);
    assert!(configs.get(Channel::WebForm).enabled);

    pool.close().await;
    assert!(refresher.step().await.is_err());
    assert_eq!(configs.get(Channel::Whatsapp), read);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_row_that_cannot_be_read_is_mended_by_setting_it(pool: PgPool) {
    rows::run(
        &pool,
        r#"update channel_configs set settings = '{"aliases": 7}' where channel = 'email'"#,
    )
    .await;

    let mended = set(&pool, Channel::Email, &[("aliases", "a@example.com")]).await.unwrap();

    assert!(mended.enabled);
    assert_eq!(mended.settings.aliases, ["a@example.com"]);
}
