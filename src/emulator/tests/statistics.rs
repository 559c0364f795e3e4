//! What the switch says of itself.

use openflow::{
    ErrorCode, FlowStatsRequest, MultipartReplyBody, MultipartRequest, MultipartRequestBody as Body, TableId,
};

use super::*;

impl Stage {
    /// The parts of the answer, each but the last with the bit that says that more follow.
    fn ask(&mut self, body: Body) -> Vec<MultipartReplyBody> {
        let mut said = self.say(&Message::MultipartRequest(body.into())).into_iter().peekable();
        let mut parts = Vec::new();
        while let Some((xid, message)) = said.next() {
            let Message::MultipartReply(reply) = message else { panic!("{message:?}") };
            assert_eq!((xid, reply.more), (Xid(self.last_xid), said.peek().is_some()));
            parts.push(reply.body);
        }
        parts
    }

    fn ask_flows(&mut self, request: FlowStatsRequest) -> Vec<FlowStats> {
        let parts = self.ask(Body::Flow(request));
        parts
            .into_iter()
            .flat_map(|part| if let MultipartReplyBody::Flow(flows) = part { flows } else { panic!() })
            .collect()
    }

    fn ask_refused(&mut self, request: MultipartRequest) -> ErrorCode {
        let said = self.say(&Message::MultipartRequest(request));
        let [(_, Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
        error.error_code()
    }
}

#[test]
fn the_description_is_the_configured_one() {
    let description = crate::emulator::Description { serial_number: "42".to_owned(), ..Default::default() };
    let mut stage = Stage::ready(SwitchConfig { description: description.into(), ..config() });
    let parts = stage.ask(Body::Desc);
    let [MultipartReplyBody::Desc(desc)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((desc.mfr_desc.to_string(), desc.serial_num.to_string()), ("Flumen".to_owned(), "42".to_owned()));
}

#[test]
fn all_ports_are_described_however_many_messages_it_takes() {
    let mut stage = Stage::ready(config().with_ports(3000));
    let parts = stage.ask(Body::PortDesc);
    assert!(parts.len() > 1);
    let ports: Vec<u32> = parts
        .iter()
        .flat_map(|part| if let MultipartReplyBody::PortDesc(ports) = part { ports } else { panic!() })
        .map(|port| port.port_no.0)
        .collect();
    assert_eq!(ports, (1..=3000).collect::<Vec<_>>());
}

#[test]
fn an_empty_table_is_one_empty_part() {
    let mut stage = Stage::ready(config());
    assert_eq!(stage.ask(Body::Flow(FlowStatsRequest::default())), [MultipartReplyBody::Flow(vec![])]);
}

#[test]
fn every_flow_is_reported_once_however_many_messages_it_takes() {
    let mut stage = Stage::ready(config());
    for priority in 0..5000 {
        stage.apply(FlowMod { cookie: u64::from(priority), ..flow(priority) });
    }
    let mut flows = stage.ask_flows(FlowStatsRequest::default());
    flows.sort_by_key(|flow| u16::MAX - flow.priority);
    assert_eq!(flows, stage.flows());
}

#[test]
fn flows_are_selected_by_table_match_cookie_and_port() {
    let mut stage = Stage::ready(config());
    stage.apply(FlowMod { cookie: 1, flow_match: to([10, 0, 0, 1]), ..flow(1) });
    stage.apply(FlowMod { cookie: 2, table_id: TableId(1), instructions: output(2), ..flow(2) });
    let all = FlowStatsRequest::default;
    for (request, expected) in [
        (all(), vec![1, 2]),
        (FlowStatsRequest { table_id: TableId(1), ..all() }, vec![2]),
        (FlowStatsRequest { flow_match: to_subnet(8), ..all() }, vec![1]),
        (FlowStatsRequest { cookie: 2, cookie_mask: u64::MAX, ..all() }, vec![2]),
        (FlowStatsRequest { out_port: PortNo(1), ..all() }, vec![1]),
    ] {
        let mut cookies: Vec<u64> = stage.ask_flows(request.clone()).iter().map(|flow| flow.cookie).collect();
        cookies.sort_unstable();
        assert_eq!(cookies, expected);
        let parts = stage.ask(Body::Aggregate(request));
        let [MultipartReplyBody::Aggregate(sum)] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(sum.flow_count as usize, expected.len());
    }
}

#[test]
fn the_aggregate_is_the_sum() {
    let mut stage = Stage::ready(config());
    for priority in [1, 2] {
        stage.apply(flow(priority));
        stage.switch.count_traffic(TableId(0), priority, &Match::any(), 2, 300, stage.now);
    }
    let parts = stage.ask(Body::Aggregate(FlowStatsRequest::default()));
    let [MultipartReplyBody::Aggregate(sum)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((sum.packet_count, sum.byte_count, sum.flow_count), (4, 600, 2));
}

#[test]
fn statistics_of_a_table_that_is_not_there_are_refused() {
    let mut stage = Stage::ready(SwitchConfig { n_tables: 2, ..config() });
    let request = FlowStatsRequest { table_id: TableId(2), ..Default::default() };
    assert_eq!(stage.ask_refused(Body::Flow(request).into()), ErrorCode::BAD_REQUEST_BAD_TABLE_ID);
}

#[test]
fn a_request_in_parts_is_refused() {
    let mut stage = Stage::ready(config());
    let request = MultipartRequest { more: true, ..Body::Desc.into() };
    assert_eq!(stage.ask_refused(request), ErrorCode::BAD_REQUEST_MULTIPART_BUFFER_OVERFLOW);
}
