//! Twilio's messaging for WhatsApp: its REST interface, its callbacks, and customers
//! who write. Everything that it was asked can be read.

mod callbacks;
mod create;
mod faults;
mod inbound;
mod list;
mod media;
mod message;
mod overrides;
mod recorded;
mod routes;
mod signature;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use callbacks::Callbacks;
pub use faults::Fault;
pub use inbound::{Attempt, Inbound, InboundMedia, InboundOutcome};
pub use message::Message;
pub use recorded::Recorded;
pub use signature::sign;

use self::state::State;
use crate::server::Server;

/// The account that it plays.
#[derive(Debug, Clone)]
pub struct Settings {
    pub account_sid: String,
    pub auth_token: String,
    /// Our sender, as `whatsapp:+…`.
    pub sender: String,
    /// Where customers' messages go, with connection overrides after `#`.
    pub webhook_url: Option<String>,
    /// Where they go when that fails.
    pub fallback_url: Option<String>,
    pub callbacks: Callbacks,
    /// Whether free text needs a message of the customer's within 24 hours.
    pub has_window: bool,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            auth_token: "0123456789abcdef0123456789abcdef".to_owned(),
            sender: "whatsapp:+14155238886".to_owned(),
            webhook_url: None,
            fallback_url: None,
            callbacks: Callbacks::default(),
            has_window: false,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

/// A running emulator; dropping it stops it.
#[derive(Debug)]
pub struct TwilioEmulator {
    state: Arc<State>,
    server: Server,
}

impl TwilioEmulator {
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let listen = settings.listen;
        let state = Arc::new(State::new(settings));
        let server = serve(&state, listen).await?;
        state.set_address(server.address);
        Ok(Self { state, server })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// For TWILIO_API_BASE_URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address)
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

    /// What the next requests to send meet, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.extend(faults);
    }

    /// Every answer to a request to send takes this long from here on; the message goes first.
    pub fn set_answer_delay(&self, delay: Duration) {
        self.state.lock().answer_delay = delay;
    }

    /// Forgets what of the script was not met.
    pub fn clear_script(&self) {
        self.state.lock().faults.clear();
    }

    pub fn set_callbacks(&self, callbacks: Callbacks) {
        self.state.lock().callbacks = callbacks;
    }

    pub fn set_webhook(&self, url: impl Into<String>) {
        self.state.lock().webhook_url = Some(url.into());
    }

    pub fn set_fallback(&self, url: impl Into<String>) {
        self.state.lock().fallback_url = Some(url.into());
    }

    /// Requests without the new token are refused from here on.
    pub fn set_auth_token(&self, token: impl Into<String>) {
        self.state.lock().auth_token = token.into();
    }

    /// As if this customer's newest message were so much older.
    pub fn age_window(&self, customer: &str, by: Duration) {
        self.state.age_window(customer, by);
    }

    /// Pages of the list hold no more than this from here on.
    pub fn limit_pages(&self, messages: usize) {
        self.state.lock().largest_page = messages.max(1);
    }

    /// As if this customer had told Twilio to stop, or to go on.
    pub fn set_opted_out(&self, customer: &str, is_opted_out: bool) {
        let mut held = self.state.lock();
        if is_opted_out {
            held.opted_out.insert(customer.to_owned());
        } else {
            held.opted_out.remove(customer);
        }
    }

    /// Requests for files are led here from now on.
    pub fn set_media_place(&self, url: impl Into<String>) {
        self.state.lock().media_place = Some(url.into());
    }

    /// The next requests for files find none, as right after a message.
    pub fn delay_media(&self, requests: u32) {
        self.state.lock().media_absent = requests;
    }

    /// A customer writes: signs the message and posts it to the webhook.
    pub async fn inbound(&self, inbound: Inbound) -> InboundOutcome {
        inbound::deliver(&self.state, inbound).await
    }

    /// Everything that it holds, in the order of arrival.
    pub fn messages(&self) -> Vec<Message> {
        self.state.lock().messages.clone()
    }

    /// Texts that went to customers, in order.
    pub fn sent(&self) -> Vec<Message> {
        self.messages().into_iter().filter(Message::is_outbound).collect()
    }

    /// Every request to the REST interface, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.lock().requests.clone()
    }

    /// Requests to send, whatever became of them.
    pub fn send_requests(&self) -> Vec<Recorded> {
        self.requests().into_iter().filter(Recorded::is_send).collect()
    }
}

async fn serve(state: &Arc<State>, listen: SocketAddr) -> std::io::Result<Server> {
    Server::start(listen, |shutdown| routes::router(Arc::clone(state), shutdown)).await
}
