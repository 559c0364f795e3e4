//! Flow entries, and the messages that change them, as `ovs-ofctl` writes them.

use std::fmt::{self, Display};

use super::print_action::Instructions;
use super::{Bits, Duration};
use crate::flow_match::Match;
use crate::message::{
    FlowMod, FlowModCommand, FlowModFlags, FlowMonitorRequest, FlowRemoved, FlowRemovedReason, FlowUpdate,
    FlowUpdateEvent,
};
use crate::multipart::{FlowStats, FlowStatsRequest};
use crate::number::{BufferId, GroupId, TableId};
use crate::port::PortNo;

/// The priority of a flow for which none is given, and which is not written.
const DEFAULT_PRIORITY: u16 = 0x8000;

/// Priority and match, and a space if there is any of them.
struct Rule<'a> {
    priority: u16,
    flow_match: &'a Match,
}

impl Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = self.flow_match.fields().is_empty();
        if self.priority != DEFAULT_PRIORITY {
            write!(f, "priority={}{}", self.priority, if any { " " } else { "," })?;
        }
        if any { Ok(()) } else { write!(f, "{} ", self.flow_match) }
    }
}

impl Display for FlowModFlags {
    /// The words, each with a space behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (Self::SEND_FLOW_REM, "send_flow_rem "),
            (Self::CHECK_OVERLAP, "check_overlap "),
            (Self::RESET_COUNTS, "reset_counts "),
            (Self::NO_PKT_COUNTS, "no_packet_counts "),
            (Self::NO_BYT_COUNTS, "no_byte_counts "),
        ];
        words.iter().filter(|(flag, _)| self.contains(*flag)).try_for_each(|(_, word)| f.write_str(word))
    }
}

impl Display for FlowModCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "ADD",
            Self::Modify => "MOD",
            Self::ModifyStrict => "MOD_STRICT",
            Self::Delete => "DEL",
            Self::DeleteStrict => "DEL_STRICT",
        })
    }
}

impl Display for FlowMod {
    /// As `ovs-ofctl ofp-print` writes the body: `ADD priority=100,ip cookie:0x1 actions=NORMAL`. With `{:#}`, as
    /// `ovs-ofctl add-flow` reads a flow: `cookie=0x1,table=0,priority=100,ip,actions=NORMAL`.
    ///
    /// ```
    /// # use openflow::FlowMod;
    /// let flow: FlowMod = "priority=100,ip,cookie=1,idle_timeout=5,actions=drop".parse()?;
    /// assert_eq!(flow.to_string(), "ADD priority=100,ip cookie:0x1 idle:5 actions=drop");
    /// assert_eq!(format!("{flow:#}"), "cookie=0x1,table=0,idle_timeout=5,priority=100,ip,actions=drop");
    /// # Ok::<(), openflow::ParseFlowError>(())
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.write_flow(f);
        }
        write!(f, "{} ", self.command)?;
        if self.table_id != TableId(0) {
            write!(f, "table:{} ", self.table_id)?;
        }
        write!(f, "{}", Rule { priority: self.priority, flow_match: &self.flow_match })?;
        if self.cookie_mask != 0 {
            write!(f, "cookie:{:#x}/{:#x} ", self.cookie, self.cookie_mask)?;
        } else if self.cookie != 0 && self.command == FlowModCommand::Add {
            // Without a mask it means nothing in the other commands.
            write!(f, "cookie:{:#x} ", self.cookie)?;
        }
        if self.idle_timeout != 0 {
            write!(f, "idle:{} ", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, "hard:{} ", self.hard_timeout)?;
        }
        if self.buffer_id != BufferId::NO_BUFFER {
            write!(f, "buf:{:#x} ", self.buffer_id.0)?;
        }
        if self.out_port != PortNo::ANY {
            write!(f, "out_port:{} ", self.out_port)?;
        }
        if self.out_group != GroupId::ANY {
            write!(f, "out_group:{} ", self.out_group)?;
        }
        write!(f, "{}actions={}", self.flags, Instructions(&self.instructions))
    }
}

