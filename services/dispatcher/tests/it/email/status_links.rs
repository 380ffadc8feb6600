//! Mail to who used the web form.

use std::sync::Arc;

use bus::{BatchHandler as _, Headers, Received};
use chassis::status_token::StatusTokens;
use contract::{Channel, Event as _, WebformInbound};
use dispatcher::{StatusLinks, StatusMails};
use emulators::gmail::Fault;
use sqlx::PgPool;
use testkit::events;

use super::{Post, US, ourselves};
use crate::{enabled, ticket};

pub(crate) const ON: &str =
    "update channel_configs set settings = settings || '{\"mail_status_link\": true}'
    where channel = 'web_form'";

/// The web form's outlet to mail.
struct Form {
    post: Post,
    links: StatusLinks,
    mails: StatusMails,
}

impl Form {
    async fn new(pool: PgPool) -> Self {
        let post = Post::new(pool.clone(), []).await;
        let mails = StatusMails::new(
            pool.clone(),
            Arc::clone(&post.client),
            ourselves(),
            tokens(),
            "https://support.example.com".into(),
            enabled(Channel::Email),
        );
        Self { links: StatusLinks::new(pool, US.into()), mails, post }
    }

    async fn submit(&self, posts: impl IntoIterator<Item = WebformInbound>) {
        let batch = posts.into_iter().map(received).collect();
        self.links.handle_batch(batch).await.unwrap();
    }

    async fn send_all(&self) {
        while self.mails.step().await.unwrap() > 0 {}
    }
}

fn tokens() -> StatusTokens {
    StatusTokens::new(b"a secret of at least 32 characters", None).unwrap()
}

fn post(number: u32, address: &str) -> WebformInbound {
    events::submission_with(ticket(number), |submission| submission.email = address.into())
}

fn received(event: WebformInbound) -> (WebformInbound, Received) {
    let received = Received {
        topic: event.topic(),
        partition: 0,
        offset: 0,
        key: event.key().into_owned(),
        headers: Headers::default(),
        attempt: 1,
    };
    (event, received)
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn ten_thousand_posts_with_one_address_make_one_mail_an_hour_and_others_get_theirs(
    pool: PgPool,
) {
    let form = Form::new(pool.clone()).await;
    form.post.world.run(ON).await;
    let another = StatusLinks::new(pool, US.into());
    let batch = |first: u32| {
        let victim = (first..first + 250).map(|number| {
            post(number, if number % 2 == 0 { "victim@example.org" } else { "Victim@Example.org" })
        });
        victim.chain([post(20_000 + first, &format!("other{first}@example.org"))])
    };

    for first in (0..10_000).step_by(500) {
        // Two replicas at once.
        let (one, two) = (batch(first), batch(first + 250).map(received).collect());
        let (_, two) = tokio::join!(form.submit(one), another.handle_batch(two));
        two.unwrap();
        form.send_all().await;
    }
    let to_victim = |form: &Form| {
        form.post.recipients().iter().filter(|to| *to == "victim@example.org").count()
    };
    let in_the_first_hour = to_victim(&form);
    form.post.world.run("update status_mails set at = at - interval '61 minutes'").await;
    form.submit(batch(30_000)).await;
    form.submit(batch(30_250)).await;
    form.send_all().await;

    assert_eq!(in_the_first_hour, 1);
    assert_eq!(to_victim(&form), 2);
    let others = form.post.recipients().iter().filter(|to| to.starts_with("other")).count();
    assert_eq!(others, 42, "everybody else got theirs");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_mail_holds_the_link_and_nothing_that_a_stranger_wrote(pool: PgPool) {
    let form = Form::new(pool).await;
    form.post.world.run(ON).await;

    form.submit([events::submission_with(ticket(1), |submission| {
        submission.name = "Buy pills at evil.example".into();
        submission.subject = "Cheap pills".into();
        submission.message = "pills pills".into();
        submission.email = "sam@example.org".into();
    })])
    .await;
    form.send_all().await;

    let mail = form.post.gmail.sent().remove(0);
    let (link, token) = (ticket(1), tokens().token(&ticket(1)));
    let url = format!("https://support.example.com/support/ticket/{link}?token={token}");
    assert_eq!(mail.recipients, ["sam@example.org"]);
    assert!(mail.text.contains(&url), "{}", mail.text);
    assert_eq!(mail.subject, format!("[{link}] We have received your message"));
    assert!(!mail.raw.to_lowercase().contains("pills"), "{}", mail.raw);
    assert!(mail.raw.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{}", mail.raw);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn nobody_is_mailed_unless_it_is_switched_on_and_never_ourselves(pool: PgPool) {
    let form = Form::new(pool).await;

    form.submit([post(1, "sam@example.org")]).await;
    form.post.world.run(ON).await;
    form.post
        .world
        .run("insert into opt_outs (channel, address) values ('email', 'no@example.org')")
        .await;
    form.submit([post(2, US), post(3, "no@example.org")]).await;
    form.submit([events::follow_up(ticket(1), "and?")]).await;
    form.send_all().await;

    assert!(form.post.gmail.sent().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_was_not_sent_goes_later_and_one_in_doubt_is_never_repeated(pool: PgPool) {
    let form = Form::new(pool).await;
    form.post.world.run(ON).await;
    form.post.gmail.script("drafts.create", [Fault::ServerErrorJson]);
    form.submit([post(1, "later@example.org")]).await;
    form.send_all().await;
    let nothing = form.post.recipients();
    form.post.gmail.script("drafts.send", [Fault::ProcessThenDrop]);
    form.submit([post(2, "doubt@example.org")]).await;
    form.send_all().await;

    form.post.world.run("update status_mails set next_attempt_at = now()").await;
    form.submit([post(3, "doubt@example.org")]).await;
    form.send_all().await;

    assert!(nothing.is_empty());
    assert_eq!(form.post.recipients(), ["doubt@example.org", "later@example.org"]);
}
