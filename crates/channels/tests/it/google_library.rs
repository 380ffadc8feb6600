//! The emulated Gmail and our own client against Google's client for Python and the
//! description of the API that comes with it. `scripts/setup.sh` installs both.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use emulators::gmail::{GmailEmulator, Recorded, Settings};
use serde_json::json;

use crate::gmail::{MAILBOX, mail, reply, world};
use crate::twilio_library::python;

fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name));
    // Nothing is left behind beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[tokio::test]
async fn googles_own_client_can_use_every_method_of_the_emulator() {
    let settings = Settings { units_per_minute: None, ..Settings::default() };
    let account = Settings::default();
    let emulator = GmailEmulator::start(settings).await.unwrap();
    let mut command = script("google_library.py");
    command.args([&emulator.base_url(), &emulator.token_url()]);
    command.args([&account.client_id, &account.client_secret, &account.mailboxes[0].refresh_token]);

    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();

    let output = output.expect("no Python environment: run `make setup`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Google's client fails, or is missing (`make setup`): {said}");
    let used: BTreeSet<String> =
        emulator.requests().into_iter().map(|recorded| recorded.route).collect();
    for method in GmailEmulator::methods() {
        assert!(used.contains(method), "{method} was not used");
    }
}

#[tokio::test]
async fn our_client_asks_nothing_that_googles_description_does_not_have() {
    let (emulator, client) = world().await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    let raw = reply("Re: Order 42", &arrived.message_id.unwrap());
    let start = client.profile().await.unwrap().history_id;

    client.watch("projects/p/topics/t").await.unwrap();
    client.stop().await.unwrap();
    client.history(start, None).await.unwrap();
    client.history(start, Some("00")).await.unwrap();
    client.list("in:inbox newer_than:7d -from:me", Some("00")).await.unwrap();
    client.raw(&arrived.id).await.unwrap();
    client.metadata(&arrived.id, &["Message-ID", "Subject"]).await.unwrap();
    client.thread(&arrived.thread_id, &["X-Support-Delivery-Id"]).await.unwrap();
    client.attachment(&arrived.id, "none").await.unwrap_err();
    let draft = client.create_draft(raw.as_bytes(), Some(&arrived.thread_id)).await.unwrap();
    client.draft(&draft.id).await.unwrap();
    client.send_draft(&draft.id).await.unwrap();
    client.delete_draft(&draft.id).await.unwrap_err();

    let requests: Vec<_> =
        emulator.requests().into_iter().filter(|recorded| recorded.route != "token").collect();
    assert_eq!(requests.len(), 14);
    assert_eq!(undocumented(&requests), "");
    assert!(emulator.history_id(MAILBOX).is_some());
}

/// What of these requests the description does not have, a line each.
fn undocumented(requests: &[Recorded]) -> String {
    let mut child = script("google_document.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("no Python environment: run `make setup`");
    let mut lines = child.stdin.take().unwrap();
    for request in requests {
        let shown = json!({ "method": request.method, "path": request.path,
            "parameters": request.parameters, "body": request.body });
        writeln!(lines, "{shown}").unwrap();
    }
    drop(lines);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "Google's client is missing, run `make setup`: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
