//! A sensor that chats its readings: the server runs inside of the program that measures.
//!
//! `cargo run --example embed`, open the address that it prints, sign in as `liger_zql` (one click),
//! and accept the request of `sensor`. It says how busy this machine is every ten seconds, and
//! whenever it is asked anything. For programs the same is at `/sensor`.

use std::error::Error;
use std::time::Duration;

use lovejoy::{
    Builder, CallError, Config, ConversationId, Event, Events, LocalUser, Payload, Response, Store,
};

/// How long the sensor is silent when nobody asks.
const PERIOD: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    // A port of the system's choice, two accounts to try it with, and nothing on the disk.
    let config = Config { listen: vec!["127.0.0.1:0".parse()?], demo: true, ..Config::default() };
    let server = Builder::new(config)
        .store(Store::in_memory()?)
        .route("/sensor", |_| {
            let text = Payload::Owned(measure().into_bytes());
            Response::new(200).body("text/plain; charset=utf-8", text)
        })
        .stop_at_signals()
        .spawn()?;
    println!("The sensor chats on http://{}", server.address());

    let sensor = server.handle().user("sensor").wait()?;
    sensor.befriend("liger_zql").wait()?;
    match chat(&sensor, &mut sensor.events()) {
        // By a signal.
        Err(CallError::Stopped) => Ok(server.wait()?),
        ended => Ok(ended?),
    }
}

/// Answers who says something, and tells the others what there is to tell.
fn chat(sensor: &LocalUser, events: &mut Events) -> Result<(), CallError> {
    let mut rooms: Vec<ConversationId> = Vec::new();
    loop {
        match events.next_within(PERIOD)? {
            Some(Event::Conversation(room)) => rooms.push(room.id),
            Some(Event::Message(message)) if message.sender_id != sensor.id() => {
                sensor.send(message.conversation_id, &measure()).wait()?;
            }
            Some(_) => {}
            None => {
                for &room in &rooms {
                    sensor.send(room, &measure()).wait()?;
                }
            }
        }
    }
}

/// The average number of programs that wanted the processor in the last minute.
fn measure() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load {}", load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown"))
}
