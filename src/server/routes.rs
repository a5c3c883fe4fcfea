//! HTTP to calls and back. Bytes are taken as they come, whatever the Content-Type: engines send none.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info_span, warn};
use warp::http::{Method as Verb, Response, StatusCode, header};
use warp::{Buf, Filter, Reply};

use super::call::{Call, Method};
use super::dispatch::{Done, dispatch};
use super::patience::RequestClock;
use super::wire::ErrorResponse;
use crate::driver::Driver;
use crate::failpoint;
use crate::kernel::Kernel;

/// Longest body, in bytes. Engines send some hundred.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Longest body that is read whatever else is going on, in bytes.
const SMALL_BODY_BYTES: usize = 16 * 1024;
/// How many larger ones are held at once: what hostile senders can make the daemon hold is this many mebibytes, not one
/// for each connection.
const LARGE_BODIES: usize = 8;
/// How long a larger one waits for those before it.
const LARGE_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest refusal, in characters of what there is to say; control characters are shown as more.
const LONGEST_SENTENCE: usize = 1000;
/// Longest time for one call. Engines wait for ever, and hold `docker run` while they do.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What every request needs.
#[derive(Debug)]
pub(super) struct Context<K> {
    pub(super) driver: Arc<Driver<K>>,
    /// Calls run as tasks of their own: one that an engine no longer waits for is still finished or undone.
    pub(super) calls: TaskTracker,
    large_bodies: Arc<Semaphore>,
}

impl<K> Context<K> {
    pub(super) fn new(driver: Arc<Driver<K>>) -> Self {
        Self { driver, calls: TaskTracker::new(), large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)) }
    }
}

impl<K> Clone for Context<K> {
    fn clone(&self) -> Self {
        Self {
            driver: Arc::clone(&self.driver),
            calls: self.calls.clone(),
            large_bodies: Arc::clone(&self.large_bodies),
        }
    }
}

/// The routes for one connection.
pub(super) fn routes<K: Kernel>(
    context: Context<K>,
    clock: RequestClock,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |verb: Verb, path: warp::path::FullPath, headers: header::HeaderMap, body| {
            let (context, clock) = (context.clone(), clock.clone());
            async move {
                let answer = answer(&context, &clock, &verb, path.as_str(), &headers, body).await;
                // Also when it was refused before its body was read: the sender is not waited for any more.
                clock.request_is_here();
                answer.unwrap_or_else(|refusal| refusal)
            }
        })
        .recover(|_| async {
            Ok::<_, Infallible>(refuse(StatusCode::BAD_REQUEST, "the request cannot be read"))
        })
        .unify()
}

type Answer = Response<Vec<u8>>;

fn json(status: StatusCode, value: &Value) -> Answer {
    let mut response = Response::new(value.to_string().into_bytes());
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static("application/vnd.docker.plugins.v1.2+json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// A sentence for a terminal: what was sent and comes back in it moves no cursor and fills no screen.
fn shown(sentence: &str) -> String {
    let mut shown = String::with_capacity(sentence.len().min(LONGEST_SENTENCE));
    for (number, character) in sentence.chars().enumerate() {
        if number == LONGEST_SENTENCE {
            shown.push('…');
            break;
        }
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

fn refuse(status: StatusCode, sentence: &str) -> Answer {
    let body = ErrorResponse { err: shown(sentence) };
    json(status, &serde_json::to_value(body).unwrap_or_default())
}

async fn answer<K: Kernel>(
    context: &Context<K>,
    clock: &RequestClock,
    verb: &Verb,
    path: &str,
    headers: &header::HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send,
) -> Result<Answer, Answer> {
    let Some(method) = Method::of_path(path) else {
        let shown: String = path.chars().take(80).collect();
        return Err(refuse(StatusCode::NOT_FOUND, &format!("trunkline has no method {shown}")));
    };
    if verb != Verb::POST {
        let mut answer =
            refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("{} takes POST, not {verb}", method.name));
        answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        return Err(answer);
    }
    let body = read_body(&context.large_bodies, headers, body).await?;
    clock.request_is_here();
    let call = method.parse(&body.bytes).map_err(|error| {
        debug!(method = method.name, %error, "refused");
        // A refusal of what the user said is shown as it is; one of the engine's bytes with the method's name.
        let status = if is_users_error(&error) { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        refuse(status, &error.to_string())
    })?;
    drop(body);
    Ok(run(context, method, call).await)
}

fn is_users_error(error: &super::call::CallError) -> bool {
    use super::call::CallError;
    matches!(
        error,
        CallError::Options(_) | CallError::OptionType { .. } | CallError::Mac(_) | CallError::IfName(_)
    )
}

/// A body that was read, and its place among the large ones if it is one.
#[derive(Debug, Default)]
struct HeldBody<'a> {
    bytes: Vec<u8>,
    place: Option<SemaphorePermit<'a>>,
}

async fn read_body<'a>(
    large_bodies: &'a Semaphore,
    headers: &header::HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send,
) -> Result<HeldBody<'a>, Answer> {
    let too_large = || {
        refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the request's body is larger than {MAX_BODY_BYTES} bytes"),
        )
    };
    let too_many = || refuse(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once: try again");
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let mut held = HeldBody::default();
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| refuse(StatusCode::BAD_REQUEST, "the request's body broke off"))?;
        let length = held.bytes.len() + chunk.remaining();
        if length > MAX_BODY_BYTES {
            return Err(too_large());
        }
        if length > SMALL_BODY_BYTES && held.place.is_none() {
            let place = tokio::time::timeout(LARGE_BODY_TIMEOUT, large_bodies.acquire()).await;
            // The semaphore is never closed, so what fails is the waiting.
            held.place = Some(place.ok().and_then(Result::ok).ok_or_else(too_many)?);
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            held.bytes.extend_from_slice(part);
            let length = part.len();
            chunk.advance(length);
        }
    }
    Ok(held)
}

