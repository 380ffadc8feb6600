//! Who writes, where the company's records or an operator have said who is who.

use contract::{CustomerId, Plan};
use sqlx::PgPool;
use store::customer_records::{Entry, Load};
use store::merges::{self, Mode};
use store::people::OperatorName;
use uuid::Uuid;

use crate::whatsapp_world::{WhatsappWorld, message};

const LISA: OperatorName<'static> = OperatorName("lisa");

/// In the order of locks that everybody keeps.
const CLOSE_ALL: &str = "
    with locked as materialized (select id from conversations order by id for no key update)
    update conversations set status = 'closed' from locked where conversations.id = locked.id";

/// Message `number` of a sender of their own, who shows this phone.
fn from(number: u32, sender: &str, phone: &str) -> contract::WhatsappInbound {
    message(number, i64::from(number), |message| {
        message.sender_id = sender.into();
        message.from = format!("whatsapp:{phone}");
        message.phone = Some(phone.into());
        message.body = "Hello".into();
    })
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_number_of_the_records_is_its_customer_in_either_spelling(pool: PgPool) {
    for (n, (recorded, shown)) in (0..).zip([
        ("+525512345678", "+5215512345678"),
        ("+5491123456789", "+541123456789"),
        ("+5511987654321", "+551187654321"),
    ]) {
        let new_id = CustomerId::named(&format!("phone:{recorded}"));
        let identifiers = vec![("phone", recorded.to_owned())];
        let plan = Some(Plan::Enterprise);
        let entry = Entry { line: 2, new_id, name: "On record".into(), plan, identifiers };
        Load::new(&pool, LISA, Mode::Write).batch(&[entry]).await.unwrap();
        let world = WhatsappWorld::new(&pool).await;

        world.handle([from(n, &format!("whatsapp:ES.{n}"), shown)]).await.unwrap();
    }

    let found: Vec<(String, String, String)> = sqlx::query_as(
        "select name, identity_level, (respond_by - messages.sent_at)::text
         from conversations join customers on customers.id = customer_id
         join tickets on tickets.conversation_id = conversations.id
         join messages on messages.conversation_id = conversations.id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let one = ("On record".to_owned(), "authenticated".to_owned(), "01:00:00".to_owned());
    assert_eq!(found, [one.clone(), one.clone(), one]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whoever_writes_while_customers_are_merged_and_parted_ends_up_with_their_identifier(
    pool: PgPool,
) {
    let world = WhatsappWorld::new(&pool).await;
    let phones = ["+34612345671", "+34612345672"];
    let senders = ["whatsapp:ES.A", "whatsapp:ES.B"];
    world.handle([from(1, senders[0], phones[0]), from(2, senders[1], phones[1])]).await.unwrap();
    let [one, other] = phones.map(|phone| CustomerId::named(&format!("phone:{phone}")));

    let writing = async {
        for number in (3_u32..63).step_by(2) {
            // Each a conversation of its own: what is closed is not gone on with. A new
            // world has new ticket numbers.
            let world = WhatsappWorld::new(&pool).await;
            world.run(CLOSE_ALL).await;
            let (first, second) =
                (from(number, senders[0], phones[0]), from(number + 1, senders[1], phones[1]));
            world.handle([first, second]).await.unwrap();
        }
    };
    let merging = async {
        for _ in 0..15 {
            let merge = merges::merge(&pool, one, other, LISA, Mode::Write).await.unwrap().merge;
            tokio::task::yield_now().await;
            merges::unmerge(&pool, merge, LISA, Mode::Write).await.unwrap();
        }
    };
    tokio::join!(writing, merging);

    let strays: Vec<(String, Uuid)> = sqlx::query_as(
        "select thread_key, conversations.customer_id from conversations
         join customer_identifiers identifier
             on kind = 'whatsapp' and value = thread_key
         where identifier.customer_id <> conversations.customer_id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(strays, []);
    let counts: Vec<(Uuid, i64)> = sqlx::query_as(
        "select customer_id, count(*) from conversations group by 1 order by min(thread_key)",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(counts, [(one.as_uuid(), 31), (other.as_uuid(), 31)]);
}
