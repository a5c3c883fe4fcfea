//! Asks a running daemon, over its socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

/// How long an answer may take: longer than the daemon gives itself.
const TIMEOUT: Duration = Duration::from_secs(12);
/// The longest answer, in bytes: some hundred for each network.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no trunkline daemon answers on {}: {source}; start it, or say which with --socket", path.display())]
    NotReachable {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody listens who does not answer as a daemon does.
    #[error("what listens on {} gave no answer that can be read: {reason}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What came instead.
        reason: String,
    },
}

/// Calls a method without a body.
///
/// # Errors
/// When nobody answers, or not with a `T`.
pub async fn ask<T: DeserializeOwned>(socket: &Path, method: &str) -> Result<T, AskError> {
    let no_answer = |reason: String| AskError::NoAnswer { path: socket.to_owned(), reason };
    let exchange = async {
        let not_reachable = |source| AskError::NotReachable { path: socket.to_owned(), source };
        let stream = UnixStream::connect(socket).await.map_err(not_reachable)?;
        exchange(stream, method).await.map_err(|error| no_answer(error.to_string()))
    };
    let bytes = match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(outcome) => outcome?,
        Err(_) => return Err(no_answer(format!("none within {} s", TIMEOUT.as_secs()))),
    };
    serde_json::from_slice(&bytes).map_err(|error| no_answer(error.to_string()))
}

async fn exchange(
    stream: UnixStream,
    method: &str,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request =
        Request::post(format!("/{method}")).header(header::HOST, "trunkline").body(Empty::<Bytes>::new())?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(format!("HTTP status {status}").into()) }
    };
    tokio::select! {
        answer = answered => answer,
        // It ends before the answer is here only when it breaks.
        ended = connection => Err(ended.err().map_or_else(|| "the connection ended".into(), Into::into)),
    }
}