async fn run<K: Kernel>(context: &Context<K>, method: Method, call: Call) -> Answer {
    let span =
        info_span!("call", method = method.name, network = network_of(&call), endpoint = endpoint_of(&call));
    let driver = Arc::clone(&context.driver);
    let given_up = Arc::new(AtomicBool::new(false));
    let given_up_on = Arc::clone(&given_up);
    let work = async move {
        let started = std::time::Instant::now();
        let outcome = dispatch(&driver, call).await;
        if given_up_on.load(Ordering::Acquire)
            && let Ok(Done { undo: Some(undo), .. }) = outcome
        {
            // The engine was told that it failed, and will never ask for it to be removed.
            warn!("done too late, and taken back");
            return dispatch(&driver, undo).await.map(|done| done.answer);
        }
        failpoint::reached("call.done");
        let ms = started.elapsed().as_secs_f64() * 1e3;
        match &outcome {
            Ok(_) => debug!(ms, "done"),
            Err(sentence) => warn!(ms, error = sentence, "refused"),
        }
        outcome.map(|done| done.answer)
    };
    let task = context.calls.spawn(work.instrument(span));
    match tokio::time::timeout(CALL_TIMEOUT, task).await {
        Ok(Ok(Ok(value))) => json(StatusCode::OK, &value),
        Ok(Ok(Err(sentence))) => refuse(StatusCode::OK, &sentence),
        Ok(Err(_)) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "trunkline failed inside: its log says how; please report it",
        ),
        Err(_) => {
            given_up.store(true, Ordering::Release);
            let sentence =
                format!("{} did not end within {} s: try again", method.name, CALL_TIMEOUT.as_secs());
            refuse(StatusCode::OK, &sentence)
        }
    }
}

fn network_of(call: &Call) -> Option<&str> {
    match call {
        Call::CreateNetwork(new) => Some(new.id.short()),
        Call::DeleteNetwork(id) => Some(id.short()),
        Call::CreateEndpoint(new) => Some(new.network.short()),
        Call::Join { network, .. } => Some(network.short()),
        _ => None,
    }
}

fn endpoint_of(call: &Call) -> Option<&str> {
    match call {
        Call::CreateEndpoint(new) => Some(new.id.short()),
        Call::Join { endpoint, .. } => Some(endpoint.short()),
        Call::DeleteEndpoint(id) | Call::Leave(id) => Some(id.short()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DriverSettings;
    use crate::kernel::fake::FakeKernel;
    use crate::model::network::NetworkDefaults;
    use crate::store::Store;

    fn parse(method: &str, body: &str) -> (Method, Call) {
        let method = Method::of_path(&format!("/NetworkDriver.{method}")).unwrap();
        (method, method.parse(body.as_bytes()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_too_late_is_taken_back() {
        let kernel = FakeKernel::new();
        kernel.add_device("eth1");
        let before = kernel.dump();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state"), &directory.path().join("run")).unwrap();
        let settings = DriverSettings { defaults: NetworkDefaults::default(), link_group: 8021 };
        let driver = Arc::new(Driver::new(kernel.clone(), store, settings));
        let context = Context::new(Arc::clone(&driver));
        let body = r#"{"NetworkID":"n1","Options":{"com.docker.network.generic":{"host_iface":"eth1.20"}}}"#;
        kernel.set_latency(Duration::from_secs(3));
        let (method, call) = parse("CreateNetwork", body);
        let answer = run(&context, method, call).await;
        let said = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(said.contains("CreateNetwork did not end within 10 s"), "{said}");
        context.calls.close();
        context.calls.wait().await;
        assert_eq!((driver.network_count(), kernel.dump()), (0, before));
        assert_eq!(std::fs::read_dir(directory.path().join("state/networks")).unwrap().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_nobody() {
        let places = Semaphore::new(LARGE_BODIES);
        let headers = header::HeaderMap::new();
        let read = |length: usize| {
            let chunks = vec![b' '; length].chunks(4096).map(|chunk| Ok(chunk.to_vec())).collect::<Vec<_>>();
            let chunks = futures_util::stream::iter(chunks).map(|chunk| chunk.map(std::io::Cursor::new));
            read_body(&places, &headers, chunks)
        };
        let mut held = Vec::new();
        for _ in 0..LARGE_BODIES {
            held.push(read(MAX_BODY_BYTES).await.unwrap());
        }
        assert_eq!(read(SMALL_BODY_BYTES).await.unwrap().bytes.len(), SMALL_BODY_BYTES);
        let refusal = read(SMALL_BODY_BYTES + 1).await.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(String::from_utf8_lossy(refusal.body()).contains("too many large requests"));
        let (waited, ()) = tokio::join!(read(SMALL_BODY_BYTES + 1), async {
            tokio::time::sleep(LARGE_BODY_TIMEOUT / 2).await;
            held.pop();
        });
        assert_eq!(waited.unwrap().bytes.len(), SMALL_BODY_BYTES + 1);
        assert_eq!(read(MAX_BODY_BYTES + 1).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_refusal_is_one_line_for_a_terminal() {
        assert_eq!(shown("option ü=\u{1b}[2J\n is not known"), "option ü=\\u{1b}[2J\\n is not known");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), LONGEST_SENTENCE + 1);
    }
}
