//! What the programmer promises, watched in a world in memory: real sessions, emulated switches, no clock but the test's.

mod adversity;
mod atomic;
mod atomic_limits;
mod bulk;
mod consistency;
mod disk;
mod disks;
mod drift;
mod hidden;
mod install;
mod meters;
mod news;
mod nodes;
mod outage;
mod queues;
mod reclass;
mod replace;
mod simulator;
mod slices;
mod tables;
mod trail;
mod warnings;
mod world;

use serde_json::{Value, json};

use world::{Disk, World, config};

/// An `InstallFlow` of the class voice from 10.0.0.`host`, on every node.
fn voice(id: &str, host: u8) -> Value {
    json!({"flow_id": id, "source": format!("10.0.0.{host}"), "destination": "10.9.0.1", "traffic_type": "voice"})
}

/// The same with other fields set.
fn voice_with(id: &str, host: u8, more: Value) -> Value {
    let mut request = voice(id, host);
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

/// The same messages, with an error in the place of every barrier reply.
fn without_barrier_replies(mut input: bytes::BytesMut) -> bytes::BytesMut {
    let mut output = bytes::BytesMut::new();
    while let Some(frame) = openflow::split_frame(&mut input).unwrap() {
        match openflow::Message::decode(&frame).unwrap() {
            (xid, openflow::Message::BarrierReply) => {
                let error = openflow::ErrorMsg::new(openflow::ErrorCode::BAD_REQUEST_EPERM, bytes::Bytes::new());
                openflow::Message::Error(error).encode(xid, &mut output).unwrap();
            }
            _ => output.extend_from_slice(&frame),
        }
    }
    output
}
