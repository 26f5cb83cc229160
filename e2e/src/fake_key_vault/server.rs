//! The listeners, and what each call goes through: token, faults, the operation, the log.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::answer::{Answer, Body, Outcome};
use super::control::Control;
use super::entra::Application;
use super::fault::Fault;
use super::log::{Call, Kind};
use super::route::Route;
use super::{admin, certificates, input, secrets, tls};

/// The fake; see [`FakeKeyVault::start`].
#[derive(Debug)]
pub struct FakeKeyVault;

/// What a fake is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where vaults and Entra listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control port listens, if there is to be one.
    pub control: Option<SocketAddr>,
    /// Names and addresses: each is a vault, and Entra can be reached by each.
    pub hosts: Vec<String>,
    /// The first service principal. The vaults belong to its tenant.
    pub application: Application,
    /// For which tokens are issued and which the challenge names, for example `https://vault.azure.net`.
    pub resource: String,
}

/// A running fake. Dropping it closes the listeners and all connections.
#[derive(Debug)]
pub struct FakeKeyVaultHandle {
    addr: SocketAddr,
    control_addr: Option<SocketAddr>,
    ca: Vec<u8>,
    control: Control,
    tasks: Vec<AbortHandle>,
}

impl FakeKeyVault {
    /// Serves vaults and Entra over TLS with a certificate that is made now by `openssl`.
    pub async fn start(options: Options) -> Result<FakeKeyVaultHandle> {
        let identity = tls::identity(&options.hosts).await?;
        let listener = bind(options.listen).await?;
        let addr = listener.local_addr()?;
        let control = Control::new(&options.hosts, options.application, options.resource);
        let acceptor = TlsAcceptor::from(identity.config);
        let mut tasks =
            vec![tokio::spawn(listen_until_dropped(listener, addr, acceptor, control.clone())).abort_handle()];
        let mut control_addr = None;
        if let Some(listen) = options.control {
            let listener = bind(listen).await?;
            control_addr = Some(listener.local_addr()?);
            tasks.push(tokio::spawn(serve_control(listener, control.clone())).abort_handle());
        }
        Ok(FakeKeyVaultHandle {
            addr,
            control_addr,
            ca: identity.ca,
            control,
            tasks,
        })
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen at {listen}"))
}

impl FakeKeyVaultHandle {
    /// Where vaults and Entra listen.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the control port listens.
    pub fn control_addr(&self) -> Option<SocketAddr> {
        self.control_addr
    }

    /// The certificate that clients must trust, as PEM.
    pub fn ca(&self) -> &[u8] {
        &self.ca
    }

    /// Controls it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Drop for FakeKeyVaultHandle {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Accepts connections while the fake is wanted up; all of them end with this task.
async fn listen_until_dropped(listener: TcpListener, addr: SocketAddr, acceptor: TlsAcceptor, control: Control) {
    let mut wanted = control.wanted_down.subscribe();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        let down = *wanted.borrow_and_update();
        if down {
            listener = None;
            connections.shutdown().await;
        } else if listener.is_none() {
            listener = TcpListener::bind(addr).await.ok();
            if listener.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        }
        control.is_down.send_replace(down);
        while connections.try_join_next().is_some() {}
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()) => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                connections.spawn(connection(stream, acceptor.clone(), control.clone()));
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, control: Control) {
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            debug!(%error, "no TLS");
            return;
        }
    };
    let service = service_fn(|request| serve(control.clone(), request));
    if let Err(error) = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        debug!(%error, "a connection ended");
    }
}

async fn serve_control(listener: TcpListener, control: Control) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let control = control.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                let control = control.clone();
                async move {
                    let request = whole(request).await?;
                    respond(&admin::answer(&control, &request).await, &[])
                }
            });
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// What hyper turns into a connection closed without an answer.
#[derive(Debug)]
struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed without an answer, as the test wants")
    }
}

impl std::error::Error for NoAnswer {}

async fn whole(request: Request<Incoming>) -> Result<Request<Bytes>, NoAnswer> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    Ok(Request::from_parts(head, body))
}

fn respond(answer: &Answer, faults: &[Fault]) -> Result<Response<Body>, NoAnswer> {
    let broken = faults.iter().find_map(|fault| fault.response(answer));
    broken
        .unwrap_or_else(|| answer.head(Some(answer.body.len())).body(answer.body()))
        .map_err(|_| NoAnswer)
}

