//! A wire to a store that can stand still: connections stay open, and nothing goes on.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes that go on together.
const CHUNK_BYTES: usize = 16 * 1024;

/// A wire, carrying for as long as this lives.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    frozen: watch::Sender<bool>,
    _carrying: JoinSet<()>,
}

impl Wire {
    /// To a server.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let frozen = watch::Sender::new(false);
        let mut carrying = JoinSet::new();
        carrying.spawn(serve(listener, server, frozen.subscribe()));
        Self { address, frozen, _carrying: carrying }
    }

    /// Where it is reached.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing through: what is open stays open, and what is new is accepted.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Goes on where it stood.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

async fn serve(listener: TcpListener, server: String, frozen: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, frozen) = (server.clone(), frozen.clone());
        connections.spawn(async move {
            let mut whole = frozen.clone();
            if whole.wait_for(|frozen| !frozen).await.is_err() {
                return;
            }
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((client_in, client_out), (server_in, server_out)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = carry(client_in, server_out, frozen.clone()) => {}
                () = carry(server_in, client_out, frozen) => {}
            }
        });
    }
}

/// One direction, until it ends. What was read waits until the wire is whole.
async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await.unwrap_or_default();
        let whole = frozen.wait_for(|frozen| !frozen).await.is_ok();
        if read == 0 || !whole || to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}