impl FlowMod {
    /// The flow without the command: what is typed and pasted.
    fn write_flow(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cookie={:#x},table={},", self.cookie, self.table_id)?;
        if self.idle_timeout != 0 {
            write!(f, "idle_timeout={},", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, "hard_timeout={},", self.hard_timeout)?;
        }
        self.flags.to_string().split_whitespace().try_for_each(|word| write!(f, "{word},"))?;
        write!(f, "priority={},", self.priority)?;
        if !self.flow_match.fields().is_empty() {
            write!(f, "{},", self.flow_match)?;
        }
        write!(f, "actions={}", Instructions(&self.instructions))
    }
}

impl Display for FlowStats {
    /// As a line of `ovs-ofctl dump-flows`: `cookie=0x1, duration=2.5s, table=0, …, priority=100,ip actions=NORMAL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = Duration { sec: self.duration_sec, nsec: self.duration_nsec };
        write!(f, "cookie={:#x}, duration={duration}, table={}, ", self.cookie, self.table_id)?;
        write!(f, "n_packets={}, n_bytes={}, ", self.packet_count, self.byte_count)?;
        if self.idle_timeout != 0 {
            write!(f, "idle_timeout={}, ", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, "hard_timeout={}, ", self.hard_timeout)?;
        }
        let rule = Rule { priority: self.priority, flow_match: &self.flow_match };
        write!(f, "{}{rule}actions={}", self.flags, Instructions(&self.instructions))
    }
}

impl Display for FlowRemoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = Rule { priority: self.priority, flow_match: &self.flow_match };
        write!(f, "{rule}reason={} table_id={} ", self.reason, self.table_id)?;
        if self.cookie != 0 {
            write!(f, "cookie:{:#x} ", self.cookie)?;
        }
        let duration = Duration { sec: self.duration_sec, nsec: self.duration_nsec };
        write!(f, "duration{duration} idle{} ", self.idle_timeout)?;
        if self.hard_timeout != 0 {
            write!(f, "hard{} ", self.hard_timeout)?;
        }
        write!(f, "pkts{} bytes{}", self.packet_count, self.byte_count)
    }
}

impl Display for FlowRemovedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleTimeout => "idle",
            Self::HardTimeout => "hard",
            Self::Delete => "delete",
            Self::GroupDelete => "group_delete",
            Self::Unknown(reason) => return reason.fmt(f),
        })
    }
}

impl Display for FlowStatsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table_id != TableId::ALL {
            write!(f, "table={} ", self.table_id)?;
        }
        if self.out_port != PortNo::ANY {
            write!(f, "out_port={} ", self.out_port)?;
        }
        if self.out_group != GroupId::ANY {
            write!(f, "out_group={} ", self.out_group)?;
        }
        if self.cookie_mask != 0 {
            write!(f, "cookie={:#x}/{:#x} ", self.cookie, self.cookie_mask)?;
        }
        write!(f, "{}", self.flow_match)
    }
}

impl Display for FlowMonitorRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id={} flags=", self.id)?;
        let names = ["initial", "add", "delete", "modify", "actions", "own"];
        let flags = Bits { bits: self.flags.0.into(), names: &names }.to_string();
        f.write_str(&flags.replace(' ', ","))?;
        if self.out_port != PortNo::ANY {
            write!(f, " out_port={}", self.out_port)?;
        }
        if self.table_id != TableId::ALL {
            write!(f, " table={}", self.table_id)?;
        }
        let separator = if self.flow_match.fields().is_empty() { "" } else { " " };
        write!(f, "{separator}{}", self.flow_match)
    }
}

impl Display for FlowUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let update = match self {
            Self::Abbreviated(xid) => return write!(f, "event=ABBREV xid={xid}"),
            Self::Full(update) => update,
        };
        write!(f, "event={}", update.event)?;
        if update.event == FlowUpdateEvent::Deleted {
            let reason = u8::try_from(update.reason).map(FlowRemovedReason::from);
            write!(f, " reason={}", reason.unwrap_or(FlowRemovedReason::Unknown(u8::MAX)))?;
        }
        write!(f, " table={}", update.table_id)?;
        if update.idle_timeout != 0 {
            write!(f, " idle_timeout={}", update.idle_timeout)?;
        }
        if update.hard_timeout != 0 {
            write!(f, " hard_timeout={}", update.hard_timeout)?;
        }
        write!(f, " cookie={:#x} ", update.cookie)?;
        let rule = Rule { priority: update.priority, flow_match: &update.flow_match }.to_string();
        f.write_str(rule.trim_end())?;
        if !update.instructions.is_empty() {
            write!(f, " actions={}", Instructions(&update.instructions))?;
        }
        Ok(())
    }
}

impl Display for FlowUpdateEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "ADDED",
            Self::Deleted => "DELETED",
            Self::Modified => "MODIFIED",
            Self::Unknown(event) => return event.fmt(f),
        })
    }
}
