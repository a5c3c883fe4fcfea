//! The `trunkline` command: parse, dispatch, exit code.

use std::process::ExitCode;
use std::time::Duration;

use trunkline::cli::serve::ServeError;
use trunkline::cli::{Cli, Command};

/// Exit codes: 0 fine, 1 it failed, 2 bad usage (clap's own).
const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let Command::Serve(args) = Cli::read().command();
    // One thread: a call waits for the kernel and the disk and computes next to nothing, so a second thread would only
    // add the cost of waking it to every step. What blocks runs on threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("trunkline: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let outcome = runtime.block_on(args.run());
    runtime.shutdown_timeout(Duration::from_millis(500));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trunkline: {error}");
            ExitCode::from(match error {
                ServeError::Usage(_) => BAD_USAGE,
                ServeError::Failed(_) => FAILED,
            })
        }
    }
}
