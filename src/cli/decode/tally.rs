//! How many messages there are of each type.

use std::collections::BTreeMap;

use openflow::Message;

/// The name of a type without its prefix: `FLOW_MOD`.
pub(super) fn bare(name: &'static str) -> &'static str {
    name.split_once('_').map_or(name, |(_, bare)| bare)
}

/// The type of a multipart message: `FLOW` of a `MULTIPART_REPLY`.
pub(super) fn multipart(message: &Message) -> Option<&'static str> {
    match message {
        Message::MultipartRequest(request) => Some(bare(request.body.type_name())),
        Message::MultipartReply(reply) => Some(bare(reply.body.type_name())),
        _ => None,
    }
}

/// Counts by type, and by type of multipart.
#[derive(Debug, Default)]
pub(super) struct Tally {
    types: BTreeMap<(u8, &'static str, Option<&'static str>), u64>,
    pub(super) undecodable: u64,
}

impl Tally {
    pub(super) fn count(&mut self, message: &Message) {
        let key = (message.message_type(), bare(message.type_name()), multipart(message));
        *self.types.entry(key).or_default() += 1;
    }

    /// The messages that were decoded.
    pub(super) fn decoded(&self) -> u64 {
        self.types.values().sum()
    }

    /// The names of the types that occurred, in the order of their numbers, with how often.
    pub(super) fn types(&self) -> impl Iterator<Item = (String, u64)> {
        self.types.iter().map(|((_, name, multipart), count)| match multipart {
            Some(multipart) => (format!("{name}/{multipart}"), *count),
            None => ((*name).to_owned(), *count),
        })
    }
}
