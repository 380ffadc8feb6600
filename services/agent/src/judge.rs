//! All that decides with: database, reader, search and model. A turn decides by it, and
//! so does whoever asks about a ticket that stands in no database.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use contract::{Channel, ConversationId, IdentityLevel, MessageId, Plan, TicketRef};
use sqlx::PgPool;
use tokio::time::Instant;

use crate::draft::Decider;
use crate::embedder::Embedder;
use crate::knowledge::Searcher;
use crate::log::{Bounds, InputMessage, Inputs, TurnLog};
use crate::model::Model;
use crate::policy::Reader;
use crate::search::Found;
use crate::source::{DraftError, Live, Source as _};
use crate::statements::Statements;
use crate::turn::TurnSettings;

/// Most tokens of one answer; the longest reply of any channel has fewer.
const MOST_COMPLETION_TOKENS: u32 = 2_000;

/// Decides about tickets with the knowledge base of a database.
pub struct Judge<M> {
    pub(crate) pool: PgPool,
    pub(crate) statements: Statements,
    reader: Reader,
    pub(crate) decider: Decider,
    searcher: Searcher,
    model: M,
    pub(crate) settings: TurnSettings,
}

impl<M: Model> Judge<M> {
    pub fn new(
        pool: PgPool,
        reader: Reader,
        embedder: Embedder,
        model: M,
        settings: TurnSettings,
    ) -> Self {
        let policy = Arc::clone(reader.policy());
        let bounds =
            Bounds { tokens: settings.model_tokens, completion_tokens: MOST_COMPLETION_TOKENS };
        Self {
            statements: Statements::new(&pool),
            searcher: Searcher::new(&policy, embedder),
            decider: Decider::new(policy, bounds),
            pool,
            reader,
            model,
            settings,
        }
    }

    /// The name of the model.
    pub fn model(&self) -> &str {
        self.model.name()
    }

    /// Decides. An error means that database or model did not answer.
    pub async fn judge(&self, inputs: Inputs) -> anyhow::Result<TurnLog> {
        Ok(self.decide(ConversationId::random(), inputs).await?)
    }

    /// Decides about messages of a conversation.
    pub(crate) async fn decide(
        &self,
        conversation: ConversationId,
        inputs: Inputs,
    ) -> Result<TurnLog, DraftError> {
        self.decider.decide(inputs, &self.live(conversation)).await
    }

    /// What the agent finds for a customer's words, the best first.
    pub async fn search(&self, words: &str) -> anyhow::Result<Vec<Found>> {
        let found = self.live(ConversationId::random()).search(&[words.to_owned()]).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn live(&self, conversation: ConversationId) -> Live<'_, M> {
        Live {
            reader: &self.reader,
            searcher: &self.searcher,
            statements: &self.statements,
            pool: &self.pool,
            model: &self.model,
            conversation,
            deadline: Instant::now() + self.settings.model_time,
            has_answered: AtomicBool::new(false),
        }
    }
}

impl Inputs {
    /// The first message of somebody nobody has heard of.
    pub fn first_contact(
        channel: Channel,
        ticket_ref: TicketRef,
        plan: Option<Plan>,
        customer_name: String,
        subject: String,
        body: String,
    ) -> Self {
        let id = MessageId::named(ticket_ref.as_str());
        Self {
            channel,
            ticket_ref,
            identity_level: IdentityLevel::SelfAsserted,
            subject,
            category: None,
            priority: None,
            claimed_plan: plan,
            plan: None,
            customer_name,
            handled_seq: 0,
            has_turns: false,
            replies_are_used_up: false,
            messages: vec![InputMessage { id, seq: 1, body, attachments: Vec::new() }],
        }
    }
}
