//! The `trunkline` command: parse, dispatch, exit code.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use trunkline::cli::serve::ServeError;
use trunkline::cli::{Cli, Command};
use trunkline::server::client::AskError;

/// Exit codes: 0 fine, 1 it failed, 2 bad usage (clap's own), 3 no daemon answers.
const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const NOT_REACHABLE: u8 = 3;

fn main() -> ExitCode {
    let command = Cli::read().command();
    // One thread: a call waits for the kernel and the disk and computes next to nothing, so a second thread would only
    // add the cost of waking it to every step. What blocks runs on threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("trunkline: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let outcome = runtime.block_on(run(command));
    runtime.shutdown_timeout(Duration::from_millis(500));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            eprintln!("trunkline: {sentence}");
            ExitCode::from(code)
        }
    }
}

async fn run(command: Command) -> Result<(), (u8, String)> {
    match command {
        Command::Serve(args) => args.run().await.map_err(|error| {
            let code = match error {
                ServeError::Usage(_) => BAD_USAGE,
                ServeError::Failed(_) => FAILED,
            };
            (code, error.to_string())
        }),
        Command::Status(args) => {
            let said = args.run().await.map_err(|error| {
                let code = match error {
                    AskError::NotReachable { .. } => NOT_REACHABLE,
                    AskError::NoAnswer { .. } => FAILED,
                };
                (code, error.to_string())
            })?;
            // A reader that closed the pipe has seen enough.
            let _ = std::io::stdout().write_all(said.as_bytes());
            Ok(())
        }
    }
}
