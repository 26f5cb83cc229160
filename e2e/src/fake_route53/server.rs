//! The listener, and what each call goes through: access, throttling, faults, the operation, the log.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use http::header::AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tracing::debug;

use super::access::{self, Access};
use super::answer::{Answer, Body};
use super::control::Control;
use super::errors::ErrorResponse;
use super::fault::{Fault, failure};
use super::log::{Call, Edit, Operation};
use super::route::Route;
use super::upstream::Upstream;
use super::{admin, input, rrset, sts, zones};

/// The fake; see [`FakeRoute53::start`].
#[derive(Debug)]
pub struct FakeRoute53;

/// A running fake. Dropping it closes the listener and all connections.
#[derive(Debug)]
pub struct FakeRoute53Handle {
    addr: SocketAddr,
    control: Control,
    task: AbortHandle,
}

impl FakeRoute53 {
    /// Serves Route 53 (and STS) at `listen`, with moto behind it. Port 0 takes a free one.
    pub async fn start(listen: SocketAddr, moto: Uri) -> Result<FakeRoute53Handle> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen at {listen}"))?;
        let addr = listener.local_addr()?;
        let control = Control::new();
        let server = Server {
            control: control.clone(),
            moto: Upstream::new(&moto),
        };
        let task = tokio::spawn(listen_until_dropped(listener, addr, server)).abort_handle();
        Ok(FakeRoute53Handle { addr, control, task })
    }
}

impl FakeRoute53Handle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://address:port`, for an SDK's endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Controls it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Drop for FakeRoute53Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Debug)]
struct Server {
    control: Control,
    moto: Upstream,
}

/// Accepts connections while the fake is wanted up; all of them end with this task.
async fn listen_until_dropped(listener: TcpListener, addr: SocketAddr, server: Server) {
    let mut wanted = server.control.wanted_down.subscribe();
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
        server.control.is_down.send_replace(down);
        while connections.try_join_next().is_some() {}
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()) => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let server = server.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| serve(server.clone(), request));
                    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                        debug!(%error, "a connection ended");
                    }
                });
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
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

async fn serve(server: Server, request: Request<Incoming>) -> Result<Response<Body>, NoAnswer> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let request = Request::from_parts(head, body);
    if request.uri().path().starts_with("/_hearth/") {
        return Ok(admin::answer(&server.control, &request).into_response("", false));
    }
    let route = Route::of(&request);
    let key = access::key_of(
        request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|header| header.to_str().ok()),
    );
    let mut call = Call {
        at,
        since_start: at.saturating_duration_since(server.control.state().start),
        took: Duration::ZERO,
        operation: route.operation,
        zone: route.zone.clone(),
        key,
        edits: Vec::new(),
        applied: false,
        status: 0,
        error: None,
    };
    let end = server.call(&route, &request, &mut call).await;
    let mut state = server.control.state();
    let request_id = format!("hearth-{:08}", state.serial());
    let response = match end {
        End::Nothing => Err(NoAnswer),
        End::Refused(rejection) => {
            call.status = rejection.status;
            call.error = Some((rejection.code.clone(), rejection.message()));
            let document = rejection.document(state.form, &request_id);
            Ok(Answer::xml(rejection.status, document).into_response(&request_id, false))
        }
        End::Answered { answer, cut } => {
            call.status = answer.status;
            Ok(answer.into_response(&request_id, cut))
        }
    };
    call.took = at.elapsed();
    state.calls.push(call);
    response
}

/// How a call ends.
enum End {
    Answered { answer: Answer, cut: bool },
    Refused(ErrorResponse),
    Nothing,
}

