//! PostgreSQL as a child process.

use servers::{Postgres, PostgresOptions, ServerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends PostgreSQL's question for TLS, which every live server answers with one byte.
async fn answers(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
        stream.read_u8().await
    };
    ask.await.is_ok()
}

#[tokio::test]
async fn postgres_answers_at_once_and_a_temporary_one_leaves_nothing() {
    let postgres = Postgres::temporary().await.unwrap();
    let (port, folder) = (postgres.port(), postgres.log().parent().unwrap().to_owned());

    assert!(answers(port).await);

    postgres.stop().await.unwrap();
    assert!(!answers(port).await);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_kept_folder_is_used_again_after_a_crash() {
    let parent = tempfile::tempdir().unwrap();
    let mut permissions = parent.path().metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(parent.path(), permissions).unwrap();
    let options = PostgresOptions {
        folder: Some(parent.path().join("postgres")),
        password: Some("correct-horse".into()),
        ..Default::default()
    };
    let first = Postgres::start(options.clone()).await.unwrap();
    assert!(first.url("postgres").starts_with("postgres://postgres:correct-horse@127.0.0.1:"));
    first.crash().await.unwrap();
    assert!(!first.is_running());

    let second = Postgres::start(options).await.unwrap();

    assert!(answers(second.port()).await);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();

    let started = Postgres::start(PostgresOptions { port: Some(port), ..Default::default() }).await;

    assert!(matches!(started, Err(ServerError::PortTaken { port: named }) if named == port));
}

#[tokio::test]
async fn missing_programs_name_the_set_up_command() {
    let empty = tempfile::tempdir().unwrap();
    let runtime = Some(servers::Runtime::at(empty.path()));

    let started = Postgres::start(PostgresOptions { runtime, ..Default::default() }).await;

    assert!(started.unwrap_err().to_string().ends_with("run `make setup`"));
}
