//! A DNS server that says what a test wants, over UDP and TCP, well or badly.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// How a name is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With those of these records that were asked for.
    Records(Vec<RData>),
    /// As [`Reply::Records`], but whoever asks by UDP is told to come by TCP.
    TooLarge(Vec<RData>),
    /// With this code and nothing else.
    Refusal(ResponseCode),
    /// With an answer that ends in its middle.
    CutOff(Vec<RData>),
    /// With bytes that are no answer.
    Garbage,
    /// Not at all.
    Silence,
}

/// A running server.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    zone: Arc<Zone>,
    _running: JoinSet<()>,
}

#[derive(Default)]
struct Zone {
    replies: Mutex<BTreeMap<String, Reply>>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().expect("bound");
        let zone = Arc::<Zone>::default();
        let mut running = JoinSet::new();
        running.spawn(serve_udp(udp, zone.clone()));
        running.spawn(serve_tcp(tcp, zone.clone()));
        Self { address, zone, _running: running }
    }

    /// From now on this name is answered so.
    pub(crate) fn set(&self, name: &str, reply: Reply) {
        self.zone.replies.lock().expect("lock").insert(format!("{name}."), reply);
    }
}

/// The address as a record.
pub(crate) fn address(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(A(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
    }
}

/// An SRV record.
pub(crate) fn service(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, Name::from_ascii(format!("{target}.")).expect("name")))
}

/// Both on one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut bytes = [0; 4096];
    while let Ok((length, sender)) = socket.recv_from(&mut bytes).await {
        if let Some(answer) = zone.answer(&bytes[..length], true) {
            // Who asked may be gone.
            let _ = socket.send_to(&answer, sender).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_connection(stream, zone.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(mut stream: TcpStream, zone: Arc<Zone>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = zone.answer(&question, false) else { return };
        let length = u16::try_from(answer.len()).expect("a message is shorter");
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}

impl Zone {
    fn answer(&self, bytes: &[u8], udp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(bytes).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_ascii().to_lowercase();
        let reply = self.replies.lock().expect("lock").get(&name).cloned();
        let mut answer = question.into_response();
        answer.metadata.response_code = ResponseCode::NoError;
        let mut add = |records: &[RData]| {
            let asked_for = records.iter().filter(|data| data.record_type() == query.query_type());
            answer
                .add_answers(asked_for.map(|data| Record::from_rdata(query.name().clone(), 0, data.clone())));
        };
        match reply.unwrap_or(Reply::Refusal(ResponseCode::NXDomain)) {
            Reply::Silence => return None,
            Reply::Garbage => return Some(bytes[..2].iter().copied().chain([0xff; 40]).collect()),
            Reply::Refusal(code) => answer.metadata.response_code = code,
            Reply::TooLarge(_) if udp => answer.metadata.truncation = true,
            Reply::CutOff(records) => {
                add(&records);
                let mut cut = answer.to_vec().expect("encoded");
                cut.truncate(cut.len() - 3);
                return Some(cut);
            }
            Reply::Records(records) | Reply::TooLarge(records) => add(&records),
        }
        Some(answer.to_vec().expect("encoded"))
    }
}
