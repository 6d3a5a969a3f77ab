//! The chat inside of another program: on a thread of its own and in the program's own loop, with
//! users who live in the program, and routes that it answers itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use lovejoy::config::Durability;
use lovejoy::{
    BuildError, Builder, CallError, ChatServer, Config, ConversationId, Event, Events, Handle,
    LocalUser, Payload, Pending, Refusal, Response, Running, Step, Store,
};
use mio::{Interest, Poll, Token};

/// Longer than everything that a test waits for: it fails a test instead of hanging it.
const SILENCE_MAX: Duration = Duration::from_secs(50);

fn config() -> Config {
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    Config { listen, password_iterations: 1000, ..Config::default() }
}

fn builder() -> Builder {
    Builder::new(config()).store(Store::in_memory().expect("a store"))
}

fn spawn() -> Running {
    builder().spawn().expect("a server")
}

fn user(handle: &Handle, name: &str) -> LocalUser {
    handle.user(name).wait().expect("a user")
}

/// Two who are friends, and their conversation.
fn friends(handle: &Handle) -> (LocalUser, LocalUser, ConversationId) {
    let (ana, bo) = (user(handle, "ana"), user(handle, "bo"));
    ana.befriend("bo").wait().expect("asked");
    let friend = bo.befriend("ana").wait().expect("agreed");
    (ana, bo, friend.conversation_id.expect("a conversation of friends"))
}

/// The next that was said, whatever else happens.
fn next_said(events: &mut Events) -> String {
    loop {
        let event = events.next_within(SILENCE_MAX).expect("events");
        if let Event::Message(message) = event.expect("something is said") {
            return message.body.clone();
        }
    }
}

/// Asks over the network, and reads until the connection ends.
fn http(address: SocketAddr, request: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(SILENCE_MAX)).expect("a timeout");
    let authorization =
        if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The token of a demo account.
