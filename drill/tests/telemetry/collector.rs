//! A collector of traces, as small as one can be: OTLP over HTTP, kept in memory.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use drill::fleet::until;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use tokio::net::TcpListener;

/// A span, and the program it is of.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) program: String,
    pub(crate) span: Span,
}

impl Recorded {
    /// Its program and name.
    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.program, self.span.name)
    }
}

/// A running collector.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    spans: Arc<Mutex<Vec<Recorded>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, spans) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let kept = Arc::clone(&spans);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| take(Arc::clone(&kept), request));
                // Whoever breaks off has its reasons.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, spans }
    }

    /// The spans of a trace, by their ids.
    pub(crate) fn trace(&self, trace_id: &str) -> HashMap<String, Recorded> {
        let spans = self.spans.lock().unwrap();
        let of_it = spans.iter().filter(|recorded| hexadecimal(&recorded.span.trace_id) == trace_id);
        of_it.map(|recorded| (hexadecimal(&recorded.span.span_id), recorded.clone())).collect()
    }

    /// The titles of a span's causes, itself first, up to one that nobody here has recorded; and that one's id.
    pub(crate) async fn way_to(&self, trace_id: &str, title: &str) -> (Vec<String>, String) {
        // What caused it ended before it began, or is about to: its last part may come later.
        until(&format!("{title} and all its causes"), async || {
            let trace = self.trace(trace_id);
            let Some(last) = trace.values().find(|recorded| recorded.title() == title) else {
                return Ok(None);
            };
            let (mut way, mut at) = (vec![last.title()], hexadecimal(&last.span.parent_span_id));
            while let Some(cause) = trace.get(&at) {
                way.push(cause.title());
                at = hexadecimal(&cause.span.parent_span_id);
            }
            Ok(way.last().is_some_and(|first| first.starts_with("balancer")).then_some((way, at)))
        })
        .await
        .unwrap()
    }
}

async fn take(
    kept: Arc<Mutex<Vec<Recorded>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/traces"));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    for of_one in export.resource_spans {
        let program = program(&of_one);
        let spans = of_one.scope_spans.into_iter().flat_map(|scope| scope.spans);
        kept.lock().unwrap().extend(spans.map(|span| Recorded { program: program.clone(), span }));
    }
    Ok(Response::new(Full::default()))
}

fn program(spans: &ResourceSpans) -> String {
    let attributes = spans.resource.iter().flat_map(|resource| &resource.attributes);
    let named = attributes.filter(|attribute| attribute.key == "service.name");
    let mut texts = named.filter_map(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    });
    texts.next().unwrap_or_default()
}

fn hexadecimal(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
