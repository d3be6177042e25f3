//! A way to a service that a test can cut: then there is no connection to be had, as if the machine were off.

use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes bytes on to a service, until it is cut.
pub struct Way {
    /// Where it begins; its own for as long as it lives, cut or not.
    pub address: SocketAddr,
    to: SocketAddr,
    state: Mutex<Option<State>>,
}

enum State {
    Open(JoinHandle<()>),
    /// Bound, so that nobody else gets the port, and not listening.
    Cut(TcpSocket),
}

impl Way {
    /// Opens a way to a service.
    pub async fn to(to: SocketAddr) -> Self {
        let socket = bound("127.0.0.1:0".parse().expect("an address"));
        let address = socket.local_addr().expect("the address of a socket");
        let way = Self { address, to, state: Mutex::new(Some(State::Cut(socket))) };
        way.restore();
        way
    }

    /// Breaks every connection and takes no other.
    pub async fn cut(&self) {
        let state = self.state.lock().unwrap().take();
        let Some(State::Open(open)) = state else { panic!("it is cut") };
        open.abort();
        let _ = open.await;
        *self.state.lock().unwrap() = Some(State::Cut(bound(self.address)));
    }

    /// Opens it again.
    pub fn restore(&self) {
        let mut state = self.state.lock().unwrap();
        let Some(State::Cut(socket)) = state.take() else { panic!("it is open") };
        let listener = socket.listen(1024).expect("a port that is ours");
        *state = Some(State::Open(tokio::spawn(carry(listener, self.to))));
    }
}

async fn carry(listener: TcpListener, to: SocketAddr) {
    // Dropped with the task, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut service) = TcpStream::connect(to).await {
                let _ = copy_bidirectional(&mut client, &mut service).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a socket that takes options");
    socket.bind(address).expect("a free port");
    socket
}
