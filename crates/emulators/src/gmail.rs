//! Gmail: its API, the tokens for it, the history of its mailboxes, and Pub/Sub, which
//! tells of changes. Everything that it was asked can be read.

mod api;
mod arrival;
mod base64url;
mod counter;
mod drafts;
mod faults;
mod gate;
mod hand;
mod history;
mod inbound;
mod keys;
mod labels;
mod mail;
mod mailbox;
mod messages;
mod oauth;
mod payload;
mod problem;
mod push;
mod recorded;
mod route;
mod search;
mod sending;
mod settings;
mod state;
mod subject;
mod threads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use arrival::Verdict;
pub use faults::{BadToken, Fault, PushFault};
pub use inbound::{Arrived, Inbound, InboundFile, NotDelivered};
pub use recorded::{Pushed, Recorded, Sent};
pub use settings::{Account, Push, Settings};

use self::hand::Change;
use self::problem::Problem;
use self::state::State;
use crate::server::Server;

/// A running emulator; dropping it stops it.
#[derive(Debug)]
pub struct GmailEmulator {
    state: Arc<State>,
    server: Server,
    _pushing: DropGuard,
}

impl GmailEmulator {
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let listen = settings.listen;
        let http = push::client().map_err(std::io::Error::other)?;
        let (publish, published) = tokio::sync::mpsc::unbounded_channel();
        let state = Arc::new(State::new(settings, http, publish));
        let server = serve(&state, listen).await?;
        let shutdown = CancellationToken::new();
        tokio::spawn(push::run(Arc::clone(&state), published, shutdown.clone()));
        Ok(Self { state, server, _pushing: shutdown.drop_guard() })
    }

    /// Google's names of the methods that it plays, without `gmail.users.`.
    pub fn methods() -> Vec<&'static str> {
        route::names()
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// For GMAIL_API_BASE_URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// For GOOGLE_TOKEN_URL.
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.server.address)
    }

    /// For GOOGLE_CERTS_URL.
    pub fn certs_url(&self) -> String {
        format!("http://{}/oauth2/v3/certs", self.server.address)
    }

    /// From here on connections are refused. What it holds stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Listens again where it did.
    pub async fn restart(&mut self) -> std::io::Result<()> {
        self.stop().await;
        self.server = serve(&self.state, self.server.address).await?;
        Ok(())
    }

    /// What the next calls of a method meet, one each. The method is named as in
    /// Google's discovery document without `gmail.users.`: `messages.get`, `drafts.send`;
    /// or `token`, `certs`.
    pub fn script(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.entry(method.to_owned()).or_default().extend(faults);
    }

    /// Every call that asks for this mail meets the fault, from here on; `None` ends it.
    pub fn trouble(&self, mail_id: &str, fault: Option<Fault>) {
        let mut held = self.state.lock();
        match fault {
            Some(fault) => held.troubles.insert(mail_id.to_owned(), fault),
            None => held.troubles.remove(mail_id),
        };
    }

    /// Forgets what of the script was not met.
    pub fn clear_script(&self) {
        self.state.lock().faults.clear();
    }

    /// Who is told of changes from here on.
    pub fn set_push(&self, push: Option<Push>) {
        self.state.lock().push = push;
    }

    /// What happens to the next notifications, one each.
    pub fn script_pushes(&self, faults: impl IntoIterator<Item = PushFault>) {
        self.state.lock().push_faults.extend(faults);
    }

    /// A customer writes. Who watches the mailbox is told in the background.
    pub fn inbound(&self, inbound: &Inbound) -> Result<Arrived, NotDelivered> {
        inbound::deliver(&self.state, inbound)
    }

    /// Time goes by: tokens and watches end.
    pub fn advance(&self, by: Duration) {
        hand::apply(&self.state, Change::Time { seconds: by.as_secs() });
    }

    /// Access tokens end before their time.
    pub fn expire_tokens(&self) {
        hand::apply(&self.state, Change::TokensExpired);
    }

    /// The mailbox's owner takes the access away, or gives it back.
    pub fn set_revoked(&self, mailbox: &str, is_revoked: bool) {
        hand::apply(&self.state, Change::Access { mailbox: mailbox.to_owned(), is_revoked });
    }

    /// Each refresh gives a new refresh token too, and the old one ends.
    pub fn rotate_refresh_tokens(&self) {
        hand::apply(&self.state, Change::RefreshTokensRotate);
    }

    /// Pushes are signed with a new key from here on.
    pub fn rotate_keys(&self) {
        hand::apply(&self.state, Change::KeysRotated);
    }

    /// The history so far is forgotten, as after a week.
    pub fn forget_history(&self, mailbox: &str) {
        hand::apply(&self.state, Change::HistoryForgotten { mailbox: mailbox.to_owned() });
    }

    /// A mail goes away for good; false where there is none.
    pub fn delete(&self, mailbox: &str, id: &str) -> bool {
        let (mailbox, id) = (mailbox.to_owned(), id.to_owned());
        hand::apply(&self.state, Change::Deleted { mailbox, id })
    }

    /// Mail to this address comes back from here on.
    pub fn set_undeliverable(&self, address: &str) {
        hand::apply(&self.state, Change::Undeliverable { address: address.to_owned() });
    }

    /// Where a mailbox's history stands; `None` where there is no such mailbox.
    pub fn history_id(&self, mailbox: &str) -> Option<u64> {
        self.state.lock().mailbox(mailbox).ok().map(|(mailbox, _)| mailbox.history_id)
    }

    /// Ids and labels of a mailbox's mails, oldest first.
    pub fn messages(&self, mailbox: &str) -> Vec<(String, Vec<String>)> {
        let mut held = self.state.lock();
        let Ok((mailbox, _)) = held.mailbox(mailbox) else { return Vec::new() };
        let all = mailbox.messages.values();
        all.map(|stored| (stored.id.clone(), stored.label_ids.clone())).collect()
    }

    /// Drafts that are still there.
    pub fn drafts(&self, mailbox: &str) -> Vec<String> {
        let mut held = self.state.lock();
        let Ok((mailbox, _)) = held.mailbox(mailbox) else { return Vec::new() };
        mailbox.drafts.keys().cloned().collect()
    }

    /// Mails that went, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.state.lock().sent.clone()
    }

    /// Every request, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.lock().requests.clone()
    }

    /// Requests for one method.
    pub fn requests_for(&self, method: &str) -> Vec<Recorded> {
        self.requests().into_iter().filter(|recorded| recorded.route == method).collect()
    }

    /// Notifications and the answers to their pushes, in the order of their publication.
    pub fn pushes(&self) -> Vec<Pushed> {
        self.state.lock().pushes.clone()
    }
}

async fn serve(state: &Arc<State>, listen: SocketAddr) -> std::io::Result<Server> {
    Server::start(listen, |shutdown| router(Arc::clone(state), shutdown)).await
}

fn router(state: Arc<State>, shutdown: CancellationToken) -> Router {
    let gate = middleware::from_fn_with_state(Arc::clone(&state), gate::pass);
    Router::new()
        .route("/token", post(oauth::token))
        .route("/oauth2/v3/certs", get(oauth::certs))
        .route("/gmail/v1/users/{*path}", axum::routing::any(api::call))
        .fallback(async || Problem::not_found())
        .layer(gate)
        .merge(hand::routes())
        .layer(Extension(shutdown))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(state)
}
