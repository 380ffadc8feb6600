//! The settings of channels by name: which channel has which, what a value must look
//! like, and how it is shown. Pure.

use contract::Channel;

use super::values::{addresses, number, some, staff, template_id, variables};
use super::{ChannelConfig, ChannelSettings};

/// What one Twilio sender does on request; no mailbox does more.
const MOST_SENDS_PER_SECOND: u32 = 400;

const MOST_REPLIES_PER_HOUR: u32 = 1000;
const MOST_REPLIES_PER_DAY: u32 = 10_000;

/// Why a setting is refused. It never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("{channel} has no setting {name:?}; it has {known}")]
    Unknown { channel: &'static str, name: String, known: String },
    #[error("{key} must be {expected}")]
    Value { key: &'static str, expected: &'static str },
    #[error("the settings are not what this version knows")]
    Unreadable,
}

/// A setting by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    /// What it does, for a table.
    pub help: &'static str,
    /// What a value looks like.
    expected: &'static str,
    channels: &'static [Channel],
    field: Field,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Enabled,
    TemplateId,
    TemplateVariables,
    Aliases,
    StaffAddresses,
    RepliesPerHour,
    RepliesPerDay,
    SendsPerSecond,
    TicketRefInSubject,
    MailStatusLink,
}

const ALL: &[Channel] = &[Channel::Email, Channel::Whatsapp, Channel::WebForm];
const PROVIDERS: &[Channel] = &[Channel::Email, Channel::Whatsapp];

const KEYS: &[Key] = &[
    Key {
        name: "enabled",
        help: "off: messages are taken and stored, answers wait",
        expected: "true or false",
        channels: ALL,
        field: Field::Enabled,
    },
    Key {
        name: "template_id",
        help: "approved template that asks a customer to write again, after 24 hours",
        expected: "HX and 32 hexadecimal digits, or empty for none",
        channels: &[Channel::Whatsapp],
        field: Field::TemplateId,
    },
    Key {
        name: "template_variables",
        help: "the template's variables; {ticket_ref} stands for the ticket's",
        expected: "a JSON object of short texts like {\"1\":\"{ticket_ref}\"}, or empty for none",
        channels: &[Channel::Whatsapp],
        field: Field::TemplateVariables,
    },
    Key {
        name: "aliases",
        help: "our other addresses",
        expected: "e-mail addresses, comma-separated, at most 200",
        channels: &[Channel::Email],
        field: Field::Aliases,
    },
    Key {
        name: "staff_addresses",
        help: "who of us may answer a customer by mail, and as whom: anna@example.com=Anna",
        expected: "e-mail addresses, each alone or with =NAME, comma-separated, at most 200",
        channels: &[Channel::Email],
        field: Field::StaffAddresses,
    },
    Key {
        name: "replies_per_hour",
        help: "automatic replies to one address in a conversation",
        expected: "a number from 1 to 1000",
        channels: PROVIDERS,
        field: Field::RepliesPerHour,
    },
    Key {
        name: "replies_per_day",
        help: "automatic replies to one address in a conversation",
        expected: "a number from 1 to 10000",
        channels: PROVIDERS,
        field: Field::RepliesPerDay,
    },
    Key {
        name: "sends_per_second",
        help: "sends begun by each replica",
        expected: "a number from 1 to 400, or empty for the program's own",
        channels: PROVIDERS,
        field: Field::SendsPerSecond,
    },
    Key {
        name: "ticket_ref_in_subject",
        help: "subjects carry [TF-…]",
        expected: "true or false",
        channels: &[Channel::Email],
        field: Field::TicketRefInSubject,
    },
    Key {
        name: "mail_status_link",
        help: "mail the link to the status page, once an hour at most",
        expected: "true or false",
        channels: &[Channel::WebForm],
        field: Field::MailStatusLink,
    },
];

impl Key {
    /// The settings that a channel has.
    pub fn of(channel: Channel) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.channels.contains(&channel))
    }

    /// The channel's setting of this name.
    pub fn find(channel: Channel, name: &str) -> Result<&'static Key, Wrong> {
        Self::of(channel).find(|key| key.name == name).ok_or_else(|| Wrong::Unknown {
            channel: channel.as_str(),
            name: name.chars().take(40).collect(),
            known: Self::of(channel).map(|key| key.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Changes the setting. Returns its name.
    pub fn set(&self, config: &mut ChannelConfig, value: &str) -> Result<&'static str, Wrong> {
        self.try_set(config, value.trim())
            .ok_or(Wrong::Value { key: self.name, expected: self.expected })
    }

    fn try_set(&self, config: &mut ChannelConfig, value: &str) -> Option<&'static str> {
        let settings = &mut config.settings;
        match self.field {
            Field::Enabled => config.enabled = value.parse().ok()?,
            Field::TemplateId => {
                settings.template_id = some(value).map(template_id).transpose().ok()?;
            }
            Field::TemplateVariables => {
                settings.template_variables = match some(value) {
                    Some(value) => Some(variables(value)?),
                    None => None,
                };
            }
            Field::Aliases => settings.aliases = addresses(value)?,
            Field::StaffAddresses => {
                (settings.staff_addresses, settings.staff_names) = staff(value)?;
            }
            Field::RepliesPerHour => {
                settings.replies_per_hour = number(value, MOST_REPLIES_PER_HOUR)?;
            }
            Field::RepliesPerDay => {
                settings.replies_per_day = number(value, MOST_REPLIES_PER_DAY)?;
            }
            Field::SendsPerSecond => {
                settings.sends_per_second = match some(value) {
                    Some(value) => Some(number(value, MOST_SENDS_PER_SECOND)?),
                    None => None,
                };
            }
            Field::TicketRefInSubject => settings.ticket_ref_in_subject = value.parse().ok()?,
            Field::MailStatusLink => settings.mail_status_link = value.parse().ok()?,
        }
        Some(self.name)
    }

    /// The value as it is written in a change.
    pub fn show(&self, config: &ChannelConfig) -> String {
        let settings = &config.settings;
        match self.field {
            Field::Enabled => config.enabled.to_string(),
            Field::TemplateId => settings.template_id.clone().unwrap_or_default(),
            Field::TemplateVariables => settings.template_variables.clone().unwrap_or_default(),
            Field::Aliases => settings.aliases.join(","),
            Field::StaffAddresses => {
                let shown = settings.staff_addresses.iter().map(|address| {
                    match settings.staff_names.get(address) {
                        Some(name) => format!("{address}={name}"),
                        None => address.clone(),
                    }
                });
                shown.collect::<Vec<_>>().join(",")
            }
            Field::RepliesPerHour => settings.replies_per_hour.to_string(),
            Field::RepliesPerDay => settings.replies_per_day.to_string(),
            Field::SendsPerSecond => {
                settings.sends_per_second.map(|sends| sends.to_string()).unwrap_or_default()
            }
            Field::TicketRefInSubject => settings.ticket_ref_in_subject.to_string(),
            Field::MailStatusLink => settings.mail_status_link.to_string(),
        }
    }
}

