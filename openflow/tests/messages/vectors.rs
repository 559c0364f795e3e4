//! Messages that others made decode, and are encoded to the same bytes; and there is one for everything.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::mem::discriminant;

use crate::support::{files, vectors};
use bytes::BytesMut;
use openflow::{
    Action, Band, Bucket, ErrorCode, Experimenter, GroupType, Instruction, Match, Message, MultipartReplyBody,
    MultipartRequestBody, OxmField, QueueProperty, TableFeatures,
};

#[test]
fn every_vector_decodes_and_is_encoded_to_the_same_bytes() {
    for vector in vectors() {
        let (xid, message) = Message::decode(&vector.frame).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let mut out = BytesMut::new();
        message.encode(xid, &mut out).unwrap();
        assert_eq!(out, vector.frame, "{}", vector.name);
    }
}

#[test]
fn no_strict_prefix_of_a_vector_decodes() {
    for vector in vectors() {
        for length in 0..vector.frame.len().min(600) {
            assert!(Message::decode(&vector.frame.slice(..length)).is_err(), "{} cut at {length}", vector.name);
        }
    }
}

#[test]
fn every_vector_prints_as_open_vswitch_was_seen_to_print_it() {
    let mut printed = String::from(
        "# What the vectors print. `GOLDEN=write cargo test -p openflow` writes it anew; tests/conformance compares it\n\
         # with what ovs-ofctl prints.\n",
    );
    for vector in vectors() {
        let (_, message) = Message::decode(&vector.frame).unwrap();
        writeln!(printed, "\n{}\n{message}", vector.name).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/printed.txt");
    if std::env::var_os("GOLDEN").is_some_and(|golden| golden == "write") {
        std::fs::write(path, &printed).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (expected, line) in golden.lines().zip(printed.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(printed.len(), golden.len());
}

#[test]
fn no_vector_file_is_orphaned_or_without_provenance() {
    let files = files("vectors");
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["flow_mod_text.tsv", "osken.hex", "ovs.hex", "printed.txt", "spec.hex"]);
    for (name, text) in &files {
        assert!(text.starts_with("# "), "{name} does not say where it is from");
    }
}

/// What the vectors contain.
#[derive(Default)]
struct Seen {
    messages: BTreeSet<u8>,
    requests: BTreeSet<u16>,
    replies: BTreeSet<u16>,
    actions: HashSet<std::mem::Discriminant<Action>>,
    instructions: HashSet<std::mem::Discriminant<Instruction>>,
    fields: BTreeSet<u8>,
    masked: BTreeSet<u8>,
    groups: BTreeSet<GroupType>,
    bands: HashSet<std::mem::Discriminant<openflow::BandKind>>,
    queue_properties: HashSet<std::mem::Discriminant<QueueProperty>>,
    table_properties: BTreeSet<u16>,
    errors: HashSet<ErrorCode>,
    experimenters: HashSet<std::mem::Discriminant<Experimenter>>,
    flow_monitors: usize,
}

impl Seen {
    fn note(&mut self, message: &Message) {
        self.messages.insert(message.message_type());
        match message {
            Message::Error(error) => {
                self.errors.insert(error.error_code());
            }
            Message::Experimenter(message) => {
                self.experimenters.insert(discriminant(message));
            }
            Message::FlowMod(flow_mod) => {
                self.note_match(&flow_mod.flow_match);
                self.note_instructions(&flow_mod.instructions);
            }
            Message::GroupMod(group_mod) => {
                self.groups.insert(group_mod.group_type);
                self.note_buckets(&group_mod.buckets);
            }
            Message::MeterMod(meter_mod) => self.note_bands(&meter_mod.bands),
            Message::QueueGetConfigReply(reply) => {
                self.queue_properties.extend(reply.queues.iter().flat_map(|queue| &queue.properties).map(discriminant));
            }
            Message::MultipartRequest(request) => {
                self.requests.insert(request.body.number());
                match &request.body {
                    MultipartRequestBody::TableFeatures(tables) => self.note_tables(tables),
                    MultipartRequestBody::FlowMonitor(_) => self.flow_monitors |= 1,
                    _ => {}
                }
            }
            Message::MultipartReply(reply) => {
                self.replies.insert(reply.body.number());
                match &reply.body {
                    MultipartReplyBody::TableFeatures(tables) => self.note_tables(tables),
                    MultipartReplyBody::FlowMonitor(_) => self.flow_monitors |= 2,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn note_match(&mut self, flow_match: &Match) {
        self.fields.extend(flow_match.fields().iter().filter_map(OxmField::number));
        let masked = flow_match.fields().iter().filter(|field| field.has_mask());
        self.masked.extend(masked.filter_map(OxmField::number));
    }

    fn note_instructions(&mut self, instructions: &[Instruction]) {
        self.instructions.extend(instructions.iter().map(discriminant));
        for instruction in instructions {
            if let Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) = instruction {
                self.actions.extend(actions.iter().map(discriminant));
            }
        }
    }

    fn note_buckets(&mut self, buckets: &[Bucket]) {
        self.actions.extend(buckets.iter().flat_map(|bucket| &bucket.actions).map(discriminant));
    }

    fn note_bands(&mut self, bands: &[Band]) {
        self.bands.extend(bands.iter().map(|band| discriminant(&band.kind)));
    }

    fn note_tables(&mut self, tables: &[TableFeatures]) {
        let properties = tables.iter().flat_map(|table| &table.properties);
        self.table_properties.extend(properties.map(openflow::TableFeatureProperty::number));
    }
}

#[test]
fn there_is_a_vector_for_everything() {
    let mut seen = Seen::default();
    for vector in vectors() {
        seen.note(&Message::decode(&vector.frame).unwrap().1);
    }
    let multiparts: BTreeSet<u16> = (0..=13).chain([0xffff]).collect();
    assert_eq!(seen.messages, (0..30).collect(), "30 types of messages");
    assert_eq!(seen.requests, multiparts, "15 types of multipart requests");
    assert_eq!(seen.replies, multiparts, "15 types of multipart replies");
    assert_eq!(seen.actions.len(), 17, "17 types of actions");
    assert_eq!(seen.instructions.len(), 7, "7 types of instructions");
    assert_eq!(seen.fields, (0..40).collect(), "40 fields");
    assert!(seen.masked.len() >= 10, "fields under masks");
    assert_eq!(seen.groups.len(), 4, "4 types of groups");
    assert_eq!(seen.bands.len(), 3, "2 types of bands and the one of experimenters");
    assert_eq!(seen.queue_properties.len(), 3, "2 properties of queues and the one of experimenters");
    let properties: BTreeSet<u16> = (0..=8).chain([10]).chain(12..=15).chain([0xfffe, 0xffff]).collect();
    assert_eq!(seen.table_properties, properties, "16 properties of tables");
    assert_eq!(seen.experimenters.len(), 6, "bundles, flow monitors and anything else");
    assert_eq!(seen.flow_monitors, 3, "requests and replies of flow monitors");
}

#[test]
fn there_is_a_vector_and_a_sentence_for_every_error() {
    let mut seen = Seen::default();
    for vector in vectors() {
        seen.note(&Message::decode(&vector.frame).unwrap().1);
    }
    let codes = [2, 14, 16, 9, 12, 8, 15, 5, 3, 3, 3, 3, 12, 6];
    for (error_type, codes) in (0..).zip(codes) {
        for code in 0..codes {
            let code = ErrorCode::new(error_type, code);
            assert!(seen.errors.contains(&code), "no vector of {code}");
            assert!(code.sentence().is_some(), "no sentence for {code}");
        }
        let beyond = ErrorCode::new(error_type, codes);
        assert_eq!(beyond.code_name(), None, "{beyond}");
    }
    assert_eq!(ErrorCode::new(14, 0).type_name(), None, "15 types with the one of experimenters");
    assert!(seen.errors.iter().any(|code| code.error_type == ErrorCode::EXPERIMENTER));
}
