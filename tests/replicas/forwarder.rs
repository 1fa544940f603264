//! A TCP forwarder on loopback whose target can be switched: the one address of a database that fails over.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where connections go, and what cuts those that are open.
#[derive(Clone)]
struct Way {
    target: SocketAddr,
    cut: CancellationToken,
}

/// A forwarder. Dropping it ends it.
pub(crate) struct Forwarder {
    port: u16,
    way: Arc<Mutex<Way>>,
    accepting: JoinHandle<()>,
}

impl Forwarder {
    /// Begins to forward to a port of loopback.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let way = Arc::new(Mutex::new(way_to(port)));
        Self {
            port: listener.local_addr().expect("an address").port(),
            way: way.clone(),
            accepting: tokio::spawn(accept(listener, way)),
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Forwards to another port from now on, and cuts what went to the one before.
    pub(crate) fn switch_to(&self, port: u16) {
        let before = std::mem::replace(&mut *self.way.lock().expect("no panic"), way_to(port));
        before.cut.cancel();
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.accepting.abort();
        self.way.lock().expect("no panic").cut.cancel();
    }
}

fn way_to(port: u16) -> Way {
    Way {
        target: ([127, 0, 0, 1], port).into(),
        cut: CancellationToken::new(),
    }
}

async fn accept(listener: TcpListener, way: Arc<Mutex<Way>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let way = way.lock().expect("no panic").clone();
        tokio::spawn(async move {
            let cut = way.cut.clone();
            cut.run_until_cancelled(forward(stream, way.target)).await
        });
    }
}

/// A target that refuses is a connection that closes.
async fn forward(mut near: TcpStream, target: SocketAddr) {
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
}
