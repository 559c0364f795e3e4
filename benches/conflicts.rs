//! What it costs to look for flows that are in a new one's way, as the number of flows on a switch grows:
//! `cargo bench --bench conflicts`.
//!
//! Three kinds of tables, from harmless to hostile: hosts that talk to hosts at one priority; the same at twelve
//! priorities with a subnet in between; and many ports of one server, where addresses tell nothing apart. For each the
//! median and the worst of many searches, and the ratio to a search through all flows.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it finds")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use flumen::contract::{Endpoint, InstallFlow, PortRange, Protocol};
use flumen::policy::{ConflictIndex, Handle, Relation, Shape, Template, shapes};

/// Searches that are timed for each table.
const SEARCHES: usize = 2_000;
/// Flows that the daemon compares on one node for one answer at most.
const MAX_COMPARED: usize = 2_048;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Number(usize);

impl Handle for Number {
    type Packed = [u8; 8];
    const FIRST: Self = Self(usize::MIN);
    const LAST: Self = Self(usize::MAX);

    fn pack(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    fn unpack(packed: [u8; 8]) -> Self {
        Self(usize::from_be_bytes(packed))
    }
}

/// A table: what the flow of a number is.
struct Table {
    name: &'static str,
    flow: fn(usize) -> (u16, InstallFlow),
}

const TABLES: [Table; 3] = [
    Table { name: "host to host, one priority", flow: |n| (46_000, between(host(n), host(n * 7 + 3))) },
    Table {
        name: "host to host and subnets, twelve priorities",
        flow: |n| {
            let priority = 1_000 + u16::try_from(n % 12).unwrap_or(0) * 4_000;
            (priority, if n % 50 == 0 { between(subnet(n), "any") } else { between(host(n), host(n * 7 + 3)) })
        },
    },
    Table {
        name: "the ports of one server, one priority",
        flow: |n| {
            let port = u16::try_from(n % 65_536).unwrap_or(0);
            let flow = between(host(n / 65_536), host(1));
            let (protocol, destination_port) = (Some(Protocol::Tcp), Some(PortRange::single(port)));
            (10_000, InstallFlow { protocol, destination_port, ..flow })
        },
    },
];

fn host(n: usize) -> String {
    format!("10.{}.{}.{}", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff)
}

fn subnet(n: usize) -> String {
    format!("10.{}.{}.0/24", n >> 16 & 0xff, n >> 8 & 0xff)
}

fn between(source: impl AsRef<str>, destination: impl AsRef<str>) -> InstallFlow {
    let end = |text: &str| text.parse().unwrap_or(Endpoint::Any);
    InstallFlow::new(end(source.as_ref()), end(destination.as_ref()), "bulk")
}

fn main() {
    println!("{:<46}{:>9}{:>12}{:>12}{:>14}", "table", "flows", "median", "worst", "to all flows");
    for table in &TABLES {
        for flows in [1_000, 10_000, 100_000] {
            measure(table, flows);
        }
    }
}

fn measure(table: &Table, flows: usize) {
    let there: Vec<(u16, Shape)> = (0..flows).flat_map(|n| boxes(table, n)).collect();
    let mut index = ConflictIndex::default();
    for (number, (priority, shape)) in there.iter().enumerate() {
        index.insert(*priority, shape, Number(number));
    }
    let mut times = Vec::with_capacity(SEARCHES);
    for search in 0..SEARCHES {
        let started = Instant::now();
        for (priority, shape) in boxes(table, flows + search * 37) {
            black_box(conflicts(&index, &there, priority, &shape));
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let (median, worst) = (times[SEARCHES / 2], times[SEARCHES - 1]);
    let all = through_all(&there, table, flows);
    let ratio = median.as_secs_f64() / all.as_secs_f64();
    println!("{:<46}{flows:>9}{:>12}{:>12}{ratio:>14.5}", table.name, micros(median), micros(worst));
}

fn boxes(table: &Table, number: usize) -> Vec<(u16, Shape)> {
    let (priority, flow) = (table.flow)(number);
    shapes(&flow, Template::of(&flow)).into_iter().map(|shape| (priority, shape)).collect()
}

/// As the daemon does it: what the index finds is compared, so many at most.
fn conflicts(index: &ConflictIndex<Number>, there: &[(u16, Shape)], priority: u16, shape: &Shape) -> usize {
    let (mut compared, mut found) = (0, 0);
    index.visit(priority, shape, |Number(number)| {
        compared += 1;
        found += usize::from(shape.relation(&there[number].1) != Relation::Disjoint);
        if compared < MAX_COMPARED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found
}

/// The same without an index.
fn through_all(there: &[(u16, Shape)], table: &Table, flows: usize) -> Duration {
    let started = Instant::now();
    for (_, shape) in boxes(table, flows) {
        black_box(there.iter().filter(|(_, other)| shape.relation(other) != Relation::Disjoint).count());
    }
    started.elapsed()
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}
