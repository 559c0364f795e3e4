//! From what the database has to what is wanted: the operations of one transaction.
//!
//! Rows without our mark are never written, but for the column `qos` of a port that has none or ours. `QoS` and `Queue`
//! are root tables: what is in nobody's use stays there for ever, so rows of ours that nothing uses are deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::datum::{Atom, Datum, Row, Uuid};
use super::operation::Operation;
use super::queues::{LINUX_HTB, Mark, PortQueues, PortState, Queue, Standing};
use super::replica::{PORT, Port, QOS, QUEUE, Replica};

/// What is to be done, none where everything is as it is wanted.
pub(super) fn plan(replica: &Replica, mark: &Mark, wanted: &BTreeMap<String, PortQueues>) -> Vec<Operation> {
    let mut work = Work { replica, mark, operations: Vec::new(), kept: BTreeSet::new(), names: 0 };
    let ports = replica.ports(mark.datapath_id()).unwrap_or_default();
    for port in &ports {
        if let Some(queues) = wanted.get(port.name) {
            work.bring_about(*port, queues);
        }
    }
    work.delete_unused(&ports);
    work.operations
}

/// Whether the port has somebody else's queues.
pub(super) fn is_foreign(replica: &Replica, mark: &Mark, port: Port<'_>) -> bool {
    qos_of(replica, port).is_some_and(|(_, row)| !mark.is_on(row))
}

/// The port as it is, if it has queues or is to have some.
pub(super) fn state(
    replica: &Replica,
    mark: &Mark,
    port: Port<'_>,
    wanted: Option<&PortQueues>,
    has_taken: bool,
) -> Option<PortState> {
    let qos = qos_of(replica, port);
    let found = qos.map(|(_, row)| found(replica, row)).unwrap_or_default();
    let is_as_wanted = wanted == Some(&found) && qos.is_some_and(|(_, row)| row.text("type") == Some(LINUX_HTB));
    let standing = match qos {
        None if wanted.is_none() => return None,
        Some((_, row)) if !mark.is_on(row) => Standing::Foreign,
        Some(_) if is_as_wanted && has_taken => Standing::Applied,
        Some(_) if is_as_wanted => Standing::Written,
        Some(_) | None => Standing::Drifted,
    };
    Some(PortState {
        name: port.name.to_owned(),
        number: replica.number(port),
        found,
        standing,
        error: replica.error(port).map(str::to_owned),
    })
}

fn qos_of<'a>(replica: &'a Replica, port: Port<'_>) -> Option<(Uuid, &'a Row)> {
    let uuid = port.row.uuids("qos").next()?;
    Some((uuid, replica.row(QOS, uuid)?))
}

fn found(replica: &Replica, qos: &Row) -> PortQueues {
    let queue = |(number, uuid)| Some((number, Queue::read(replica.row(QUEUE, uuid)?)));
    PortQueues {
        max_rate: PortQueues::max_rate_of(qos),
        queues: qos.rows("queues").into_iter().filter_map(queue).collect(),
    }
}

struct Work<'a> {
    replica: &'a Replica,
    mark: &'a Mark,
    operations: Vec<Operation>,
    /// Rows of ours that are in use.
    kept: BTreeSet<Uuid>,
    /// Names given to new rows.
    names: u32,
}

