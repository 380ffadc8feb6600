//! What every service is told: values by the name of their variable, so that the same
//! set serves a service in this process and one in its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use clap::{Args, CommandFactory, Parser};

/// Values that win over the environment.
#[derive(Clone, Default)]
pub(crate) struct Settings(BTreeMap<&'static str, String>);

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A service's settings without those of a process.
#[derive(Debug, Parser)]
struct Only<C: Args> {
    #[command(flatten)]
    config: C,
}

/// Whether the environment says one of these: then the whole group is its matter.
pub(crate) fn is_any_set(names: &[&str]) -> bool {
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

impl Settings {
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A service's settings: these values where it has a setting of that name, the
    /// environment and the defaults elsewhere.
    pub(crate) fn configure<C: Args>(&self, service: &'static str) -> anyhow::Result<C> {
        let command = Only::<C>::command();
        let mut arguments = vec![OsString::from(service)];
        for argument in command.get_arguments() {
            let variable = argument.get_env().and_then(|name| name.to_str());
            let value = variable.and_then(|name| self.0.get(name));
            if let (Some(flag), Some(value)) = (argument.get_long(), value) {
                arguments.push(format!("--{flag}={value}").into());
            }
        }
        let only: Only<C> = chassis::parse(service, arguments).map_err(|error| {
            // The first line names the setting; the rest is usage, for a person who typed.
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.strip_prefix("error: ").unwrap_or(line);
            chassis::SettingsError(format!("{service}: {line}"))
        })?;
        Ok(only.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Args)]
    struct Config {
        #[arg(long, env = "FTE_TEST_DATABASE")]
        database: String,
        #[arg(long, env = "FTE_TEST_SIZE", default_value_t = 8)]
        size: u32,
    }

    #[test]
    fn a_service_gets_the_values_it_knows_and_its_own_defaults() {
        let mut settings = Settings::default();
        settings.set("FTE_TEST_DATABASE", "--postgres://x y");
        settings.set("FTE_TEST_OTHER", "for another service");

        let config: Config = settings.configure("part").unwrap();

        assert_eq!((config.database.as_str(), config.size), ("--postgres://x y", 8));
        assert!(!format!("{settings:?}").contains("postgres://"));
    }

    #[test]
    fn a_setting_without_a_value_is_named() {
        let error = Settings::default().configure::<Config>("part").unwrap_err();

        assert!(error.to_string().starts_with("part: "), "{error}");
    }
}
