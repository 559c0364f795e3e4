//! What the forms of a file have in common, and how each is explained when it is wrong.

use super::*;
use crate::contract::{Forward, PortRange, Protocol};

fn flows(text: &str, form: Form) -> Vec<InstallFlow> {
    read(text, form).unwrap().into_iter().map(|item| item.flow).collect()
}

fn faults(text: &str, form: Form) -> Vec<String> {
    read(text, form).unwrap_err().iter().map(ToString::to_string).collect()
}

fn class(name: &str, dscp: u8, queue: u32) -> TrafficTypeView {
    TrafficTypeView { name: name.to_owned(), dscp, queue, priority: 1, ..TrafficTypeView::default() }
}

/// A request that says all there is to say, and one that says the least.
fn samples() -> Vec<InstallFlow> {
    let all = r#"{"flow_id":"f, 1","nodes":["s1","s2"],"source":"10.0.1.0/24","destination":"any",
        "traffic_type":"bulk","priority":7,"protocol":"tcp","source_port":5060,"destination_port":"8000-8999","dscp":10,
        "queue":1,"rate_limit":{"rate_kbps":5000,"burst_kb":100},"forward":{"table":1},"bidirectional":true,
        "idle_timeout":30,"hard_timeout":60,"on_conflict":"refuse","replace":true}"#;
    let least = r#"{"source":"2001:db8::/32","destination":"any","traffic_type":"voice"}"#;
    flows(&format!("[{all},{least}]"), Form::Json)
}

#[test]
fn what_is_written_in_a_form_is_read_from_it_again() {
    for form in [Form::Json, Form::Yaml] {
        assert_eq!(flows(&write_document(&samples(), form).unwrap(), form), samples());
    }
    assert_eq!(flows(&write_table(&samples()).unwrap(), Form::Csv), samples());
}

#[test]
fn a_file_of_as_many_flows_as_an_export_may_have_is_read() {
    let flow = "- {source: any, destination: any, traffic_type: voice}\n";
    assert_eq!(flows(&flow.repeat(50_000), Form::Yaml).len(), 50_000);
    let bomb = "- &a {source: any}\n- &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n- &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                - &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n- &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n- &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                - &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n- &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n- [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n";
    assert!(faults(bomb, Form::Yaml)[0].starts_with("the file: is not YAML: "), "what refers to itself is bounded");
}

#[test]
fn a_list_and_an_object_of_flows_are_the_same() {
    let flow =
        "source: 10.0.0.1\n  destination: any\n  traffic_type: voice\n  destination_port: 5060\n  protocol: udp\n";
    let list = flows(&format!("- {flow}"), Form::Yaml);
    assert_eq!(flows(&format!("flows:\n- {flow}"), Form::Yaml), list);
    assert_eq!(list[0].destination_port, Some(PortRange::single(5060)));
}

#[test]
fn every_wrong_item_is_told_with_its_place_and_what_is_allowed() {
    let text = r#"[{"source":"10.0.0.1/24","destination":"any","traffic_type":"voice"},
        {"source":"any","destination":"any","traffic_type":"voice","priority":0},
        {"source":"any","destination":"any","traffic_type":"voice"},
        {"source":"any","destination":"any","traffic_type":"voice","colour":"red"},
        {"source":"any","source":"any","destination":"any","traffic_type":"voice"}, 7]"#;
    let told = faults(text, Form::Json);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(
        told[0].starts_with("flows[0]") && told[0].contains("source") && told[0].contains("10.0.0.0/24"),
        "{}",
        told[0]
    );
    assert!(
        told[1].starts_with("flows[1]") && told[1].contains("priority") && told[1].contains("65535"),
        "{}",
        told[1]
    );
    assert!(told[2].starts_with("flows[3]") && told[2].contains("colour"), "{}", told[2]);
    assert!(told[3].starts_with("flows[4]") && told[3].contains("source"), "{}", told[3]);
    assert!(told[4].starts_with("flows[5]"), "{}", told[4]);
}

