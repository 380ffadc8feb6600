//! What the command line says when something is wrong, and how commands find a
//! running `fte up`.

use std::process::Output;

use rustix::process::Signal;

use crate::product::{Product, data_folder, fte, kill, to_end};

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn wrong_settings_are_one_line_and_64() {
    let cases: [(&[&str], &str); 4] = [
        (&["migrate", "--database-url", "nonsense"], "DATABASE_URL"),
        (&["migrate"], "--database-url"),
        (&["up", "--listen", "nowhere"], "--listen"),
        (&["topics", "plan", "--bus", "smoke-signals"], "--bus"),
    ];

    for (arguments, named) in cases {
        let output = to_end(fte(arguments)).await;

        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(named) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_service_with_a_wrong_setting_ends_all_of_it_with_64() {
    for processes in [&[][..], &["--processes"]] {
        let mut command =
            fte(&["up", "--ephemeral", "--listen", "127.0.0.1:0", "--bus", "postgres"]);
        command.args(processes).env("FTE_RATE_LIMITS", "often");
        let output = to_end(command).await;

        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{processes:?}: {said}");
        assert!(said.contains("often"), "{processes:?}: {said}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let output = to_end(fte(&["up", "--ephemeral", "--listen", &address])).await;

    let expected =
        format!("error: {address} is in use: stop what listens there, or choose --listen\n");
    assert_eq!((output.status.code(), said(&output)), (Some(1), expected));
}

#[tokio::test]
async fn other_commands_find_what_runs_and_the_log_stays_what_it_was() {
    let product = Product::start(&["--bus", "postgres"]).await;

    let migrated = product.command(&["migrate"]).await;
    assert!(migrated.status.success(), "{}", said(&migrated));
    let planned = product.command(&["topics", "plan", "--profile", "local"]).await;
    assert!(planned.status.success(), "{}", said(&planned));

    let (status, data) = product.stop().await;
    assert!(status.success());
    let again = Product::start_in(data, &[]).await;
    assert!(again.said("log").unwrap().contains("tables"), "{:?}", again.said("log"));
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused() {
    let folder = data_folder();
    let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
    lock.lock().unwrap();

    let path = folder.path().to_str().unwrap();
    let output = to_end(fte(&["up", "--listen", "127.0.0.1:0", "--data", path])).await;

    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("another `fte up` uses this folder"), "{}", said(&output));
}

#[tokio::test]
async fn a_log_that_still_holds_work_is_not_left_behind() {
    let drain = ["--drain", "1s"];
    let postgres = [&["--bus", "postgres", "--processes"][..], &drain].concat();
    let product = Product::start(&postgres).await;
    kill(product.child_running("agent").unwrap(), Signal::STOP);
    let ticket = product.submit("Export", "How do I export my board as a file?").await;
    product.page_when(&ticket, "in_progress").await;
    let (_status, data) = product.stop().await;

    let path = data.path().to_str().unwrap().to_owned();
    let other = ["up", "--listen", "127.0.0.1:0", "--data", &path, "--bus", "kafka"];
    let output = to_end(fte(&other)).await;

    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("events are not handled yet"), "{}", said(&output));
    let again = Product::start_in(data, &drain).await;
    again.page_when(&ticket, "answered").await;
}

#[tokio::test]
async fn channels_are_shown_and_set_and_wrong_settings_refused_with_64() {
    let product = Product::start(&["--bus", "postgres"]).await;

    let set = ["channels", "set", "email", "aliases=help@example.com", "enabled=false"];
    let set = product.command(&set).await;
    assert!(set.status.success(), "{}", said(&set));
    let shown = product.command(&["channels", "show", "email"]).await;
    let table = String::from_utf8(shown.stdout).unwrap();
    let row = |name: &str| table.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(row("aliases").contains("help@example.com"), "{table}");
    assert!(row("enabled").contains("false") && !table.contains("whatsapp"), "{table}");

    for (change, named) in [
        ("template_id=HX1", "email has no setting"),
        ("replies_per_hour=none", "replies_per_hour must be a number from 1 to 1000"),
        ("enabled", "is no key=value"),
    ] {
        let refused = product.command(&["channels", "set", "email", change]).await;
        assert_eq!(refused.status.code(), Some(64), "{change}: {}", said(&refused));
        assert!(said(&refused).contains(named), "{change}: {}", said(&refused));
    }
}

#[tokio::test]
async fn the_doctor_names_what_fails_and_shows_how_a_webhook_was_refused() {
    let product = Product::start(&["--bus", "postgres"]).await;
    let examine = async |arguments: &[&str]| {
        let output = product.command(&[&["doctor"], arguments].concat()).await;
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };

    let (code, healthy) = examine(&[]).await;
    assert_eq!(code, Some(0), "{healthy}");
    for line in ["ok    database", "ok    log", "ok    channels", "ok    webhooks"] {
        assert!(healthy.contains(line), "{line}: {healthy}");
    }

    let account = ["--twilio-account-sid", "AC00000000000000000000000000000001"];
    let from = ["--twilio-whatsapp-from", "whatsapp:+14155238886", "--allow-loopback"];
    let token = ["--twilio-auth-token", "hunter2"];
    let (code, refused) = examine(&[&account[..], &from, &token].concat()).await;
    assert_eq!(code, Some(1), "{refused}");
    assert!(
        refused.contains("fail  whatsapp") && refused.contains("TWILIO_AUTH_TOKEN"),
        "{refused}"
    );
    assert!(!refused.contains("hunter2"), "{refused}");

    let form = [("From", "whatsapp:+14155550123"), ("Body", "hunter2")];
    let url = format!("{}/webhooks/whatsapp", product.url);
    let answer = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let mut shown = String::new();
    testkit::wait_for("the refused webhook to be shown", async || {
        (_, shown) = examine(&[]).await;
        shown.contains("warn  webhooks")
    })
    .await;
    assert!(shown.contains("/webhooks/whatsapp, parameters From Body"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
