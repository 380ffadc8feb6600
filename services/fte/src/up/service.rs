//! The services: their names, their paths on the one origin, and how each is run.

use chassis::Context;

use crate::up::settings::Settings;

/// One deployable of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    WebformIngress,
    WhatsappIngress,
    GmailIngress,
    IdentityResolver,
    Agent,
    Dispatcher,
    Metrics,
    SupportApi,
}

impl Service {
    /// In the order of the flow.
    pub(crate) const ALL: [Service; 8] = [
        Service::WebformIngress,
        Service::WhatsappIngress,
        Service::GmailIngress,
        Service::IdentityResolver,
        Service::Agent,
        Service::Dispatcher,
        Service::Metrics,
        Service::SupportApi,
    ];

    /// Also the name of its program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::WebformIngress => "webform-ingress",
            Service::WhatsappIngress => whatsapp_ingress::NAME,
            Service::GmailIngress => gmail_ingress::NAME,
            Service::IdentityResolver => "identity-resolver",
            Service::Agent => "agent",
            Service::Dispatcher => "dispatcher",
            Service::Metrics => "metrics",
            Service::SupportApi => "support-api",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Who answers a path of the public origin.
    pub(crate) fn of_path(path: &str) -> Self {
        let mut parts = path.trim_start_matches('/').split('/');
        match (parts.next().unwrap_or_default(), parts.next()) {
            ("support", _) => Service::WebformIngress,
            ("webhooks", Some("whatsapp")) => Service::WhatsappIngress,
            ("webhooks", Some("gmail")) => Service::GmailIngress,
            ("metrics", _) => Service::Metrics,
            _ => Service::SupportApi,
        }
    }

    /// Its flags and variables.
    pub(crate) fn command(self) -> clap::Command {
        match self {
            Service::WebformIngress => chassis::describe::<webform_ingress::Config>(),
            Service::WhatsappIngress => chassis::describe::<whatsapp_ingress::Config>(),
            Service::GmailIngress => chassis::describe::<gmail_ingress::Config>(),
            Service::IdentityResolver => chassis::describe::<identity_resolver::Config>(),
            Service::Agent => chassis::describe::<agent::Config>(),
            Service::Dispatcher => chassis::describe::<dispatcher::Config>(),
            Service::Metrics => chassis::describe::<metrics::Config>(),
            Service::SupportApi => chassis::describe::<support_api::Config>(),
        }
    }

    /// Runs the service in this process until its shutdown.
    pub(crate) async fn run(self, settings: &Settings, context: Context) -> anyhow::Result<()> {
        let name = self.name();
        match self {
            Service::IdentityResolver => {
                Box::pin(identity_resolver::run(settings.configure(name)?, context)).await
            }
            Service::Metrics => Box::pin(metrics::run(settings.configure(name)?, context)).await,
            Service::WebformIngress => {
                Box::pin(webform_ingress::run(settings.configure(name)?, context)).await
            }
            Service::WhatsappIngress => {
                Box::pin(whatsapp_ingress::run(settings.configure(name)?, context)).await
            }
            Service::GmailIngress => {
                Box::pin(gmail_ingress::run(settings.configure(name)?, context)).await
            }
            Service::Dispatcher => {
                Box::pin(dispatcher::run(settings.configure(name)?, context)).await
            }
            Service::Agent => Box::pin(agent::run(settings.configure(name)?, context)).await,
            Service::SupportApi => {
                Box::pin(support_api::run(settings.configure(name)?, context)).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_service() {
        let cases = [
            ("/support", Service::WebformIngress),
            ("/support/ticket/TF-20260105-7K3Q", Service::WebformIngress),
            ("/supporters", Service::SupportApi),
            ("/metrics/channels", Service::Metrics),
            ("/webhooks/whatsapp", Service::WhatsappIngress),
            ("/webhooks/whatsapp/status", Service::WhatsappIngress),
            ("/webhooks/gmail", Service::GmailIngress),
            ("/webhooks", Service::SupportApi),
            ("/health/detailed", Service::SupportApi),
            ("/", Service::SupportApi),
        ];

        for (path, service) in cases {
            assert_eq!(Service::of_path(path), service, "{path}");
        }
    }
}
