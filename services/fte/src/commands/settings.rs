//! `fte settings`: every setting of every service, as one table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Arg, Args, Command};

use crate::output::line;
use crate::up::service::Service;

/// Print the table of all settings
///
/// docs/settings.md is this output; a test compares them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> anyhow::Result<ExitCode> {
    line(document()?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// One variable, and who reads it.
struct Setting {
    flag: String,
    default: String,
    help: String,
    readers: Vec<&'static str>,
}

/// Every service with its flags and variables, in the order of the flow.
fn services() -> Vec<(&'static str, Command)> {
    Service::ALL.map(|service| (service.name(), service.command())).into()
}

fn document() -> anyhow::Result<String> {
    let mut settings = BTreeMap::new();
    let services = services();
    for (service, command) in &services {
        for argument in command.get_arguments() {
            collect(&mut settings, service, argument);
        }
    }
    let mut text = String::from(
        "# Settings\n\nEvery setting is a variable and a flag; the flag wins, and an empty variable counts as unset. A missing or wrong\n\
         one ends the service with exit code 64 and one line that names it.\n\n\
         | variable | flag | default | what | read by |\n|---|---|---|---|---|\n",
    );
    for (variable, setting) in settings {
        let Setting { flag, default, help, readers } = setting;
        let readers =
            if readers.len() == services.len() { "all".to_owned() } else { readers.join(", ") };
        writeln!(text, "| `{variable}` | `--{flag}` | {default} | {help} | {readers} |")?;
    }
    Ok(text)
}

fn collect(settings: &mut BTreeMap<String, Setting>, service: &'static str, argument: &Arg) {
    let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else { return };
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.display()))
        .collect();
    let required = if argument.is_required_set() { "required" } else { "" };
    let setting =
        settings.entry(variable.to_string_lossy().into_owned()).or_insert_with(|| Setting {
            flag: flag.to_owned(),
            default: if defaults.is_empty() { required.to_owned() } else { defaults.join(", ") },
            help: argument
                .get_help()
                .map(|help| help.to_string().replace('|', "\\|"))
                .unwrap_or_default(),
            readers: Vec::new(),
        });
    setting.readers.push(service);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_table_is_what_the_code_says() {
        let committed = include_str!("../../../../docs/settings.md");

        assert!(
            committed == document().unwrap(),
            "docs/settings.md is stale: run `fte settings > docs/settings.md`"
        );
    }
}
