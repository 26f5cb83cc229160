//! `AssumeRole` and `AssumeRoleWithWebIdentity`: moto issues the keys, the fake remembers for which role.

use http::Request;
use hyper::body::Bytes;

use super::control::Control;
use super::errors::ErrorResponse;
use super::route::field;
use super::upstream::{Upstream, read};
use super::zones::{self, Outcome};

/// Passes the call on; the key in the answer gets the rights of the role.
pub(super) async fn assume(control: &Control, moto: &Upstream, request: &Request<Bytes>) -> Outcome {
    let arn = field(request.body(), "RoleArn").unwrap_or_default();
    let (role, closed) = {
        let state = control.state();
        (state.access.roles.get(&arn).cloned(), state.access.closed)
    };
    if closed && role.is_none() {
        let message = format!("Not authorized to perform sts:AssumeRole on resource: {arn}");
        return Ok(Err(ErrorResponse::new(403, "AccessDenied", &message)));
    }
    let answer = moto.forward(request, false).await?;
    if let (true, Some(role)) = (answer.status().is_success(), role) {
        let issued = read(&answer)?
            .find("Credentials")
            .and_then(|keys| keys.text_of("AccessKeyId").map(str::to_owned));
        if let Some(key) = issued {
            control.state().access.known.insert(key, role);
        }
    }
    Ok(Ok(zones::passed(&answer)))
}
