//! The history, lists, mails and files.

use channels::gmail::Error;
use emulators::gmail::{InboundFile, Settings};

use super::{MAILBOX, mail, reply, world, world_of};

#[tokio::test]
async fn what_came_to_the_inbox_is_listed_once_with_its_labels() {
    let (emulator, client) = world().await;
    let start = client.profile().await.unwrap();
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();

    let page = client.history(start.history_id, None).await.unwrap();

    assert_eq!(start.email_address, MAILBOX);
    let [listed] = &page.messages[..] else { panic!("{page:?}") };
    assert_eq!((&listed.id, &listed.thread_id), (&arrived.id, &arrived.thread_id));
    assert!(listed.label_ids.contains(&"INBOX".to_owned()));
    assert_eq!(page.history_id, arrived.history_id);
    assert_eq!(page.next_page_token, None);
    let quiet = client.history(page.history_id, None).await.unwrap();
    assert_eq!((quiet.history_id, quiet.messages.len()), (page.history_id, 0));
}

#[tokio::test]
async fn mail_moved_to_the_inbox_is_an_arrival_and_another_label_is_none() {
    let (emulator, client) = world().await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    modify(&emulator, &arrived.id, &["SPAM"], &["INBOX"]).await;
    let start = client.profile().await.unwrap().history_id;

    modify(&emulator, &arrived.id, &["INBOX"], &["SPAM"]).await;
    let moved = client.history(start, None).await.unwrap();
    modify(&emulator, &arrived.id, &["STARRED"], &["UNREAD"]).await;
    let starred = client.history(moved.history_id, None).await.unwrap();

    assert_eq!(moved.messages.len(), 1);
    assert_eq!(moved.messages[0].id, arrived.id);
    assert!(starred.messages.is_empty() && starred.history_id > moved.history_id);
}

/// By hand, as the mailbox's owner in a browser.
async fn modify(
    emulator: &emulators::gmail::GmailEmulator,
    id: &str,
    given: &[&str],
    taken: &[&str],
) {
    let account = Settings::default();
    let http = reqwest::Client::new();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &account.client_id),
        ("client_secret", &account.client_secret),
        ("refresh_token", "1//refresh-support"),
    ];
    let token = http.post(emulator.token_url()).form(&form).send().await.unwrap();
    let token: serde_json::Value = token.json().await.unwrap();
    let url = format!("{}/gmail/v1/users/me/messages/{id}/modify", emulator.base_url());
    let body = serde_json::json!({ "addLabelIds": given, "removeLabelIds": taken });
    let request = http.post(url).bearer_auth(token["access_token"].as_str().unwrap()).json(&body);
    assert!(request.send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_history_of_many_pages_is_read_to_its_end() {
    let (emulator, client) = world().await;
    let start = client.profile().await.unwrap().history_id;
    for number in 0..501 {
        emulator.inbound(&mail(&format!("Order {number}"))).unwrap();
    }

    let first = client.history(start, None).await.unwrap();
    let second = client.history(start, first.next_page_token.as_deref()).await.unwrap();

    assert_eq!((first.messages.len(), second.messages.len()), (500, 1));
    assert_eq!(second.next_page_token, None);
    assert_eq!(first.history_id, second.history_id);
}

#[tokio::test]
async fn a_cursor_that_gmail_has_forgotten_is_not_found() {
    let (emulator, client) = world().await;
    let start = client.profile().await.unwrap().history_id;
    emulator.inbound(&mail("Order 42")).unwrap();
    emulator.forget_history(MAILBOX);

    assert_eq!(client.history(start, None).await, Err(Error::NotFound));
    assert_eq!(client.history(0, None).await, Err(Error::NotFound));
    let now = client.profile().await.unwrap().history_id;
    assert!(client.history(now, None).await.is_ok());
    let found = client.list("in:inbox newer_than:7d -from:me", None).await.unwrap();
    assert_eq!(found.messages.len(), 1);
}

#[tokio::test]
async fn a_search_is_read_page_by_page() {
    let (emulator, client) = world().await;
    for number in 0..501 {
        emulator.inbound(&mail(&format!("Order {number}"))).unwrap();
    }

    let first = client.list("in:inbox from:ana", None).await.unwrap();
    let second = client.list("in:inbox from:ana", first.next_page_token.as_deref()).await.unwrap();
    let nothing = client.list("subject:\"no such thing\"", None).await.unwrap();

    assert_eq!((first.messages.len(), second.messages.len()), (500, 1));
    assert!(nothing.messages.is_empty() && nothing.next_page_token.is_none());
}

#[tokio::test]
async fn a_mail_comes_byte_for_byte_with_the_time_that_gmail_gave_it() {
    let (emulator, client) = world().await;
    let raw = b"From: Ana <ana@example.org>\r\nSubject: caf\xe9\r\n\r\n\xff\xfe\x00>>>???\r\n";
    let mut inbound = mail("");
    inbound.raw_base64 = Some(channels::gmail::base64url::encode(raw));

    let arrived = emulator.inbound(&inbound).unwrap();
    let message = client.raw(&arrived.id).await.unwrap();

    assert_eq!((&message.id, &message.thread_id), (&arrived.id, &arrived.thread_id));
    assert!(message.raw.ends_with(raw), "the mail came as it was sent");
    assert!(message.label_ids.contains(&"UNREAD".to_owned()));
    assert!(message.internal_date.timestamp() > 1_700_000_000);
    assert!(!format!("{message:?}").contains("Ana"));
}

#[tokio::test]
async fn a_mail_that_was_deleted_meanwhile_is_not_found() {
    let (emulator, client) = world().await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    assert!(emulator.delete(MAILBOX, &arrived.id));

    assert_eq!(client.raw(&arrived.id).await, Err(Error::NotFound));
    assert_eq!(client.metadata(&arrived.id, &["Subject"]).await, Err(Error::NotFound));
    assert_eq!(client.thread(&arrived.thread_id, &[]).await, Err(Error::NotFound));
    assert_eq!(client.raw("../profile?x=1").await, Err(Error::NotFound));
}

#[tokio::test]
async fn headers_are_read_of_one_mail_and_of_a_thread() {
    let (emulator, client) = world().await;
    let first = emulator.inbound(&mail("Order 42")).unwrap();
    let mut answer = mail("Re: Order 42");
    answer.in_reply_to = first.message_id.clone();
    let second = emulator.inbound(&answer).unwrap();

    let metadata = client.metadata(&first.id, &["Message-ID", "Subject"]).await.unwrap();
    let thread = client.thread(&first.thread_id, &["In-Reply-To"]).await.unwrap();

    assert_eq!(metadata.header("message-id"), first.message_id.as_deref());
    assert_eq!((metadata.header("subject"), metadata.headers.len()), (Some("Order 42"), 2));
    let ids: Vec<_> = thread.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, [&first.id, &second.id]);
    assert_eq!(thread[1].header("In-Reply-To"), first.message_id.as_deref());
}