impl Server {
    async fn call(&self, route: &Route, request: &Request<Bytes>, call: &mut Call) -> End {
        let access = match self.admit(route, call) {
            Ok(access) => access,
            Err(rejection) => return End::Refused(rejection),
        };
        let batch = (route.operation == Operation::ChangeResourceRecordSets)
            .then(|| input::change_batch(&String::from_utf8_lossy(request.body())));
        if let Some(Ok(changes)) = &batch {
            call.edits = changes.iter().map(Edit::from).collect();
        }
        let faults = self
            .control
            .state()
            .faults(route.operation, route.zone.as_deref(), &call.key, &call.edits);
        for fault in &faults {
            match fault {
                Fault::DelayMs(wait) => tokio::time::sleep(Duration::from_millis(*wait)).await,
                Fault::Disconnect => return End::Nothing,
                fault => {
                    if let Some(rejection) = fault.rejection() {
                        return End::Refused(rejection);
                    }
                }
            }
        }
        let short = faults.iter().find_map(|fault| {
            if let Fault::ShortPages(most) = fault {
                Some(*most)
            } else {
                None
            }
        });
        let outcome = match batch {
            Some(Err(rejection)) => Ok(Err(rejection)),
            Some(Ok(changes)) => self.change(route, &changes, call).await,
            None => self.other(route, request, &access, &call.key, short).await,
        };
        let answer = match outcome {
            Ok(Ok(answer)) => answer,
            Ok(Err(rejection)) => return End::Refused(rejection),
            Err(error) => {
                return End::Refused(ErrorResponse::new(
                    500,
                    "InternalFailure",
                    &format!("fake Route 53: {error:#}"),
                ));
            }
        };
        let mut cut = false;
        for fault in faults {
            match fault {
                Fault::LoseAnswer => return End::Nothing,
                Fault::FailAfterwards(status) => {
                    let (code, message) = failure(status);
                    return End::Refused(ErrorResponse::new(status, code, message));
                }
                Fault::CutAnswer => cut = true,
                _ => {}
            }
        }
        End::Answered { answer, cut }
    }

    /// Who calls, whether it may, and whether it does so too often.
    fn admit(&self, route: &Route, call: &Call) -> Result<Access, ErrorResponse> {
        let mut state = self.control.state();
        // A web identity is its own proof.
        if route.operation == Operation::AssumeRoleWithWebIdentity {
            return Ok(Access::all());
        }
        let access = state.access.of(&call.key)?;
        if route.operation == Operation::AssumeRole || !route.is_route53() {
            return Ok(access);
        }
        let owner = route.zone.as_ref().and_then(|zone| state.owners.get(zone));
        access::permit(
            &access,
            &call.key,
            route.operation,
            route.zone.as_deref(),
            owner.map(String::as_str),
        )?;
        if state.admits(&access.account, call.at) {
            Ok(access)
        } else {
            Err(Fault::throttling()
                .rejection()
                .unwrap_or_else(|| ErrorResponse::new(400, "Throttling", "Rate exceeded")))
        }
    }

    async fn change(&self, route: &Route, changes: &[super::Change], call: &mut Call) -> zones::Outcome {
        let zone = route.zone.as_deref().unwrap_or_default();
        if !zones::load(&self.control, &self.moto, zone).await? {
            return Ok(Err(ErrorResponse::no_zone(zone)));
        }
        let outcome = rrset::change(&mut self.control.state(), zone, changes);
        call.applied = outcome.is_ok();
        Ok(outcome)
    }

    async fn other(
        &self,
        route: &Route,
        request: &Request<Bytes>,
        access: &Access,
        key: &str,
        short: Option<usize>,
    ) -> zones::Outcome {
        let Self { control, moto } = self;
        let zone = route.zone.as_deref().unwrap_or_default();
        let query = |name: &str| route.query(name);
        match route.operation {
            Operation::ListResourceRecordSets => {
                if !zones::load(control, moto, zone).await? {
                    return Ok(Err(ErrorResponse::no_zone(zone)));
                }
                Ok(rrset::list(&control.state(), zone, &route.start(), short))
            }
            Operation::ListHostedZones => zones::list(control, moto, access, query("marker"), query("maxitems")).await,
            Operation::ListHostedZonesByName => zones::list_by_name(control, moto, access, route).await,
            Operation::GetHostedZone => zones::get(control, moto, zone, request).await,
            Operation::CreateHostedZone => zones::create(control, moto, access, request).await,
            Operation::DeleteHostedZone => zones::delete(control, moto, zone, request).await,
            Operation::GetChange => Ok(Ok(rrset::get_change(route.last()))),
            Operation::AssumeRole | Operation::AssumeRoleWithWebIdentity => sts::assume(control, moto, request).await,
            Operation::Other | Operation::ChangeResourceRecordSets => {
                debug!(%key, path = request.uri().path(), "passed to moto");
                Ok(Ok(zones::passed(&moto.forward(request, route.is_route53()).await?)))
            }
        }
    }
}
