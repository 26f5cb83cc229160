//! Calls to moto.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::model::Zone;
use super::record::RecordSet;
use super::xml::{self, Element};
use super::{input, name};

/// moto tells services apart by the credential's scope and accounts by its key. Accounts are the fake's business, so that
/// everything of Route 53 is asked with this one.
const CREDENTIAL: HeaderValue = HeaderValue::from_static(
    "AWS4-HMAC-SHA256 Credential=hearth/20260101/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=0",
);
/// moto is a single process on the same machine; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one moto server.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Upstream {
    pub(super) fn new(moto: &Uri) -> Self {
        // moto's server closes each connection; a pooled one would fail its next call.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        Self {
            client,
            base: moto.to_string().trim_end_matches('/').to_owned(),
        }
    }

    /// Passes a request on as it is, or with our credential.
    pub(super) async fn forward(&self, request: &Request<Bytes>, ours: bool) -> Result<Response<Bytes>> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let mut forwarded = Request::builder()
            .method(request.method())
            .uri(format!("{}{path}", self.base));
        if let Some(headers) = forwarded.headers_mut() {
            headers.clone_from(request.headers());
            for name in [HOST, CONTENT_LENGTH, CONNECTION] {
                headers.remove(name);
            }
            if ours {
                headers.insert(AUTHORIZATION, CREDENTIAL);
                // moto reads a form as the client's default and then finds no XML.
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            }
        }
        let forwarded = forwarded.body(Full::new(request.body().clone()))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.request(forwarded))
            .await
            .context("moto hangs")?;
        let (head, body) = answer.context("moto does not answer")?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }

    async fn get(&self, path: &str) -> Result<Response<Bytes>> {
        let request = Request::builder().method(Method::GET).uri(path).body(Bytes::new())?;
        self.forward(&request, true).await
    }

    async fn read(&self, path: &str) -> Result<Element> {
        let answer = self.get(path).await?;
        ensure!(
            answer.status().is_success(),
            "moto answers {} to {path}",
            answer.status()
        );
        read(&answer)
    }

    /// A zone's image as moto has it, or nothing when there is no such zone.
    pub(super) async fn zone(&self, id: &str) -> Result<Option<Zone>> {
        let answer = self.get(&format!("/2013-04-01/hostedzone/{id}")).await?;
        if answer.status() == 404 {
            return Ok(None);
        }
        ensure!(
            answer.status().is_success(),
            "moto answers {} for zone {id}",
            answer.status()
        );
        let described = read(&answer)?;
        let apex = described
            .find("HostedZone")
            .and_then(|zone| zone.text_of("Name"))
            .context("a zone without name")?;
        let apex = name::normalise(apex).map_err(anyhow::Error::msg)?;
        let list = self
            .read(&format!("/2013-04-01/hostedzone/{id}/rrset?maxitems=300"))
            .await?;
        ensure!(
            list.text_of("IsTruncated") != Some("true"),
            "zone {id} was filled behind the fake's back"
        );
        let sets = list.find("ResourceRecordSets").map_or(&[][..], |sets| &sets.children);
        let mut sets = sets.iter().map(record_set).collect::<Result<Vec<_>>>()?;
        complete(&apex, &mut sets);
        Ok(Some(Zone::new(id, &apex, sets)))
    }

    /// All zones as moto describes them: `<HostedZone>` elements in order of creation.
    pub(super) async fn zones(&self) -> Result<Vec<Element>> {
        let mut zones = Vec::new();
        let mut marker = String::new();
        loop {
            let page = self
                .read(&format!("/2013-04-01/hostedzone?maxitems=100{marker}"))
                .await?;
            zones.extend(
                page.child("HostedZones")
                    .map(|list| list.children.clone())
                    .unwrap_or_default(),
            );
            match page
                .text_of("NextMarker")
                .filter(|_| page.text_of("IsTruncated") == Some("true"))
            {
                Some(next) => marker = format!("&marker={next}"),
                None => return Ok(zones),
            }
        }
    }
}

/// An answer's XML.
pub(super) fn read(answer: &Response<Bytes>) -> Result<Element> {
    xml::parse(std::str::from_utf8(answer.body())?)
}

fn record_set(element: &Element) -> Result<RecordSet> {
    let mut set = input::record_set(element, "moto").map_err(|rejection| anyhow::anyhow!(rejection.message()))?;
    set.name = name::normalise(&set.name).map_err(anyhow::Error::msg)?;
    Ok(set)
}

/// Every zone of Route 53 has SOA and NS, private ones too; moto gives private ones none.
fn complete(apex: &str, sets: &mut Vec<RecordSet>) {
    let server = "ns-1536.awsdns-00.co.uk.";
    if !sets.iter().any(|set| set.kind == "NS") {
        sets.push(RecordSet::simple(apex, "NS", 172_800, &[server]));
    }
    if !sets.iter().any(|set| set.kind == "SOA") {
        let soa = format!("{server} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400");
        sets.push(RecordSet::simple(apex, "SOA", 900, &[&soa]));
    }
}