async fn serve(control: Control, request: Request<Incoming>) -> Result<Response<Body>, NoAnswer> {
    let at = Instant::now();
    let request = whole(request).await?;
    let route = Route::of(&request);
    let token = bearer(&request);
    let (start, application) = {
        let state = control.state();
        (state.start, token.and_then(|token| state.holder(token)))
    };
    let mut call = Call {
        at,
        since_start: at.saturating_duration_since(start),
        took: Duration::ZERO,
        kind: route.kind,
        host: route.host.clone(),
        name: route.name.clone(),
        version: route.version.clone(),
        with_token: token.is_some(),
        application,
        status: 0,
        code: None,
    };
    let may_act = route.is_entra() || call.application.is_some();
    let client = (route.kind == Kind::Token).then(|| client_of(&request)).flatten();
    let name = client.as_deref().or(route.name.as_deref());
    let faults = control.state().faults(route.kind, name, may_act);
    for fault in &faults {
        if let Fault::DelayMs(pause) = fault {
            tokio::time::sleep(Duration::from_millis(*pause)).await;
        }
    }
    let answer = if faults.contains(&Fault::Disconnect) {
        None
    } else if let Some(answer) = faults.iter().find_map(Fault::answer) {
        Some(answer)
    } else {
        Some(
            act(&control, &route, &request, &mut call)
                .await
                .unwrap_or_else(|error| error),
        )
    };
    if let Some(answer) = &answer {
        call.status = answer.status;
        call.code.clone_from(&answer.code);
    }
    call.took = at.elapsed();
    control.state().calls.push(call);
    respond(&answer.ok_or(NoAnswer)?, &faults)
}

/// The application that asks for a token.
fn client_of(request: &Request<Bytes>) -> Option<String> {
    let form = input::pairs(std::str::from_utf8(request.body()).ok()?);
    input::value(&form, "client_id").map(str::to_owned)
}

fn bearer(request: &Request<Bytes>) -> Option<&str> {
    let header = request.headers().get("authorization")?.to_str().ok()?;
    header.strip_prefix("Bearer ")
}

async fn act(control: &Control, route: &Route, request: &Request<Bytes>, call: &mut Call) -> Outcome {
    let tenant = route.tenant.as_deref().unwrap_or_default();
    match route.kind {
        Kind::Token => return control.state().entra.token(tenant, request, call),
        Kind::OpenIdConfiguration => return control.state().entra.configuration(tenant, &route.host),
        _ => {}
    }
    if !control.state().vaults.contains_key(route.host_name()) {
        return Err(Answer::error(
            421,
            "MisdirectedRequest",
            "the fake has no such vault",
            None,
        ));
    }
    if call.application.is_none() {
        return Err(challenge(control, route, call.with_token));
    }
    let api_version = input::api_version(&route.query)?;
    let imported = match route.kind {
        Kind::ImportCertificate => Some(certificates::prepare(request).await?),
        _ => None,
    };
    let mut state = control.state();
    let vault = state.vaults.get_mut(route.host_name());
    let vault = vault.ok_or_else(|| Answer::error(500, "InternalServerError", "the vault is gone", None))?;
    if route.kind == Kind::Other {
        return Err(Answer::error(404, "NotFound", "no such call", None));
    }
    if request.uri().path().contains("certificates") {
        certificates::act(vault, route, request, imported)
    } else {
        secrets::act(vault, route, request, api_version)
    }
}

/// 401 with where a token is to be had:
/// <https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>.
fn challenge(control: &Control, route: &Route, with_token: bool) -> Answer {
    let state = control.state();
    let message = if with_token {
        "[TokenExpired] Error validating token: 'S2S12086'."
    } else {
        "AKV10000: Request is missing a Bearer or PoP token."
    };
    let usual = || {
        format!(
            "Bearer authorization=\"{}/{}\", resource=\"{}\"",
            route.base(),
            state.tenant,
            state.entra.resource
        )
    };
    let value = state.challenge.clone().unwrap_or_else(usual);
    Answer::error(401, "Unauthorized", message, None).with_header("WWW-Authenticate", &value)
}
