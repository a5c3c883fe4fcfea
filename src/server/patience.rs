//! How long a sender may take over one request.
//!
//! Engines keep one connection open for days and send a request on it now and then, so an idle connection is not
//! slow. A request that has begun must be whole within a bound: [`PatientStream`] starts the clock at its first byte,
//! [`RequestClock::request_is_here`] stops it, and when it runs out the connection reads as broken. (hyper's own
//! header timeout starts when a connection falls idle, and would close the engine's connection under its next call.)
//!
//! The start of a further request that comes in one read with the end of this one is not timed: a connection that
//! stays there costs what an idle one does.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Longest time from a request's first byte to its last.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a request is on its way on a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestClock {
    under_way: Arc<AtomicBool>,
}

impl RequestClock {
    /// The whole request was read: the sender is no longer waited for.
    pub(super) fn request_is_here(&self) {
        self.under_way.store(false, Ordering::Release);
    }
}

/// A stream that breaks when a request takes too long to come in.
#[derive(Debug)]
pub(super) struct PatientStream<S> {
    stream: S,
    clock: RequestClock,
    deadline: Pin<Box<Sleep>>,
}

impl<S> PatientStream<S> {
    pub(super) fn new(stream: S, clock: RequestClock) -> Self {
        Self { stream, clock, deadline: Box::pin(tokio::time::sleep(REQUEST_TIMEOUT)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_ready()
            && buffer.filled().len() > before
            && !this.clock.under_way.swap(true, Ordering::AcqRel)
        {
            this.deadline.as_mut().reset(Instant::now() + REQUEST_TIMEOUT);
        }
        let is_late =
            this.clock.under_way.load(Ordering::Acquire) && this.deadline.as_mut().poll(cx).is_ready();
        if read.is_pending() && is_late {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the request did not come in time",
            )));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
