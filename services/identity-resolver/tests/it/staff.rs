//! Staff who write mails.

use contract::{Authentication, Author, EmailInbound, MailKind, Outgoing, OutgoingBody};
use sqlx::PgPool;
use testkit::events;

use crate::World;
use crate::email_world::{EmailWorld, conversation, mail, mail_with};

const LISA: &str = "lisa@taskflow.example";

/// The Message-ID of the hand-off that Lisa got.
const HAND_OFF: &str = "CAhandoff@mail.gmail.com";

/// Ana has written, the agent has answered, and Lisa was asked to take over.
async fn asked(pool: &PgPool) -> EmailWorld {
    let world = EmailWorld::new(pool).await;
    world
        .run(
            "update channel_configs set settings = jsonb_build_object(
                 'staff_addresses', jsonb_build_array('lisa@taskflow.example'),
                 'staff_names', jsonb_build_object('lisa@taskflow.example', 'Lisa Tanaka'))
             where channel = 'email'",
        )
        .await;
    world.handle([mail(1, "I want a refund.")]).await.unwrap();
    world.sent(conversation(1), HAND_OFF, "nobody@example.org").await;
    world
}

fn lisa(number: u32, authentication: Authentication) -> EmailInbound {
    mail_with(number, |mail| {
        mail.from = LISA.into();
        mail.from_name = "Marcus (Head of Support)".into();
        mail.in_reply_to = vec![HAND_OFF.into()];
        mail.text = "I have looked at your invoice.".into();
        mail.authentication = authentication;
    })
}

fn said(world: &EmailWorld) -> Vec<(contract::ConversationId, contract::Reply)> {
    let replies = world.log.events::<Outgoing>().into_iter();
    replies
        .map(|outgoing| match outgoing.body {
            OutgoingBody::Reply(reply) => (outgoing.conversation_id, reply),
            OutgoingBody::HandOff(_) => panic!("nobody hands anything off here"),
        })
        .collect()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_proven_staff_answer_to_a_hand_off_goes_to_the_customer_as_a_persons_reply(
    pool: PgPool,
) {
    let world = asked(&pool).await;

    world.handle([lisa(2, Authentication::Pass)]).await.unwrap();
    // A redelivery, and one after the case has ended.
    world.handle([lisa(2, Authentication::Pass)]).await.unwrap();
    world.run("update conversations set status = 'closed'").await;
    world.handle([lisa(2, Authentication::Pass)]).await.unwrap();

    let mut said = said(&world);
    said.dedup();
    let [(conversation_id, reply)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*conversation_id, conversation(1));
    assert_eq!((reply.author, reply.author_name.as_str()), (Author::Person, "Lisa Tanaka"));
    assert_eq!(reply.parts, ["I have looked at your invoice."]);
    assert_eq!((reply.first_seq, reply.last_seq), (1, 1));
    let row = "select owner || ' ' || person || ' ' || last_seq || ' ' || handled_seq
        from conversations";
    assert_eq!(world.texts(row).await, ["person Lisa Tanaka 1 1"]);
    assert_eq!(world.count("select count(*) from messages").await, 1);
    assert_eq!(world.count("select count(*) from customers").await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn staff_without_a_name_in_the_list_act_under_what_stands_before_the_at(pool: PgPool) {
    let world = asked(&pool).await;
    world.run("update channel_configs set settings = settings - 'staff_names'").await;

    world.handle([lisa(2, Authentication::Pass)]).await.unwrap();

    assert_eq!(said(&world)[0].1.author_name, "lisa");
    assert_eq!(world.texts("select person from conversations").await, ["lisa"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn staff_may_answer_by_the_token_and_on_any_channel(pool: PgPool) {
    let world = asked(&pool).await;
    World::new(pool.clone()).handle([events::submission(crate::ticket(1))]).await.unwrap();
    let by_token = mail_with(2, |mail| {
        mail.from = LISA.into();
        mail.subject = format!("Re: [{}] [billing] Export", crate::ticket(1));
    });

    world.handle([by_token]).await.unwrap();

    let said = said(&world);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, crate::conversation(1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_only_looks_like_staff_is_kept_and_reaches_nobody(pool: PgPool) {
    let world = asked(&pool).await;

    world.handle([lisa(2, Authentication::None), lisa(3, Authentication::Fail)]).await.unwrap();

    assert!(said(&world).is_empty());
    let rows = "select c.status || ' ' || m.outcome || ' ' || m.outcome_reason
        from messages m join conversations c on c.id = m.conversation_id where m.body like 'I have%'";
    assert_eq!(world.texts(rows).await, vec!["resolved no_answer staff_unproven"; 2]);
    assert_eq!(world.home(2).await, conversation(2));
    assert_eq!(world.home(3).await, conversation(3));
    let identifiers = world.texts("select value from customer_identifiers").await;
    assert_eq!(identifiers, [crate::email_world::ANA]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_vacation_reply_of_staff_says_nothing_to_the_customer(pool: PgPool) {
    let world = asked(&pool).await;
    let mut vacation = lisa(2, Authentication::Pass);
    if let contract::EmailBody::Message(mail) = &mut vacation.body {
        mail.kind = MailKind::AutoReply;
    }

    world.handle([vacation]).await.unwrap();

    assert!(said(&world).is_empty());
    assert_eq!(world.home(2).await, conversation(2));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn words_of_staff_for_a_case_that_another_person_has_are_kept_and_not_said(pool: PgPool) {
    let world = asked(&pool).await;
    world
        .run("update conversations set owner = 'person', person = 'Marcus', taken_at = now()")
        .await;

    world.handle([lisa(2, Authentication::Pass)]).await.unwrap();

    assert!(said(&world).is_empty());
    let reasons = "select outcome_reason from messages where outcome = 'no_answer'";
    assert_eq!(world.texts(reasons).await, ["staff_taken_by_another"]);
}
