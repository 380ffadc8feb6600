//! What every service of a benchmark is told.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use servers::Runtime;

use crate::processes::{Member, Program};
use crate::up::service::Service;

/// Where the servers are, and what else is the same for all.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) database_url: String,
    /// `None` where the log stands in the database.
    pub(crate) bootstrap_servers: Option<String>,
    /// Where the services' logs go.
    pub(crate) log_folder: PathBuf,
    /// More variables.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Surroundings {
    /// Starts one more of the service, with every limit lifted.
    pub(crate) async fn start(&self, service: Service) -> anyhow::Result<Member> {
        self.start_with(service, &[]).await
    }

    /// The same with more variables.
    pub(crate) async fn start_with(
        &self,
        service: Service,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Member> {
        Member::start(service, self.telling(service, variables)?).await
    }

    /// The same at addresses that are known before.
    pub(crate) async fn start_at(&self, program: Program) -> anyhow::Result<Member> {
        let tell = self.telling(program.service, &[])?;
        Member::at(program, tell).await
    }

    /// Variables by which a program finds database and log.
    pub(crate) fn servers(&self) -> Vec<(&'static str, &str)> {
        let mut variables = vec![("DATABASE_URL", self.database_url.as_str())];
        match &self.bootstrap_servers {
            Some(servers) => {
                variables.push(("FTE_BUS", "kafka"));
                variables.push(("KAFKA_BOOTSTRAP_SERVERS", servers));
            }
            None => variables.push(("FTE_BUS", "postgres")),
        }
        variables
    }

    fn telling<'a>(
        &'a self,
        service: Service,
        variables: &'a [(&str, &str)],
    ) -> anyhow::Result<impl FnOnce(&mut Command) + use<'a>> {
        let log = self.log_folder.join(format!("{}.log", service.name()));
        let log = File::options().create(true).append(true).open(log)?;
        Ok(move |command: &mut Command| {
            command
                .envs(self.servers())
                .env("FTE_RATE_LIMITS", "off")
                .env("FTE_EMBEDDING_FOLDER", Runtime::locate().minilm())
                .env("FTE_MODEL_PROVIDER", "builtin")
                .env("FTE_SECRET", "a secret of the benchmark and of nothing else")
                .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())))
                .envs(variables.iter().copied())
                .stderr(log);
        })
    }
}