#[test]
fn a_fault_is_told_with_the_line_on_which_its_flow_begins() {
    let yaml = "# campus\nflows:\n  - source: any\n    destination: any\n    traffic_type: voice\n  # wrong:\n  - source: any\n    \
                destination: any\n    traffic_typ: voice\n";
    assert!(
        faults(yaml, Form::Yaml)[0].starts_with("flows[1] (line 7): traffic_typ"),
        "{:?}",
        faults(yaml, Form::Yaml)
    );
    let list = "- {source: any, destination: any, traffic_type: voice}\n\n- {source: any, destination: any}\n";
    assert!(faults(list, Form::Yaml)[0].starts_with("flows[1] (line 3)"), "{:?}", faults(list, Form::Yaml));
    let json = "{\"flows\": [\n {\"source\":\"any\",\"destination\":\"any\",\"traffic_type\":\"voice\"},\n\n {}]}";
    assert!(faults(json, Form::Json)[0].starts_with("flows[1] (line 4)"), "{:?}", faults(json, Form::Json));
}

#[test]
fn a_document_of_another_shape_is_refused_as_a_whole() {
    for text in ["7", "{}", r#"{"flows":[],"atomic":"all"}"#, r#"{"flows":{}}"#, r#""flows""#] {
        assert_eq!(
            faults(text, Form::Json),
            ["the file: must be a list of flows, or an object with one field, flows, that is one"]
        );
    }
    assert!(faults("[", Form::Json)[0].starts_with("the file: is not JSON: "));
    assert!(faults("a: [", Form::Yaml)[0].starts_with("the file: is not YAML: "));
    assert_eq!(
        faults("flows:\n  - source: any\n     destination: any\n", Form::Yaml),
        ["the file: is not YAML: line 3 column 17: mapping values are not allowed in this context"]
    );
    assert!(
        faults("flows: []\nflows: []", Form::Yaml)[0].contains("duplicate"),
        "{:?}",
        faults("flows: []\nflows: []", Form::Yaml)
    );
}

#[test]
fn a_table_is_explained_by_line() {
    let header = "source,destination,traffic_type,priority,forward,bidirectional";
    let read =
        flows(&format!("{header}\n# a comment\n10.0.0.1, any ,voice,,port:3,\nany,any,bulk,9,,true\n"), Form::Csv);
    assert_eq!((read[0].forward, read[0].priority), (Forward::Port(3), None));
    assert_eq!((read[1].bidirectional, read[1].priority), (true, Some(9)));
    let told = faults(
        &format!("{header}\nany,any,voice,high,,\nany,any,voice,,port:x,\nany,any,voice,,,yes\nany\n"),
        Form::Csv,
    );
    assert!(told[0].starts_with("line 2.priority: ") || told[0].starts_with("line 2: priority"), "{}", told[0]);
    assert!(told[1].starts_with("line 3"), "{}", told[1]);
    assert_eq!(told[2], "line 4: bidirectional must be true or false, not \"yes\"");
    assert_eq!(told[3], "line 5: must have 6 cells, as many as the header has columns, and has 1");
    assert!(faults("source,colour\n", Form::Csv)[0].starts_with("line 1: \"colour\" is not a column"));
}

