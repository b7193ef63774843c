//! Asks DNS who serves a pool. It must not decide: what records mean is [`super::records`]' business.
//!
//! Every look-up has a resolver of its own: nothing is remembered between two of them, and a changed `resolv.conf` or
//! hosts file counts from the next one on.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::task::JoinSet;

use super::found::{self, Failure, Found};
use super::records::{self, Target};
use crate::config::Endpoint;
use crate::config::discovery::{Dns, Records};

/// How long one server has for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Tries after the first.
const REPEATS: usize = 1;
/// How long a look-up may take, with all its questions and servers.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Who is there now, and when to ask again.
pub(super) async fn look_up(dns: &Dns) -> (Result<Found, Failure>, Duration) {
    match tokio::time::timeout(LOOKUP_MAX, ask(dns)).await {
        Ok(Ok((found, ttl_seconds))) => (Ok(found), records::pause(ttl_seconds, dns.refresh)),
        Ok(Err(failure)) => (Err(failure), dns.refresh),
        Err(_) => (Err(Failure::Unanswered(no_answer(&dns.name))), dns.refresh),
    }
}

async fn ask(dns: &Dns) -> Result<(Found, Option<u32>), Failure> {
    let resolver = resolver(dns).map_err(|error| Failure::Unanswered(format!("no resolver: {error}")))?;
    let (endpoints, ttl_seconds) = match dns.records {
        Records::A(port) => instances(&resolver, &dns.name, RecordType::A, port).await?,
        Records::Aaaa(port) => instances(&resolver, &dns.name, RecordType::AAAA, port).await?,
        Records::Srv => {
            let answer = services(&resolver, &dns.name).await?;
            let endpoints = records::of_services(&answer.records);
            if endpoints.is_empty() {
                return Err(Failure::Absent(format!("no host that `{}` names has an address", dns.name)));
            }
            (endpoints, answer.ttl_seconds)
        }
    };
    Ok((Found::new(endpoints)?, ttl_seconds))
}

fn resolver(dns: &Dns) -> Result<TokioResolver, NetError> {
    let mut builder = match dns.server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            let server = NameServerConfig::new(server.ip(), true, connections);
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.timeout = ANSWER_MAX;
    options.attempts = REPEATS;
    options.edns0 = true;
    if dns.server.is_some() {
        options.use_hosts_file = ResolveHosts::Never;
    }
    builder.build()
}

/// Records of one kind, and how long the first of them lives.
struct Answer<T> {
    records: Vec<T>,
    ttl_seconds: Option<u32>,
}

async fn records_of<T>(
    resolver: &TokioResolver,
    name: &Name,
    kind: RecordType,
    read: impl Fn(&RData) -> Option<T>,
) -> Result<Answer<T>, Failure> {
    let lookup = resolver.lookup(name.clone(), kind).await;
    let lookup = lookup.map_err(|error| failure(name, kind, &error))?;
    let ttl_seconds = lookup.answers().iter().map(|record| record.ttl).min();
    let records: Vec<T> = lookup.answers().iter().filter_map(|record| read(&record.data)).collect();
    if records.is_empty() {
        return Err(Failure::Absent(format!("`{name}` has no {kind} record")));
    }
    Ok(Answer { records, ttl_seconds })
}

async fn instances(
    resolver: &TokioResolver,
    name: &Name,
    kind: RecordType,
    port: u16,
) -> Result<(Vec<Endpoint>, Option<u32>), Failure> {
    let answer = addresses(resolver, name, kind).await?;
    Ok((records::of_addresses(&answer.records, port), answer.ttl_seconds))
}

async fn addresses(
    resolver: &TokioResolver,
    name: &Name,
    kind: RecordType,
) -> Result<Answer<IpAddr>, Failure> {
    records_of(resolver, name, kind, RData::ip_addr).await
}

/// A target that cannot be looked up fails the whole answer, because it may well be there; one that has no address is
/// not there.
async fn services(resolver: &TokioResolver, name: &Name) -> Result<Answer<Target>, Failure> {
    let read = |data: &RData| match data {
        RData::SRV(service) => Some(service.clone()),
        _ => None,
    };
    let services = records_of(resolver, name, RecordType::SRV, read).await?;
    found::within_limit(services.records.len())?;
    let mut lookups = JoinSet::new();
    for service in services.records {
        let resolver = resolver.clone();
        lookups.spawn(async move {
            let answer = target_addresses(&resolver, &service.target).await?;
            let (priority, weight, port) = (service.priority, service.weight, service.port);
            Ok::<_, Failure>((
                Target { priority, weight, port, addresses: answer.records },
                answer.ttl_seconds,
            ))
        });
    }
    let looked_up = lookups.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (records, ttls): (Vec<_>, Vec<_>) = looked_up.into_iter().unzip();
    let ttl_seconds = ttls.into_iter().chain([services.ttl_seconds]).flatten().min();
    Ok(Answer { records, ttl_seconds })
}

/// One family, IPv4 where there is one: both would be the same instance twice.
async fn target_addresses(resolver: &TokioResolver, target: &Name) -> Result<Answer<IpAddr>, Failure> {
    for kind in [RecordType::A, RecordType::AAAA] {
        match addresses(resolver, target, kind).await {
            Err(Failure::Absent(_)) => {}
            answer => return answer,
        }
    }
    Ok(Answer { records: Vec::new(), ttl_seconds: None })
}

fn failure(name: &Name, kind: RecordType, error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NXDomain => {
            Failure::Absent(format!("`{name}` does not exist"))
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError => {
            Failure::Absent(format!("`{name}` has no {kind} record"))
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            Failure::Unanswered(format!("`{name}`: the server says {}", none.response_code))
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            Failure::Unanswered(format!("`{name}`: the server says {code}"))
        }
        NetError::Timeout | NetError::NoConnections => Failure::Unanswered(no_answer(name)),
        other => Failure::Unanswered(format!("`{name}`: {other}")),
    }
}

fn no_answer(name: &Name) -> String {
    format!("`{name}`: no answer in time")
}
