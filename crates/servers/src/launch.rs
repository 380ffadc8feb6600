//! How a child process is started: as which user, and bound to our life.
//!
//! `setpriv` (util-linux) drops root and asks the kernel to signal the child when we
//! die, which would need unsafe code here. Without it a normal user's servers still
//! start, but outlive a `kill -9` of their parent.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::ServerError;
use crate::runtime::find_program;

/// A user other than root.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Reads what root reads: needed where the checkout lies in a folder closed to
    /// others, as `/root` is.
    reads_everything: bool,
}

impl User {
    /// `None` when we are a normal user already. Root looks for `postgres`, then
    /// `nobody`, then anyone, who can use `needed`.
    pub(crate) fn instead_of_root(needed: &[&Path]) -> Result<Option<Self>, ServerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = choose(&users).ok_or(ServerError::NoUser)?;
        user.reaching(needed).map(Some)
    }

    /// Takes more rights only when the path is closed to this user.
    pub(crate) fn reaching(mut self, needed: &[&Path]) -> Result<Self, ServerError> {
        for reads_everything in [false, true] {
            self.reads_everything = reads_everything;
            if needed.iter().all(|path| self.can_use(path)) {
                return Ok(self);
            }
        }
        let path = needed.iter().find(|path| !self.can_use(path));
        let path = path.map(|path| path.to_path_buf()).unwrap_or_default();
        Err(ServerError::Unreachable { user: self.name, path })
    }

    fn can_use(&self, path: &Path) -> bool {
        // Through a shell: `setpriv` itself starts its program with root's rights.
        let mut command = Launch::new("/bin/sh").user(Some(self)).command();
        command.args(["-c", "test -x \"$0\""]).arg(path);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }
}

fn choose(passwd: &str) -> Option<User> {
    let users: Vec<User> = passwd.lines().filter_map(parse).collect();
    let named = |name: &str| users.iter().find(|user| user.name == name);
    named("postgres").or_else(|| named("nobody")).or_else(|| users.first()).cloned()
}

fn parse(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
    let gid = fields.next()?.parse().ok()?;
    Some(User { name, uid, gid, reads_everything: false })
}

/// A program with the user it runs as and the signal it gets when we die.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    program: PathBuf,
    user: Option<&'a User>,
    death_signal: Option<&'static str>,
}

impl<'a> Launch<'a> {
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), user: None, death_signal: None }
    }

    pub(crate) fn user(self, user: Option<&'a User>) -> Self {
        Self { user, ..self }
    }

    pub(crate) fn death_signal(self, signal: &'static str) -> Self {
        Self { death_signal: Some(signal), ..self }
    }

    /// The command, still without the program's own arguments.
    pub(crate) fn command(&self) -> Command {
        let setpriv = find_program("setpriv");
        let Some(setpriv) = setpriv.filter(|_| self.user.is_some() || self.death_signal.is_some())
        else {
            return quiet(Command::new(&self.program));
        };
        let mut command = quiet(Command::new(setpriv));
        if let Some(user) = self.user {
            command.args(["--clear-groups", &format!("--reuid={}", user.uid)]);
            command.arg(format!("--regid={}", user.gid));
            // The current folder may be closed to the user, and PostgreSQL goes back to it.
            command.current_dir("/");
            if user.reads_everything {
                command.args(["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]);
            }
        }
        if let Some(signal) = self.death_signal {
            command.args(["--pdeathsig", signal]);
        }
        command.arg("--").arg(&self.program);
        command
    }
}

/// No input, no output; and a process group of its own, since a terminal's Ctrl-C goes
/// to the whole group and the servers must outlive those who still drain.
fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    command
}

/// Sends both outputs to the end of one file.
pub(crate) fn log_to(command: &mut Command, log: &Path) -> Result<(), ServerError> {
    let failed = |source| ServerError::Folder { path: log.to_owned(), source };
    let file = File::options().create(true).append(true).open(log).map_err(failed)?;
    command.stdout(file.try_clone().map_err(failed)?).stderr(file);
    Ok(())
}

/// Runs a short program to its end; its outputs go to the log.
pub(crate) async fn run_to_end(
    name: &'static str,
    mut command: Command,
    log: &Path,
) -> Result<(), ServerError> {
    log_to(&mut command, log)?;
    let program = command.get_program().to_string_lossy().into_owned();
    let status = tokio::process::Command::from(command).kill_on_drop(true).status().await;
    match status.map_err(|source| ServerError::Spawn { program, source })?.success() {
        true => Ok(()),
        false => Err(ServerError::Ended {
            name,
            last_line: crate::folder::last_line(log),
            log: log.to_owned(),
        }),
    }
}

/// `key=value` as PostgreSQL's `-c` takes it.
pub(crate) fn settings(command: &mut Command, settings: &[(&str, &str)]) {
    for (key, value) in settings {
        command.arg("-c").arg(format!("{key}={value}"));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn postgres_is_preferred_to_nobody_and_root_is_never_chosen() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/sbin/nologin\n\
                      postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";

        assert_eq!(choose(passwd).unwrap().uid, 101);
        assert_eq!(choose(&passwd.replace("postgres:", "mail:")).unwrap().name, "nobody");
        assert!(choose("root:x:0:0:root:/root:/bin/bash").is_none());
    }

    #[test]
    fn a_command_for_another_user_drops_groups_and_dies_with_its_parent() {
        let user = choose("nobody:x:65534:65533::/:/sbin/nologin").unwrap();

        let command = Launch::new("/bin/server").user(Some(&user)).death_signal("INT").command();

        let arguments: Vec<&OsStr> = command.get_args().collect();
        let expected = "--clear-groups --reuid=65534 --regid=65533 --pdeathsig INT -- /bin/server";
        assert_eq!(arguments, expected.split(' ').collect::<Vec<_>>());
    }
}