impl ChannelSettings {
    /// Whether every value is one that could have been set.
    pub(super) fn checked(&self) -> Result<(), Wrong> {
        let config = ChannelConfig { enabled: true, settings: self.clone() };
        let mut again = config.clone();
        KEYS.iter().try_for_each(|key| key.set(&mut again, &key.show(&config)).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(channel: Channel, name: &str, value: &str) -> Result<ChannelConfig, Wrong> {
        let mut config = ChannelConfig::default();
        Key::find(channel, name)?.set(&mut config, value)?;
        Ok(config)
    }

    #[test]
    fn a_value_is_shown_as_it_is_set() {
        let template = format!("HX{}", "0aF".repeat(11).get(..32).unwrap());
        for (channel, name, value, shown) in [
            (Channel::WebForm, "enabled", "true", "true"),
            (Channel::Whatsapp, "template_id", template.as_str(), template.as_str()),
            (Channel::Whatsapp, "template_id", "", ""),
            (Channel::Whatsapp, "template_variables", r#"{"1":"x"}"#, r#"{"1":"x"}"#),
            (Channel::Email, "aliases", "A@x.com, b@x.com,a@X.com,", "a@x.com,b@x.com"),
            (Channel::Email, "staff_addresses", " ", ""),
            (
                Channel::Email,
                "staff_addresses",
                "B@x.com, A@x.com = Anna B ,",
                "b@x.com,a@x.com=Anna B",
            ),
            (
                Channel::Email,
                "staff_addresses",
                "a=b@x.com=Anna,c=d@x.com",
                "a=b@x.com=Anna,c=d@x.com",
            ),
            (Channel::Email, "staff_addresses", "a@x.com=Anna,A@x.com", "a@x.com=Anna"),
            (Channel::Email, "replies_per_hour", "7", "7"),
            (Channel::Whatsapp, "sends_per_second", "80", "80"),
            (Channel::Whatsapp, "sends_per_second", "", ""),
            (Channel::Email, "ticket_ref_in_subject", "false", "false"),
            (Channel::WebForm, "mail_status_link", "true", "true"),
        ] {
            let config = set(channel, name, value).unwrap();

            assert_eq!(Key::find(channel, name).unwrap().show(&config), shown, "{name}={value}");
            assert_eq!(config.settings.checked(), Ok(()), "{name}={value}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_it_must_be_and_never_quoted() {
        for (channel, name, value) in [
            (Channel::Email, "enabled", "hunter2"),
            (Channel::Whatsapp, "template_id", "HX1"),
            (Channel::Whatsapp, "template_id", "MG0123456789abcdef0123456789abcdef"),
            (Channel::Whatsapp, "template_variables", r#"{"1":7,"2":"hunter2"}"#),
            (Channel::Whatsapp, "template_variables", r#"{"1":"hunter2\n"}"#),
            (Channel::Email, "aliases", "hunter2"),
            (Channel::Email, "staff_addresses", "a@x.com,hunter2"),
            (Channel::Email, "staff_addresses", "hunter2 <a@x.com>"),
            (Channel::Email, "staff_addresses", "a@x.com="),
            (Channel::Email, "staff_addresses", "a@x.com=hun\nter2"),
            (Channel::Email, "staff_addresses", "a@x.com=Anna,a@x.com=hunter2"),
            (Channel::Email, "aliases", "a@x.com=hunter2"),
            (Channel::Email, "replies_per_hour", "0"),
            (Channel::Email, "replies_per_day", "10001"),
            (Channel::Whatsapp, "sends_per_second", "401"),
            (Channel::WebForm, "mail_status_link", "1"),
        ] {
            let wrong = set(channel, name, value).unwrap_err().to_string();

            assert!(wrong.starts_with(&format!("{name} must be ")), "{wrong}");
            assert!(!wrong.contains("hunter2"), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_another_channel_is_unknown_and_the_known_ones_are_named() {
        let wrong = set(Channel::WebForm, "template_id", "").unwrap_err().to_string();

        assert_eq!(
            wrong,
            "web_form has no setting \"template_id\"; it has enabled, mail_status_link"
        );
        assert!(set(Channel::Email, "aliasses", "").is_err());
    }
}
