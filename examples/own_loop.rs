//! The chat in a loop of one's own, on one thread, beside another socket: what comes in by UDP is
//! said in the chat, and what is said there goes back to who wrote last.
//!
//! ```text
//! cargo run --example own_loop
//! nc -u 127.0.0.1 8082            # in another terminal: what is typed here is said by "udp"
//! ```
//!
//! Open the address that it prints, sign in as `liger_zql`, and accept the request of `udp`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use lovejoy::{
    Builder, CallError, ChatServer, Config, ConversationId, Event, Events, LocalUser, Pending,
    Step, Store,
};
use mio::net::UdpSocket;
use mio::{Interest, Poll, Token};

const CHAT: Token = Token(0);
const UDP: Token = Token(1);

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config { listen: vec!["127.0.0.1:0".parse()?], demo: true, ..Config::default() };
    let mut server = Builder::new(config).store(Store::in_memory()?).stop_at_signals().bind()?;
    let mut socket = UdpSocket::bind("127.0.0.1:8082".parse()?)?;
    println!("Chat on http://{}, and by UDP on {}", server.address()?, socket.local_addr()?);

    let mut selector = Poll::new()?;
    selector.registry().register(&mut server, CHAT, Interest::READABLE)?;
    selector.registry().register(&mut socket, UDP, Interest::READABLE)?;

    // Nobody else can answer on this thread: so step, until it is there.
    let user = server.handle().user("udp");
    let user = finish(&mut server, user)?;
    finish(&mut server, user.befriend("liger_zql"))?;
    let mut bridge = Bridge { events: user.events(), user, room: None, peer: None };

    let mut ready = mio::Events::with_capacity(16);
    let mut wait = Some(Duration::ZERO);
    loop {
        match selector.poll(&mut ready, wait) {
            // By a signal: the step sees to it.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            polled => polled?,
        }
        bridge.carry_in(&socket)?;
        wait = match server.step()? {
            Step::Wait(wait) => wait,
            Step::Stopped => return Ok(()),
        };
        bridge.carry_out(&socket)?;
    }
}

/// Steps until an answer is there.
fn finish<T>(server: &mut ChatServer, mut pending: Pending<T>) -> Result<T, Box<dyn Error>> {
    loop {
        if let Some(answer) = pending.take() {
            return Ok(answer?);
        }
        server.step()?;
    }
}

/// Carries what is said between a conversation and the socket.
struct Bridge {
    user: LocalUser,
    events: Events,
    /// Where to say it, once there is a friend.
    room: Option<ConversationId>,
    /// Who wrote last by UDP.
    peer: Option<SocketAddr>,
}

impl Bridge {
    fn carry_in(&mut self, socket: &UdpSocket) -> std::io::Result<()> {
        let mut buffer = [0; 1500];
        loop {
            let (count, peer) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.peer = Some(peer);
            if let Some(room) = self.room {
                // That it is on the disk would be known by `Pending::take`, after the next step.
                let _ = self.user.send(room, &String::from_utf8_lossy(&buffer[..count]));
            }
        }
    }

    fn carry_out(&mut self, socket: &UdpSocket) -> Result<(), Box<dyn Error>> {
        loop {
            match self.events.try_next() {
                Ok(Some(Event::Conversation(room))) => self.room = Some(room.id),
                Ok(Some(Event::Message(message))) if message.sender_id != self.user.id() => {
                    if let Some(peer) = self.peer {
                        socket.send_to(format!("{}\n", message.body).as_bytes(), peer)?;
                    }
                }
                Ok(Some(_)) => {}
                // The end of the server is told by its next step.
                Ok(None) | Err(CallError::Stopped) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