#[test]
fn a_line_of_ovs_ofctl_is_the_request_whose_rule_it_is() {
    let text = "# voice\n cookie=0x1, table=0, n_packets=7, priority=300,udp,nw_src=10.0.1.0/24,tp_dst=0x1388/0xfff8 \
        actions=set_field:46->ip_dscp,set_queue:6,NORMAL\n\npriority=5,ipv6,hard_timeout=9,actions=drop\n\
        ip,actions=set_field:0->ip_dscp,output:3\n";
    let mut items = read(text, Form::Flows).unwrap();
    classify(&mut items, &[class("other", 46, 1), class("voice", 46, 6), class("best_effort", 0, 0)]).unwrap();
    assert_eq!(items[0].place, "line 2");
    let voice = &items[0].flow;
    assert_eq!((voice.traffic_type.as_str(), voice.protocol), ("voice", Some(Protocol::Udp)));
    assert_eq!(voice.destination_port, Some(PortRange { first: 5000, last: 5007 }));
    assert_eq!((voice.source.to_string().as_str(), voice.priority), ("10.0.1.0/24", Some(300)));
    let drop = &items[1].flow;
    assert_eq!((drop.forward, drop.hard_timeout, drop.source.to_string().as_str()), (Forward::Drop, 9, "::/0"));
    // Without a priority ovs-ofctl means 32768.
    assert_eq!((items[2].flow.forward, items[2].flow.priority), (Forward::Port(3), Some(32768)));
}

#[test]
fn a_line_that_is_no_request_says_what_is_in_the_way() {
    let mark = "actions=set_field:46->ip_dscp,NORMAL";
    for (line, expected) in [
        (format!("priority=1,{mark}"), "matches more than IP"),
        (format!("arp,{mark}"), "eth_type"),
        (format!("in_port=1,ip,{mark}"), "in_port"),
        (format!("table=2,ip,{mark}"), "table 2"),
        (format!("priority=0,ip,{mark}"), "table-miss"),
        (format!("ip,nw_src=10.0.0.0/255.0.255.0,{mark}"), "no prefix"),
        (format!("tcp,tp_dst=1/0x8001,{mark}"), "no range"),
        (format!("ip,check_overlap,{mark}"), "--on-conflict refuse"),
        ("ip,actions=set_field:46->ip_dscp,output:1,output:2".to_owned(), "once"),
        ("ip,actions=dec_ttl,NORMAL".to_owned(), "dec_ttl"),
        ("ip,actions=meter:1,set_field:46->ip_dscp,NORMAL".to_owned(), "meter"),
        ("ip,actions=wrong".to_owned(), "not an action"),
    ] {
        let told = faults(&line, Form::Flows);
        assert!(told[0].starts_with("line 1: ") && told[0].contains(expected), "{line}: {}", told[0]);
    }
}

#[test]
fn a_mark_that_is_no_classs_is_explained() {
    let mut items = read("ip,actions=set_field:7->ip_dscp,NORMAL\nip,actions=NORMAL", Form::Flows).unwrap();
    let told = classify(&mut items, &[class("voice", 46, 6)]).unwrap_err();
    assert!(told[0].to_string().contains("DSCP 7") && told[1].to_string().contains("sets no DSCP"), "{told:?}");
}

#[test]
fn a_made_id_tells_what_is_asked_and_nothing_else() {
    let set: SetName = "lab".parse().unwrap();
    let [flow, other] = <[_; 2]>::try_from(samples()).unwrap();
    let id = derived_id(&set, &flow, 1).unwrap();
    assert!(set.made(&id) && id.as_str().starts_with("lab-"));
    let asked_otherwise = InstallFlow { flow_id: None, timeout_ms: 1, dry_run: true, replace: false, ..flow.clone() };
    assert_eq!(derived_id(&set, &asked_otherwise, 1).unwrap(), id);
    assert_ne!(derived_id(&set, &InstallFlow { priority: Some(8), ..flow.clone() }, 1).unwrap(), id);
    assert_ne!(derived_id(&set, &other, 1).unwrap(), id);
    assert!(set.made(&derived_id(&set, &flow, 2).unwrap()));
    for foreign in ["lab", "lab-1", "lab-voice", "apply-0123456789abcdef", "lab-0123456789abcdef-x"] {
        assert!(!set.made(&foreign.parse().unwrap()), "{foreign}");
    }
    assert!(
        "".parse::<SetName>().is_err()
            && "a b".parse::<SetName>().is_err()
            && "a".repeat(128).parse::<SetName>().is_err()
    );
}
