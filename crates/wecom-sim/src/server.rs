//! HTTP: connections, the envelope, the request log, and trouble on demand.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Query, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::callback::encoded;
use crate::control::{self, Control};
use crate::fault::Trouble;
use crate::routes::{self, Answer, Call, File, Reply};
use crate::world::{Logged, World};
use crate::{Options, phone, seed};

/// The largest upload is 20 MB, and its multipart frame.
const MAX_BODY: usize = 21 * 1024 * 1024;

/// Pretends to be WeCom.
#[derive(Debug)]
pub struct Simulator;

/// A simulator that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    /// Its base URL, such as `http://127.0.0.1:6880`.
    pub origin: String,
    /// What steers and observes it.
    pub control: Control,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Waits until it is stopped from elsewhere.
    pub async fn wait(self) {
        let _joined = self.task.await;
    }

    /// Stops it.
    pub async fn stop(self) {
        let _was_running = self.stop.send(true);
        let _joined = self.task.await;
    }
}

impl Simulator {
    /// Starts with the demo company (see the README).
    ///
    /// # Errors
    /// An I/O error if the address cannot be listened on.
    pub async fn start(options: Options) -> std::io::Result<Running> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let world = World::new(options.scenario.rules(options.rules));
        world.listens_at(&format!("http://{address}"));
        if options.scenario.wants_demo() {
            seed::demo_company(&mut world.state.lock());
        }
        options.scenario.apply(&mut world.state.lock());
        if !world.state.lock().faults.list().is_empty() {
            world.trouble_may_come();
        }
        let (stop, stopped) = watch::channel(false);
        let clock_file = options.clock_file.map(Arc::from);
        let task = tokio::spawn(accept(listener, world.clone(), clock_file, stopped));
        Ok(Running { origin: format!("http://{address}"), control: Control::new(world), stop, task })
    }
}