#[tokio::test]
async fn a_file_is_fetched_by_the_id_that_its_mail_gives() {
    let (emulator, client) = world().await;
    let mut inbound = mail("With a file");
    inbound.attachments = vec![InboundFile {
        name: "a.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        content_base64: "JVBERi0=".to_owned(),
    }];
    let arrived = emulator.inbound(&inbound).unwrap();
    // The part's number and anything: ids are new with each answer.
    let id = channels::gmail::base64url::encode(b"2:0");

    assert_eq!(client.attachment(&arrived.id, &id).await.unwrap(), b"%PDF-");
    let wrong = client.attachment(&arrived.id, "none").await;
    assert!(matches!(wrong, Err(Error::Permanent { .. })), "{wrong:?}");
}

#[tokio::test]
async fn history_ids_above_2_to_the_53_are_read_exactly() {
    let start = 9_007_199_254_740_993_u64;
    let settings = Settings { seed: Some(start), ..Settings::default() };
    let (_emulator, client) = world_of(settings).await;

    assert_eq!(client.profile().await.unwrap().history_id, start);
    assert_eq!(client.history(start, None).await.unwrap().history_id, start);
}

#[tokio::test]
async fn our_calls_ask_for_arrivals_in_the_inbox_and_whole_mails() {
    let (emulator, client) = world().await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    let draft = client.create_draft(reply("Re: x", "<a@b>").as_bytes(), None).await.unwrap();

    client.history(emulator.history_id(MAILBOX).unwrap(), None).await.unwrap();
    client.raw(&arrived.id).await.unwrap();
    client.draft(&draft.id).await.unwrap();

    let history = emulator.requests_for("history.list").remove(0);
    let kinds: Vec<_> =
        history.parameters.iter().filter(|(name, _)| name == "historyTypes").collect();
    assert_eq!(kinds.len(), 2);
    assert_eq!(history.parameter("labelId"), Some("INBOX"));
    assert_eq!(emulator.requests_for("messages.get")[0].parameter("format"), Some("raw"));
    assert!(emulator.requests_for("drafts.create")[0].body["message"]["raw"].is_string());
}
