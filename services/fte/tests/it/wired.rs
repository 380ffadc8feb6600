//! Two whole systems, each of which takes the other for a customer.

use emulators::gmail::Inbound;
use testkit::wait_within;

use crate::customer::ANSWER_LIMIT;
use crate::google::Mailbox;
use crate::product::{Product, data_folder};

/// One of the two, with its mailbox.
struct Side {
    mailbox: Mailbox,
    product: Product,
    /// How many of its mails the other has.
    carried: usize,
}

impl Side {
    async fn start(address: &str) -> Self {
        let mailbox = Mailbox::start(address).await;
        let environment = mailbox.environment();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bus = ["--bus", "postgres"];
        let product = Product::start_with(data_folder(), &bus, &environment).await;
        mailbox.push_to(&product.url);
        Self { mailbox, product, carried: 0 }
    }

    /// Brings what this one has sent into the other's mailbox, as it went.
    fn carry_to(&mut self, other: &Side) {
        let sent = self.mailbox.emulator.sent();
        for mail in &sent[self.carried..] {
            assert_eq!(mail.recipients, [other.mailbox.address()]);
            let from = self.mailbox.address().to_owned();
            let raw = Some(mail.raw.clone());
            other.mailbox.emulator.inbound(&Inbound { from, raw, ..Inbound::default() }).unwrap();
        }
        self.carried = sent.len();
    }

    /// Messages that it has, and those of them that nobody is to answer.
    async fn messages(&self, database: &sqlx::PgPool) -> (i64, i64) {
        let query = "select count(*), count(*) filter (where outcome = 'no_answer') from messages";
        sqlx::query_as(query).fetch_one(database).await.unwrap()
    }
}

#[tokio::test]
async fn two_systems_wired_to_each_other_by_mail_stop_within_two_rounds() {
    let (mut one, mut two) =
        tokio::join!(Side::start("support@one.example"), Side::start("help@two.example"));
    let (of_one, of_two) = (one.product.database().await, two.product.database().await);
    // As after a form that somebody filled in with the other's address, on both sides.
    for (to, from) in [(&one, &two), (&two, &one)] {
        let inbound = Inbound {
            from: from.mailbox.address().to_owned(),
            subject: "Export to CSV".to_owned(),
            text: "How do I export my board to CSV?".to_owned(),
            ..Inbound::default()
        };
        to.mailbox.emulator.inbound(&inbound).unwrap();
    }

    wait_within(2 * ANSWER_LIMIT, "both to have the other's answer", async || {
        one.carry_to(&two);
        two.carry_to(&one);
        one.messages(&of_one).await.0 >= 2 && two.messages(&of_two).await.0 >= 2
    })
    .await;
    for side in [&one, &two] {
        wait_within(ANSWER_LIMIT, "nothing to be left to do", async || {
            side.product.command(&["lag", "--expect-zero"]).await.status.success()
        })
        .await;
    }

    one.carry_to(&two);
    two.carry_to(&one);
    for (side, database) in [(&one, &of_one), (&two, &of_two)] {
        assert_eq!(side.messages(database).await, (2, 1), "the answer is answered by nobody");
        assert_eq!(side.carried, 1, "{:#?}", side.mailbox.emulator.sent());
        let open = "select count(*) from deliveries where outlet = 'email' and state <> 'accepted'";
        let open: i64 = sqlx::query_scalar(open).fetch_one(database).await.unwrap();
        assert_eq!(open, 0);
    }
}
