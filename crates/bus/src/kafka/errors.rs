//! What Kafka's error codes mean to us. Decided here and nowhere else.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::bus::BusError;
use crate::source::SourceError;

/// What can be done about an error of the brokers or of librdkafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Will pass by itself.
    Passing,
    /// Stays until a person changes settings, certificates or rights.
    Refused,
    TooLarge,
}

pub(crate) fn trouble(code: RDKafkaErrorCode) -> Trouble {
    use RDKafkaErrorCode as Code;
    match code {
        Code::SSL
        | Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::InvalidConfig
        | Code::Fatal
        | Code::Fenced => Trouble::Refused,
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => Trouble::TooLarge,
        _ => Trouble::Passing,
    }
}

fn trouble_of(error: &KafkaError) -> Trouble {
    match error {
        KafkaError::ClientConfig(..)
        | KafkaError::ClientCreation(_)
        | KafkaError::MessageConsumptionFatal(_) => Trouble::Refused,
        error => error.rdkafka_error_code().map_or(Trouble::Passing, trouble),
    }
}

pub(crate) fn bus_error(error: KafkaError) -> BusError {
    match trouble_of(&error) {
        Trouble::Refused => BusError::Refused(error.into()),
        Trouble::Passing | Trouble::TooLarge => BusError::Unavailable(error.into()),
    }
}

pub(crate) fn source_error(error: KafkaError) -> SourceError {
    match trouble_of(&error) {
        Trouble::Refused => SourceError::Fatal(error.into()),
        Trouble::Passing | Trouble::TooLarge => SourceError::Unavailable(error.into()),
    }
}
