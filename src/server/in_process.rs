//! The routes without a socket: a request that is in memory already, and its answer.
//!
//! Every connection gets the same routes; here they are called directly, for tests and fuzz targets that try more
//! requests than a socket would carry in the time.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use hyper::body::Body;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use warp::Reply;
pub use warp::http;
use warp::http::{Request, Response};

use super::patience::RequestClock;
use super::routes::{Context, routes};
use crate::driver::Driver;
use crate::kernel::Kernel;

/// A driver behind its routes.
#[derive(Debug)]
pub struct InProcess<K> {
    context: Context<K>,
}

impl<K: Kernel> InProcess<K> {
    /// Routes to this driver.
    pub fn new(driver: Arc<Driver<K>>) -> Self {
        Self { context: Context::new(driver) }
    }

    /// Answers one request, with the bounds of a call. What it begins goes on when the future is dropped, as it does
    /// when a client hangs up.
    pub fn answer(
        &self,
        request: Request<Vec<u8>>,
    ) -> impl Future<Output = Response<Vec<u8>>> + Send + use<K> {
        let service =
            TowerToHyperService::new(warp::service(routes(self.context.clone(), RequestClock::default())));
        // warp takes its own kind of body, and makes one of anything that could be an answer.
        let request = request.map(|body| body.into_response().into_body());
        async move {
            let Ok::<_, Infallible>(answer) = service.call(request).await;
            let (head, body) = answer.into_parts();
            let mut body = pin!(body);
            let mut bytes = Vec::new();
            // An answer's body is in memory, and its frames come without an error.
            while let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                bytes.extend(frame.into_data().unwrap_or_default());
            }
            Response::from_parts(head, bytes)
        }
    }

    /// Waits for the calls that nobody waits for any more.
    pub async fn settled(&self) {
        self.context.calls.close();
        self.context.calls.wait().await;
        self.context.calls.reopen();
    }
}
