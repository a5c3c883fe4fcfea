//! What a person types. This file holds the tree of commands and no logic; a command's file holds what it does.

pub mod serve;

use clap::{Parser, Subcommand};

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
}

impl Cli {
    /// The command that was typed; `serve` when there was none.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_ancestors_line_serves() {
        let line = ["trunkline", "-d", "--host-interface=eth1", "--mode=bridge"];
        let Command::Serve(args) = Cli::try_parse_from(line).unwrap().command();
        assert!(args.debug);
        assert_eq!(args.host_interface.as_deref(), Some("eth1"));
        let Command::Serve(same) = Cli::try_parse_from(["trunkline", "serve", "-d"]).unwrap().command();
        assert!(same.debug);
    }
}
