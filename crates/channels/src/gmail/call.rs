//! Which calls are made of Gmail, and what each costs.

/// One call of Gmail's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Profile,
    Watch,
    Stop,
    History,
    ListMessages,
    GetMessage,
    GetAttachment,
    GetThread,
    CreateDraft,
    GetDraft,
    SendDraft,
    DeleteDraft,
}

impl Call {
    /// Quota units, as Google counts them for projects since 2026-05-01.
    pub fn units(self) -> u32 {
        match self {
            Self::Profile => 1,
            Self::History => 2,
            Self::ListMessages => 5,
            Self::CreateDraft | Self::DeleteDraft => 10,
            Self::GetMessage | Self::GetAttachment | Self::GetDraft => 20,
            Self::GetThread => 40,
            Self::Stop => 50,
            Self::Watch | Self::SendDraft => 100,
        }
    }

    /// Whether a mail to a customer waits for it: its own sending, or the look for one in
    /// doubt, which holds back what follows it.
    pub fn is_for_sending(self) -> bool {
        matches!(
            self,
            Self::CreateDraft
                | Self::SendDraft
                | Self::DeleteDraft
                | Self::GetThread
                | Self::ListMessages
        )
    }

    /// Whether a lost answer leaves open what happened, and the same again would do harm.
    pub(super) fn sends(self) -> bool {
        self == Self::SendDraft
    }
}