impl Work<'_> {
    fn bring_about(&mut self, port: Port<'_>, wanted: &PortQueues) {
        match qos_of(self.replica, port) {
            Some((_, row)) if !self.mark.is_on(row) => {}
            Some((uuid, row)) if self.kept.insert(uuid) => self.adapt(uuid, row, wanted),
            // One QoS on two ports would give both the queues of one.
            Some(_) | None => {
                let queues = self.queues(&BTreeMap::new(), wanted);
                let name = self.insert(QOS, self.qos(queues, wanted));
                self.point(port, Some(Atom::Named(name)));
            }
        }
    }

    /// Changes a QoS of ours, as far as it is not as it is wanted.
    fn adapt(&mut self, uuid: Uuid, row: &Row, wanted: &PortQueues) {
        let before = row.rows("queues");
        let queues = self.queues(&before, wanted);
        let is_same = before.len() == queues.len()
            && before.iter().all(|(number, uuid)| queues.get(&Atom::from(*number)) == Some(&Atom::Uuid(*uuid)))
            && row.text("type") == Some(LINUX_HTB)
            && row.texts("other_config") == wanted.other_config();
        if !is_same {
            let mut row = self.qos(queues, wanted);
            row.0.remove("external_ids");
            self.operations.push(Operation::Update { table: QOS, uuid, row });
        }
    }

    fn qos(&self, queues: BTreeMap<Atom, Atom>, wanted: &PortQueues) -> Row {
        Row::of([
            ("type", Datum::text(LINUX_HTB)),
            ("queues", Datum::Map(queues)),
            ("other_config", Datum::texts(&wanted.other_config())),
            ("external_ids", self.mark.external_ids()),
        ])
    }

    /// The queues that are wanted, in rows of ours that are there or in new ones.
    fn queues(&mut self, before: &BTreeMap<u32, Uuid>, wanted: &PortQueues) -> BTreeMap<Atom, Atom> {
        let mut queues = BTreeMap::new();
        for (number, queue) in &wanted.queues {
            let config = queue.other_config();
            let old = before.get(number).and_then(|uuid| Some((*uuid, self.replica.row(QUEUE, *uuid)?)));
            let atom = match old.filter(|(_, row)| self.mark.is_on(row)) {
                Some((uuid, row)) if self.kept.insert(uuid) => {
                    if row.texts("other_config") != config {
                        let row = Row::of([("other_config", Datum::texts(&config))]);
                        self.operations.push(Operation::Update { table: QUEUE, uuid, row });
                    }
                    Atom::Uuid(uuid)
                }
                Some(_) | None => {
                    let row =
                        Row::of([("other_config", Datum::texts(&config)), ("external_ids", self.mark.external_ids())]);
                    Atom::Named(self.insert(QUEUE, row))
                }
            };
            queues.insert(Atom::from(*number), atom);
        }
        queues
    }

    fn insert(&mut self, table: &'static str, row: Row) -> String {
        let name = format!("new{}", self.names);
        self.names += 1;
        self.operations.push(Operation::Insert { table, row, name: name.clone() });
        name
    }

    /// Sets the QoS of a port, unless somebody was faster.
    fn point(&mut self, port: Port<'_>, qos: Option<Atom>) {
        let seen = Datum::reference(port.row.uuids("qos").next().map(Atom::Uuid));
        let column = |datum| Row::of([("qos", datum)]);
        self.operations.push(Operation::Wait { table: PORT, uuid: port.uuid, row: column(seen) });
        let row = column(Datum::reference(qos));
        self.operations.push(Operation::Update { table: PORT, uuid: port.uuid, row });
    }

    /// Deletes what is ours and in nobody's use, once it is taken off the ports of our bridge.
    fn delete_unused(&mut self, ports: &[Port<'_>]) {
        let ours = |table| self.replica.rows(table).filter(|(_, row)| self.mark.is_on(row)).map(|(uuid, _)| uuid);
        let unused: Vec<Uuid> = ours(QOS).filter(|uuid| !self.kept.contains(uuid)).collect();
        let queues: Vec<Uuid> = ours(QUEUE).filter(|uuid| !self.kept.contains(uuid)).collect();
        let mut gone = BTreeSet::new();
        for uuid in unused {
            let users = || self.replica.rows(PORT).filter(|(_, row)| row.uuids("qos").any(|qos| qos == uuid));
            // Somebody gave it to a port of another bridge: it is theirs to take off there.
            if users().any(|(user, _)| ports.iter().all(|port| port.uuid != user)) {
                continue;
            }
            gone.insert(uuid);
            for port in ports.iter().filter(|port| port.row.uuids("qos").any(|qos| qos == uuid)) {
                self.point(*port, None);
            }
            self.operations.push(Operation::Delete { table: QOS, uuid });
        }
        for uuid in queues {
            let is_used = self.replica.rows(QOS).any(|(qos, row)| {
                !gone.contains(&qos)
                    && !self.kept.contains(&qos)
                    && row.rows("queues").values().any(|used| *used == uuid)
            });
            if !is_used {
                self.operations.push(Operation::Delete { table: QUEUE, uuid });
            }
        }
    }
}