async fn accept(
    listener: TcpListener,
    world: Arc<World>,
    clock_file: Option<Arc<path::Path>>,
    mut stopped: watch::Receiver<bool>,
) {
    let house = Arc::new(House { app: router(world.clone()), world: world.clone(), clock_file });
    loop {
        let connection = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        let Ok((connection, from)) = connection else {
            // Out of file descriptors, most likely: let some close.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        world.state.lock().connections += 1;
        tokio::spawn(serve(connection, from, house.clone(), stopped.clone()));
    }
}

/// What a connection's requests go to.
struct House {
    world: Arc<World>,
    clock_file: Option<Arc<path::Path>>,
    /// Everything but WeCom's own calls.
    app: Router,
}

impl House {
    async fn answer(&self, mut request: Request) -> Response {
        if request.uri().path().starts_with("/cgi-bin/") {
            return call(&self.world, self.clock_file.as_deref(), request).await;
        }
        if is_long_connection(&request) {
            *request.uri_mut() = hyper::Uri::from_static("/ws");
        }
        self.app.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

async fn serve(connection: TcpStream, from: SocketAddr, house: Arc<House>, mut stopped: watch::Receiver<bool>) {
    let _best_effort = connection.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let house = house.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(from);
            let response = house.answer(request).await;
            // An error here makes hyper close the connection without an answer.
            if response.extensions().get::<Reset>().is_some() { Err(Reset) } else { Ok(response) }
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // No clock for each request: whoever is slow here is being tested.
    http.keep_alive(true);
    let connection = http.serve_connection(TokioIo::new(connection), service).with_upgrades();
    tokio::select! {
        // A client that goes away is its own business.
        _ended = connection => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// Marks an answer that is never given.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
struct Reset;

fn router(world: Arc<World>) -> Router {
    let calls = world.clone();
    Router::new()
        .merge(control::router(world.clone()))
        .merge(phone::router(world.clone()))
        .route("/ws", get(long_connection(world.clone())))
        .route("/_files/{id}", get(async move |Path(id): Path<String>, headers: HeaderMap| file(&world, id, &headers)))
        .fallback(async move |request: Request| call(&calls, None, request).await)
}

/// Where smart robots connect; on the bare origin, too, where their clients look.
fn long_connection(world: Arc<World>) -> impl Fn(WebSocketUpgrade) -> Ready<Response> + Clone + Send + Sync + 'static {
    move |upgrade: WebSocketUpgrade| {
        let world = world.clone();
        ready(upgrade.on_upgrade(move |socket| crate::long_connection::serve(world, socket)))
    }
}

/// Whether a request asks for a WebSocket, wherever it asks: robots' clients do not name a path.
fn is_long_connection(request: &Request) -> bool {
    request.headers().get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

async fn call(world: &World, clock_file: Option<&path::Path>, request: Request) -> Response {
    if let Some(path) = clock_file {
        let offset = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
        world.clock.set_offset(offset.unwrap_or(0));
    }
    let Some(call) = read(request).await else { return plain(StatusCode::PAYLOAD_TOO_LARGE) };
    let trouble = meet(world, &call);
    if let Some(trouble) = &trouble
        && !trouble.is_taken()
    {
        return untaken(world, &call, trouble);
    }
    let answered = routes::answer(world, &call).await;
    let Some(result) = answered else {
        log(world, &call, None);
        return plain(StatusCode::NOT_FOUND);
    };
    let answer = match result {
        Ok(Reply::Json(answer)) => answer,
        Ok(Reply::File(file)) => {
            log(world, &call, Some(0));
            if let Some(Trouble::Delay { ms }) = trouble {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            return download(&file, call.range.as_deref());
        }
        Err(refused) => Answer::refused(&refused, &call, world.clock.now()),
    };
    match trouble {
        None => {
            log(world, &call, Some(answer.errcode()));
            envelope(&answer)
        }
        Some(Trouble::Delay { ms }) => {
            log(world, &call, Some(answer.errcode()));
            tokio::time::sleep(Duration::from_millis(ms)).await;
            envelope(&answer)
        }
        Some(trouble) => {
            log(world, &call, None);
            spoilt(&answer, &trouble).await
        }
    }
}

async fn read(request: Request) -> Option<Call> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.ok()?;
    let query = Query::<HashMap<String, String>>::try_from_uri(&head.uri).map(|query| query.0).unwrap_or_default();
    let content_type =
        head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let from_ip = head.extensions.get::<SocketAddr>().map(SocketAddr::ip);
    let range = head.headers.get(header::RANGE).and_then(|v| v.to_str().ok()).map(str::to_owned);
    Some(Call { method: head.method, path: head.uri.path().to_owned(), query, content_type, body, from_ip, range })
}

fn meet(world: &World, call: &Call) -> Option<Trouble> {
    if !world.is_troubled() {
        return None;
    }
    let mut state = world.state.lock();
    let agentid = call.query.get("access_token").and_then(|token| state.tokens.get(token)).and_then(|t| t.agentid);
    state.faults.meet(&call.path, call.query.get("key").map(String::as_str), agentid)
}

fn untaken(world: &World, call: &Call, trouble: &Trouble) -> Response {
    match trouble {
        Trouble::Errcode { errcode, errmsg } => {
            let errmsg = errmsg.clone().unwrap_or_else(|| known_text(*errcode).to_owned());
            let answer = Answer::refused(&crate::rules::Refused { errcode: *errcode, errmsg }, call, world.clock.now());
            log(world, call, Some(*errcode));
            envelope(&answer)
        }
        Trouble::Html => {
            log(world, call, None);
            let mut page = Response::new(Body::from("<html><body><h1>502 Bad Gateway</h1></body></html>"));
            page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            page
        }
        Trouble::Status { status } => {
            log(world, call, None);
            plain(StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        _ => {
            log(world, call, None);
            reset()
        }
    }
}

async fn spoilt(answer: &Answer, trouble: &Trouble) -> Response {
    let json = Bytes::from(serde_json::to_vec(&answer.0).unwrap_or_default());
    let broken = || std::io::Error::other("the answer is broken off on purpose");
    match trouble {
        Trouble::Hang => std::future::pending().await,
        Trouble::Half => {
            let half = json.slice(..json.len() / 2);
            let parts = stream::iter([Ok(half), Err(broken())]);
            Response::new(Body::from_stream(parts))
        }
        Trouble::Drip => {
            let parts = stream::unfold((json, 0), |(json, at)| async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let byte = json.get(at..=at).map(Bytes::copy_from_slice)?;
                Some((Ok::<_, std::io::Error>(byte), (json, at + 1)))
            });
            Response::new(Body::from_stream(parts))
        }
        Trouble::Stall => Response::new(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())),
        Trouble::Endless => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            Response::new(Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()))))
        }
        Trouble::BadGzip => {
            let mut response = Response::new(Body::from("this is not gzip"));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        _ => reset(),
    }
}

/// A file that is fetched without a token; its URL is what nobody can guess.
fn file(world: &World, id: String, headers: &HeaderMap) -> Response {
    let now = world.clock.now();
    let ended = world.state.lock().file_ends.get(&id).is_some_and(|end| *end <= now);
    let content = world.state.lock().files.get(&id).filter(|_| !ended).cloned();
    let Some(content) = content else { return plain(StatusCode::NOT_FOUND) };
    let file_name = world.state.lock().file_names.get(&id).cloned().unwrap_or(id);
    let file = File { content, content_type: "application/octet-stream", file_name };
    download(&file, headers.get(header::RANGE).and_then(|value| value.to_str().ok()))
}

/// A file as WeCom sends it: whole, or the range that is asked for (path/90254).
fn download(file: &File, range: Option<&str>) -> Response {
    let total = file.content.len();
    let asked = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let part = asked.and_then(|(first, last)| {
        let first: usize = first.parse().ok()?;
        let last = if last.is_empty() {
            total.checked_sub(1)?
        } else {
            last.parse::<usize>().ok()?.min(total.checked_sub(1)?)
        };
        (first <= last).then_some((first, last))
    });
    let mut response = match part {
        Some((first, last)) => {
            let mut response = Response::new(Body::from(file.content.slice(first..=last)));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            if let Ok(range) = HeaderValue::from_str(&format!("bytes {first}-{last}/{total}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            response
        }
        None => Response::new(Body::from(file.content.clone())),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let plain = file.file_name.replace(['"', '\r', '\n'], "_");
    // Both forms, as a live answer was seen to have them: clients differ in which they read.
    let disposition = format!("attachment; filename*=utf-8''{}; filename=\"{plain}\"", encoded(&plain));
    if let Ok(disposition) = HeaderValue::from_bytes(disposition.as_bytes()) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

fn envelope(answer: &Answer) -> Response {
    let json = serde_json::to_vec(&answer.0).unwrap_or_default();
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    headers.insert(header::SERVER, HeaderValue::from_static("nginx"));
    headers.insert("error-code", HeaderValue::from(answer.errcode()));
    let errmsg = answer.0.get("errmsg").and_then(serde_json::Value::as_str).unwrap_or_default();
    if let Ok(errmsg) = HeaderValue::from_str(errmsg) {
        headers.insert("error-msg", errmsg);
    }
    response
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn reset() -> Response {
    let mut response = plain(StatusCode::OK);
    response.extensions_mut().insert(Reset);
    response
}

fn log(world: &World, call: &Call, errcode: Option<i64>) {
    let text = if call.content_type.starts_with("multipart/") {
        format!("[{} bytes of {}]", call.body.len(), call.content_type)
    } else {
        String::from_utf8(call.body.to_vec()).unwrap_or_else(|_| String::from_utf8_lossy(&call.body).into_owned())
    };
    let logged = Logged {
        number: 0,
        at: world.clock.now(),
        method: call.method.to_string(),
        path: call.path.clone(),
        key: call.query.get("key").cloned(),
        errcode,
        body: text,
    };
    world.requests.lock().add(logged);
}

fn known_text(errcode: i64) -> &'static str {
    match errcode {
        -1 => "system busy",
        40_001 => "invalid credential",
        40_014 => "invalid access_token",
        42_001 => "access_token expired",
        45_009 => "api freq out of limit",
        45_033 => "api concurrent out of limit",
        60_020 => "not allow to access from your ip",
        93_000 => "invalid webhook url",
        _ => "scripted by the simulator's control",
    }
}
