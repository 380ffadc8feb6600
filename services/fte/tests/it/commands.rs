//! What the command line says when something is wrong, and how commands find a
//! running `fte up`.

use std::process::Output;

use crate::product::{Product, data_folder, fte};

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_settings_are_one_line_and_64() {
    let cases: [(&[&str], &str); 4] = [
        (&["migrate", "--database-url", "nonsense"], "DATABASE_URL"),
        (&["migrate"], "--database-url"),
        (&["up", "--listen", "nowhere"], "--listen"),
        (&["topics", "plan", "--bus", "smoke-signals"], "--bus"),
    ];

    for (arguments, named) in cases {
        let output = fte(arguments).output().unwrap();

        let said = said(&output);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(named) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let output = fte(&["up", "--ephemeral", "--listen", &address]).output().unwrap();

    let expected =
        format!("error: {address} is in use: stop what listens there, or choose --listen\n");
    assert_eq!((output.status.code(), said(&output)), (Some(1), expected));
}

#[tokio::test]
async fn other_commands_find_what_runs_and_the_log_stays_what_it_was() {
    let product = Product::start(&["--bus", "postgres"]).await;

    let migrated = product.command(&["migrate"]);
    assert!(migrated.status.success(), "{}", said(&migrated));
    let planned = product.command(&["topics", "plan", "--profile", "local"]);
    assert!(planned.status.success(), "{}", said(&planned));

    let (status, data) = product.stop().await;
    assert!(status.success());
    let again = Product::start_in(data, &[]).await;
    assert!(again.said("log").unwrap().contains("tables"), "{:?}", again.said("log"));
}

#[test]
fn a_data_folder_in_use_is_refused() {
    let folder = data_folder();
    let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
    lock.lock().unwrap();

    let path = folder.path().to_str().unwrap();
    let output = fte(&["up", "--listen", "127.0.0.1:0", "--data", path]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("another `fte up` uses this folder"), "{}", said(&output));
}
