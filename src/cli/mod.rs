//! What a person types. This file holds the tree of commands and no logic; a command's file holds what it does.

pub mod serve;
pub mod status;

use clap::builder::{OsStr, Resettable};
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

/// Docker network driver for VLAN trunks.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; nothing: serve.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon that Docker talks to (also without a subcommand).
    Serve(serve::ServeArgs),
    /// Show the networks of a running daemon, what waits, and what is amiss.
    Status(status::StatusArgs),
}

impl Cli {
    /// Reads the command line, and the environment for what is not on it. Bad usage, `--help` and `--version` end the
    /// process here (exit status 2, 0 and 0).
    pub fn read() -> Self {
        let matches = without_empty_variables(<Self as CommandFactory>::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command that was typed; `serve` when there was none.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

/// A variable that is set to nothing counts as not given: service files and compose files write such.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::<OsStr>::Reset) } else { arg })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_ancestors_line_serves() {
        let line = ["trunkline", "-d", "--host-interface=eth1", "--mode=bridge"];
        let served = |line: &[&str]| match Cli::try_parse_from(line).unwrap().command() {
            Command::Serve(args) => args,
            other => panic!("{other:?}"),
        };
        let args = served(&line);
        assert!(args.debug);
        assert_eq!(args.host_interface.as_deref(), Some("eth1"));
        let same = served(&["trunkline", "serve", "-d"]);
        assert!(same.debug);
    }
}