fn log_in(address: SocketAddr, name: &str) -> String {
    let body = format!(r#"{{"name":"{name}","password":"12345"}}"#);
    let answer = http(address, "POST /api/sessions", "", &body);
    let (_, rest) = answer.split_once(r#""token":""#).expect(&answer);
    rest.split('"').next().expect("a token").to_owned()
}

#[test]
fn what_one_says_reaches_the_other_and_is_on_record() {
    let server = spawn();
    let (ana, bo, room) = friends(&server.handle());
    let mut events = bo.events();
    let sent = ana.send(room, "\n21.5 °C \n").wait().expect("sent");
    assert_eq!(next_said(&mut events), "21.5 °C");
    assert_eq!((sent.sender_id, sent.conversation_id), (ana.id(), room));
    let history = bo.history(room, 10).wait().expect("a history");
    assert_eq!((history.messages, history.more), (vec![(*sent).clone()], false));
    let state = bo.state().wait().expect("a state");
    assert_eq!(state.conversations[0].unread, 1);
    bo.mark_read(room, sent.id).wait().expect("read");
    assert_eq!(bo.state().wait().expect("a state").conversations[0].unread, 0);
    server.stop().expect("a good end");
}

#[test]
fn events_go_on_behind_what_was_handed_out() {
    let server = spawn();
    let (ana, bo, room) = friends(&server.handle());
    let from = bo.state().wait().expect("a state").cursor;
    for text in ["one", "two", "three"] {
        ana.send(room, text).wait().expect("sent");
    }
    let mut events = bo.events_after(&from);
    assert_eq!(next_said(&mut events), "one");
    // Two further ones came with it; whoever goes on from here gets them again.
    let behind_one = events.cursor().expect("a cursor").to_owned();
    drop(events);
    let mut events = bo.events_after(&behind_one);
    assert_eq!((next_said(&mut events), next_said(&mut events)), ("two".into(), "three".into()));
    assert!(events.try_next().expect("events").is_none());
}

#[test]
fn the_next_message_is_waited_for_by_an_iterator_that_ends_with_the_server() {
    let server = spawn();
    let (ana, bo, room) = friends(&server.handle());
    let events = bo.events();
    let (sender, heard) = mpsc::channel();
    let listener = std::thread::spawn(move || {
        for event in events {
            if let Event::Message(message) = event.expect("an event") {
                sender.send(message.id).expect("somebody counts");
            }
        }
    });
    for _ in 0..3 {
        let sent = ana.send(room, "again").wait().expect("sent");
        assert_eq!(heard.recv_timeout(SILENCE_MAX), Ok(sent.id));
    }
    server.stop().expect("a good end");
    listener.join().expect("it ended");
}

#[test]
fn who_waits_for_events_is_online_for_friends() {
    let server = spawn();
    let (ana, bo, _) = friends(&server.handle());
    let mut seen = bo.events();
    let _waiting = ana.events();
    loop {
        let event = seen.next_within(SILENCE_MAX).expect("events").expect("presence");
        if let Event::Presence { user_id, last_seen } = event {
            assert_eq!((user_id, last_seen.online), (ana.id(), true));
            break;
        }
    }
}

#[test]
fn what_is_not_allowed_is_refused_with_its_reason() {
    let server = spawn();
    let (ana, _, room) = friends(&server.handle());
    let refused = ana.send(ConversationId(99), "hello").wait();
    assert!(matches!(refused, Err(CallError::Refused(Refusal::NotFound))), "{refused:?}");
    let refused = ana.send(room, " \n").wait().unwrap_err();
    assert_eq!(refused.to_string(), "A message has something in it besides white space.");
    let refused = ana.befriend("nobody").wait().unwrap_err();
    assert_eq!(refused.to_string(), "There is no user of this name.");
    assert!(matches!(server.handle().user("@").wait(), Err(CallError::Text(_))));
    let refused = ana.events_after("cursor").next_within(SILENCE_MAX).unwrap_err();
    assert!(matches!(refused, CallError::Refused(Refusal::BadCursor)), "{refused:?}");
}

#[test]
fn what_is_sent_again_under_its_mark_is_there_once() {
    let server = spawn();
    let (ana, bo, room) = friends(&server.handle());
    let first = ana.send_once(room, "21.5", "reading 1").wait().expect("sent");
    let again = ana.send_once(room, "21.5", "reading 1").wait().expect("sent before");
    assert_eq!(first.id, again.id);
    assert_eq!(bo.history(room, 10).wait().expect("a history").messages.len(), 1);
}

#[test]
fn a_group_is_begun_and_what_was_said_in_it_changed() {
    let server = spawn();
    let (ana, bo, _) = friends(&server.handle());
    let group = ana.create_group("Heating", &[bo.id()]).wait().expect("a group");
    let mut events = bo.events();
    let said = ana.send(group.id, "21.5").wait().expect("sent");
    ana.edit(said.id, "22.5").wait().expect("edited");
    let deleted = ana.delete(said.id).wait().expect("deleted");
    assert!(deleted.deleted_at.is_some());
    assert!(matches!(bo.delete(said.id).wait(), Err(CallError::Refused(_))));
    loop {
        let event = events.next_within(SILENCE_MAX).expect("events").expect("a change");
        if matches!(event, Event::MessageUpdated(message) if message.deleted_at.is_some()) {
            break;
        }
    }
}

#[test]
fn the_network_and_the_process_speak_with_each_other() {
    let config = Config { demo: true, ..config() };
    let store = Store::in_memory().expect("a store");
    let server = Builder::new(config).store(store).spawn().expect("a server");
    let sensor = user(&server.handle(), "sensor");
    let person = user(&server.handle(), "liger_zql");
    sensor.befriend("liger_zql").wait().expect("asked");
    let room = person.befriend("sensor").wait().expect("agreed").conversation_id.expect("a room");
    let token = log_in(server.address(), "liger_zql");
    let mut events = sensor.events();

    // From the network to the process.
    let path = format!("POST /api/conversations/{room}/messages");
    let answer = http(server.address(), &path, &token, r#"{"body":"How warm is it?"}"#);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(next_said(&mut events), "How warm is it?");

    // And back, to a poll that waits for it.
    let state = http(server.address(), "GET /api/state", &token, "");
    let (_, cursor) = state.split_once(r#""cursor":""#).expect("a cursor");
    let path = format!("GET /api/events?cursor={}", cursor.split('"').next().expect("a cursor"));
    let address = server.address();
    let poll = std::thread::spawn(move || http(address, &path, &token, ""));
    sensor.send(room, "21.5 °C").wait().expect("sent");
    let answer = poll.join().expect("an answer");
    assert!(answer.contains(r#""body":"21.5 °C""#), "{answer}");
}

#[test]
fn nobody_logs_in_as_a_user_of_the_process() {
    let server = spawn();
    user(&server.handle(), "sensor");
    let body = r#"{"name":"sensor","password":"12345"}"#;
    let answer = http(server.address(), "POST /api/sessions", "", body);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn a_route_of_ones_own_stands_beside_the_pages_and_knows_who_asks() {
    let config = Config { demo: true, body_bytes_max: 1024, ..config() };
    let mut count = 0;
    let server = Builder::new(config)
        .store(Store::in_memory().expect("a store"))
        .route("/sensor", move |asked| {
            count += 1;
            let who = asked.user.map_or_else(|| "somebody".to_owned(), |id| id.to_string());
            let text =
                format!("{count} {who} {} {}", asked.request.target.path(), asked.body().len());
            Response::new(200).body("text/plain", Payload::Owned(text.into_bytes()))
        })
        .spawn()
        .expect("a server");
    let get = |request, token: &str, body: &str| http(server.address(), request, token, body);
    assert!(get("GET /sensor", "", "").ends_with("\r\n\r\n1 somebody /sensor 0"));
    let token = log_in(server.address(), "liger_zql");
    assert!(get("POST /sensor/raw?x=1", &token, "12345").ends_with("\r\n\r\n2 1 /sensor/raw 5"));
    assert!(get("GET /sensor", "wrong", "").ends_with("3 somebody /sensor 0"));
    let answer = get("POST /sensor", "", &"x".repeat(2000));
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("1024 bytes"), "{answer}");
    assert!(get("HEAD /sensor", "", "").contains("Content-Length: 20\r\n"));
    for (request, status) in [("GET /sensors", 404), ("GET /", 200), ("GET /healthz", 200)] {
        let answer = get(request, "", "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn a_route_that_cannot_be_is_refused_before_anything_begins() {
    for prefix in ["/api/mine", "sensor", "/sensor/"] {
        let refused = builder().route(prefix, |_| Response::new(200)).bind().unwrap_err();
        assert!(matches!(&refused, BuildError::Route(named) if named == prefix), "{refused}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let store = Store::in_memory().expect("a store");
    let refused =
        Builder::new(Config { listen: vec![address.into()], ..config() }).store(store).spawn();
    let words = refused.unwrap_err().to_string();
    assert!(words.starts_with(&format!("cannot listen on {address}: ")), "{words}");
}

#[test]
fn a_server_that_has_stopped_says_so() {
    let server = spawn();
    let handle = server.handle();
    let (ana, _, room) = friends(&handle);
    let events = ana.events();
    server.stop().expect("a good end");
    assert!(matches!(ana.send(room, "too late").wait(), Err(CallError::Stopped)));
    assert!(matches!(handle.user("new").wait(), Err(CallError::Stopped)));
    for event in events {
        event.expect("what there was");
    }
    handle.stop();
}

#[test]
fn where_the_metrics_are_there_is_nothing_of_the_programs() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let monitor = free.local_addr().expect("an address");
    drop(free);
    let metrics_listen = vec![monitor.to_string().parse().expect("an address")];
    let server = Builder::new(Config { metrics_listen, ..config() })
        .store(Store::in_memory().expect("a store"))
        .route("/sensor", |_| Response::new(200))
        .spawn()
        .expect("a server");
    assert!(http(server.address(), "GET /sensor", "", "").starts_with("HTTP/1.1 200"));
    assert!(http(monitor, "GET /sensor", "", "").starts_with("HTTP/1.1 404"));
    assert!(http(monitor, "GET /metrics", "", "").starts_with("HTTP/1.1 200"));
    server.stop().expect("a good end");
}

/// Whoever waits is told when to come back, also where the program stops the server by its handle and then
/// drops it.
#[test]
fn a_server_that_is_stopped_twice_ends_with_manners() {
    let config = Config { demo: true, ..config() };
    let store = Store::in_memory().expect("a store");
    let mut server = Builder::new(config).store(store).bind().expect("a server");
    let address = server.address().expect("an address");
    let (sender, is_held) = mpsc::channel();
    let client = std::thread::spawn(move || {
        let token = log_in(address, "liger_zql");
        sender.send(()).expect("somebody waits");
        http(address, "GET /api/events?wait=50", &token, "")
    });
    let handle = server.handle();
    let presence = user_of(&mut server, &handle, "漠然");
    let mut events = presence.events();
    while is_held.try_recv().is_err() {
        server.step().expect("a step");
    }
    loop {
        server.step().expect("a step");
        match events.try_next().expect("events") {
            Some(Event::Presence { last_seen, .. }) if last_seen.online => break,
            _ => {}
        }
    }
    handle.stop();
    handle.stop();
    while server.step().expect("a step") != Step::Stopped {}
    let answer = client.join().expect("a client");
    assert!(answer.contains("\"retry_ms\""), "{answer}");
}

/// A user, where the server has no thread of its own.
fn user_of(server: &mut ChatServer, handle: &Handle, name: &str) -> LocalUser {
    let mut asked = handle.user(name);
    loop {
        server.step().expect("a step");
        if let Some(user) = asked.take() {
            return user.expect("a user");
        }
    }
}

#[test]
fn nobody_acts_as_an_account_that_is_deleted() {
    let config = Config { demo: true, ..config() };
    let server =
        Builder::new(config).store(Store::in_memory().expect("a store")).spawn().expect("a server");
    let handle = server.handle();
    let (gone, _) = (user(&handle, "liger_zql"), user(&handle, "漠然"));
    let token = log_in(server.address(), "liger_zql");
    let deleted = http(server.address(), "POST /api/me/delete", &token, r#"{"password":"12345"}"#);
    assert!(deleted.starts_with("HTTP/1.1 204"), "{deleted}");
    let refused = |result: Result<(), CallError>| {
        assert!(matches!(result, Err(CallError::Refused(Refusal::Unauthorized))), "{result:?}");
    };
    refused(gone.befriend("漠然").wait().map(drop));
    refused(gone.create_group("ghosts", &[]).wait().map(drop));
    refused(gone.state().wait().map(drop));
    server.stop().expect("a good end");
}

#[test]
fn a_server_stops_when_it_is_dropped() {
    let server = spawn();
    let address = server.address();
    drop(server);
    TcpListener::bind(address).expect("the port is free");
}

#[test]
fn nothing_is_lost_over_a_restart_of_the_program() {
    let folder = Folder::new();
    let config = || Config { data: folder.0.clone(), durability: Durability::Full, ..config() };
    let server = Builder::new(config()).spawn().expect("a server");
    let (ana, bo, room) = friends(&server.handle());
    let mut events = bo.events();
    ana.send(room, "seen").wait().expect("sent");
    assert_eq!(next_said(&mut events), "seen");
    let cursor = events.cursor().expect("a cursor").to_owned();
    ana.send(room, "not seen yet").wait().expect("sent");
    let second = Builder::new(config()).spawn().unwrap_err();
    assert!(second.to_string().contains("another lovejoy is using"), "{second}");
    server.stop().expect("a good end");

    let server = Builder::new(config()).spawn().expect("a server again");
    let bo = user(&server.handle(), "bo");
    let mut events = bo.events_after(&cursor);
    let first = events.next_within(SILENCE_MAX).expect("events");
    assert!(matches!(first, Some(Event::Reset)), "{first:?}");
    assert_eq!(next_said(&mut events), "not seen yet");
}

#[test]
fn what_could_not_be_committed_has_not_happened() {
    let mut store = Store::in_memory().expect("a store");
    store.set_pages_max(Some(1));
    let server = Builder::new(config()).store(store).spawn().expect("a server");
    let handle = server.handle();
    let mut made = (0..1000).map(|number| (number, handle.user(&format!("user{number}")).wait()));
    let (number, refused) =
        made.find_map(|(number, made)| Some((number, made.err()?))).expect("it was never full");
    assert!(
        matches!(refused, CallError::NotCommitted | CallError::Refused(Refusal::Store(_))),
        "{refused:?}"
    );
    // Reading goes on.
    assert!(number > 0, "the first user found room");
    let first = user(&handle, "user0");
    assert_eq!(first.state().wait().expect("a state").friends, []);
    assert!(matches!(
        first.befriend(&format!("user{number}")).wait(),
        Err(CallError::Refused(Refusal::NoSuchUser))
    ));
}

// In the program's own loop.

const CHAT: Token = Token(1);
const OTHER: Token = Token(2);

/// A loop with a server and a socket of the program's own.
struct Loop {
    selector: Poll,
    server: ChatServer,
    other: mio::net::UdpSocket,
    wait: Option<Duration>,
    datagrams: Vec<Vec<u8>>,
}

impl Loop {
    fn new() -> Self {
        let selector = Poll::new().expect("a selector");
        let mut server = builder().bind().expect("a server");
        let any = "127.0.0.1:0".parse().expect("an address");
        let mut other = mio::net::UdpSocket::bind(any).expect("a socket");
        let registry = selector.registry();
        registry.register(&mut server, CHAT, Interest::READABLE).expect("registered");
        registry.register(&mut other, OTHER, Interest::READABLE).expect("registered");
        Self { selector, server, other, wait: None, datagrams: Vec::new() }
    }

    /// One round: waits until something happens to either.
    fn round(&mut self) -> Step {
        let mut events = mio::Events::with_capacity(8);
        let wait = Some(self.wait.unwrap_or(SILENCE_MAX));
        self.selector.poll(&mut events, wait).expect("events");
        assert!(!events.is_empty() || self.wait.is_some(), "nothing happens any more");
        let mut buffer = [0; 100];
        while let Ok(count) = self.other.recv(&mut buffer) {
            self.datagrams.push(buffer[..count].to_vec());
        }
        let step = self.server.step().expect("a step");
        if let Step::Wait(wait) = step {
            self.wait = wait;
        }
        step
    }

    /// Goes round until there is an answer.
    fn wait<T>(&mut self, mut pending: Pending<T>) -> Result<T, CallError> {
        loop {
            if let Some(answer) = pending.take() {
                return answer;
            }
            self.round();
        }
    }
}

#[test]
fn one_thread_runs_the_chat_and_a_socket_of_its_own() {
    let mut own = Loop::new();
    let handle = own.server.handle();
    let ana = own.wait(handle.user("ana")).expect("a user");
    let bo = own.wait(handle.user("bo")).expect("a user");
    own.wait(ana.befriend("bo")).expect("asked");
    let room = own.wait(bo.befriend("ana")).expect("agreed").conversation_id.expect("a room");
    let mut heard = bo.events();

    let sensor = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sensor.send_to(b"21.5", own.other.local_addr().expect("an address")).expect("sent");
    while own.datagrams.is_empty() {
        own.round();
    }
    let reading = String::from_utf8(own.datagrams.remove(0)).expect("text");
    let sent = ana.send(room, &reading);
    own.wait(sent).expect("sent");
    let said = loop {
        match heard.try_next().expect("events") {
            Some(Event::Message(message)) => break message.body.clone(),
            Some(_) => {}
            None => drop(own.round()),
        }
    };
    assert_eq!(said, "21.5");

    // Somebody from the network, whom this thread has to serve in between.
    let address = own.server.address().expect("an address");
    let client = std::thread::spawn(move || http(address, "GET /healthz", "", ""));
    while !client.is_finished() {
        own.wait = Some(own.wait.unwrap_or(SILENCE_MAX).min(Duration::from_millis(10)));
        own.round();
    }
    assert!(client.join().expect("an answer").starts_with("HTTP/1.1 200 OK"));

    handle.stop();
    while own.round() != Step::Stopped {}
    assert_eq!(own.server.step().expect("a step"), Step::Stopped);
    assert!(matches!(own.wait(ana.send(room, "too late")), Err(CallError::Stopped)));
}

#[test]
fn a_thread_does_not_wait_for_itself() {
    let server = builder().bind().expect("a server");
    let waited = server.handle().user("ana").wait();
    assert!(matches!(waited, Err(CallError::OwnThread)), "{waited:?}");
}

#[test]
fn a_server_that_does_not_read_its_letters_is_busy_and_not_full() {
    let mut server = builder().bind().expect("a server");
    let handle = server.handle();
    let mut asked: Vec<Pending<LocalUser>> =
        (0..2000).map(|number| handle.user(&format!("user{number}"))).collect();
    let busy = |pending: &mut Pending<_>| matches!(pending.take(), Some(Err(CallError::Busy)));
    let refused = asked.split_off(1024);
    assert!(refused.into_iter().all(|mut pending| busy(&mut pending)));
    while asked.iter_mut().any(|pending| pending.take().is_none()) {
        server.step().expect("a step");
    }
}

/// A folder of its own, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("lovejoy-embed-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
