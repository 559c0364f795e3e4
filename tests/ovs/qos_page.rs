//! What `docs/qos.md` tells to type, typed.

use std::process::Command;

use crate::support::{Lab, binary, project};

#[test]
fn every_command_of_the_page_on_quality_of_service_does_what_it_says() {
    let Some(lab) = Lab::start(&["--class-limit", "bulk=5000"]) else { return };
    let mut client = lab.daemon.client();
    lab.add_dialling_node(&mut client, "s1", 0xa1);
    let page = std::fs::read_to_string(project().join("docs/qos.md")).unwrap();
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let mut most_meters = 0;
    let mut shared = 0;
    let mut count = 0;
    for line in blocks.flat_map(str::lines) {
        let words: Vec<_> = line.split_whitespace().collect();
        let run = Command::new(binary())
            .args(&words[1..])
            .env("FLUMEN_URL", format!("ws://127.0.0.1:{}/v1/ws", lab.daemon.northbound))
            .output()
            .unwrap();
        assert!(run.status.success(), "{line}\n{}", String::from_utf8_lossy(&run.stderr));
        most_meters = most_meters.max(lab.ovs.meters("s1").len());
        shared = shared.max(lab.ovs.rules("s1").iter().filter(|rule| rule.priority == 10_000).count());
        count += 1;
    }
    assert!(count >= 12, "{count} commands");
    // The meter of bulk and that of the flow for the whole switch; the marked, backup and mirror flows share the first.
    assert_eq!((most_meters, shared), (2, 3));
    assert_eq!((lab.ovs.meters("s1"), lab.ovs.flow_count("s1")), (vec![], 1), "only the table-miss rule is left");
}
