//! Several controllers of one switch: who may write, and who hears what.

use openflow::{
    AsyncConfig, AsyncMask, BufferId, ControllerRole, FlowModFlags, PacketIn, PacketInReason, Port, PortConfig,
    PortMod, PortReason, RoleMsg, SwitchConfig as WireConfig, TableId,
};

use super::*;

impl Stage {
    /// Opens one more connection and goes on with that.
    fn join(&mut self) -> ChannelId {
        self.channel = self.switch.open(self.now);
        self.say(&Message::Hello(Hello::with_versions(&[OFP_VERSION])));
        self.channel
    }

    /// Goes on with another connection.
    fn on(&mut self, channel: ChannelId) -> &mut Self {
        self.channel = channel;
        self
    }

    /// Asks for a role and gives back what the switch grants.
    fn role(&mut self, role: ControllerRole, generation_id: u64) -> Result<(ControllerRole, u64), ErrorCode> {
        match self.say(&Message::RoleRequest(RoleMsg { role, generation_id })).as_slice() {
            [(_, Message::RoleReply(reply))] => Ok((reply.role, reply.generation_id)),
            [(_, Message::Error(error))] => Err(error.error_code()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_controller_starts_as_an_equal_and_no_generation_is_known() {
    let mut stage = Stage::ready(config());
    assert_eq!(stage.role(ControllerRole::NoChange, 0), Ok((ControllerRole::Equal, u64::MAX)));
}

#[test]
fn a_new_master_makes_a_slave_of_the_old_one() {
    let mut stage = Stage::ready(config());
    let one = stage.channel;
    assert_eq!(stage.role(ControllerRole::Master, 1), Ok((ControllerRole::Master, 1)));
    let other = stage.join();
    assert_eq!(stage.role(ControllerRole::Master, 2), Ok((ControllerRole::Master, 2)));
    assert_eq!(stage.on(one).role(ControllerRole::NoChange, 0), Ok((ControllerRole::Slave, 2)));
    assert_eq!(stage.refused(flow(1)), ErrorCode::BAD_REQUEST_IS_SLAVE);
    stage.on(other).apply(flow(1));
}

#[test]
fn a_slave_may_look_and_not_touch() {
    let mut stage = Stage::ready(config());
    stage.apply(flow(1));
    stage.role(ControllerRole::Slave, 1).unwrap();
    assert_eq!(stage.refused(FlowMod::delete()), ErrorCode::BAD_REQUEST_IS_SLAVE);
    assert!(matches!(stage.say(&Message::BarrierRequest).as_slice(), [(_, Message::BarrierReply)]));
    assert_eq!(stage.priorities(), [1]);
}

#[test]
fn generations_are_compared_across_the_end_of_the_count() {
    for (newest, stale, next) in [
        (5, 4, 6),
        (0, u64::MAX, 1),
        (u64::MAX, u64::MAX - 1, 0),
        (1 << 63, (1 << 63) - 1, (1 << 63) + 1),
        ((1 << 63) - 1, u64::MAX, 1 << 63),
    ] {
        let mut stage = Stage::ready(config());
        stage.role(ControllerRole::Slave, newest).unwrap();
        let refused = Err(ErrorCode::ROLE_REQUEST_FAILED_STALE);
        assert_eq!(stage.role(ControllerRole::Master, stale), refused, "{stale} after {newest}");
        assert_eq!(stage.role(ControllerRole::NoChange, 0), Ok((ControllerRole::Slave, newest)));
        assert_eq!(stage.role(ControllerRole::Equal, stale), Ok((ControllerRole::Equal, newest)));
        assert_eq!(stage.role(ControllerRole::Master, newest), Ok((ControllerRole::Master, newest)));
        assert_eq!(stage.role(ControllerRole::Master, next), Ok((ControllerRole::Master, next)), "after {newest}");
    }
}

#[test]
fn slaves_do_not_hear_of_removed_flows() {
    let mut stage = Stage::ready(config());
    let one = stage.channel;
    stage.role(ControllerRole::Slave, 1).unwrap();
    let other = stage.join();
    stage.apply(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) });
    assert_eq!(stage.say(&Message::FlowMod(FlowMod::delete())).len(), 1);
    assert_eq!(stage.on(one).hear(), []);
    assert_eq!(stage.on(other).hear(), []);
}

#[test]
fn packets_go_to_the_controllers_that_want_them() {
    let mut stage = Stage::ready(config());
    let packet = PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: 4,
        reason: PacketInReason::NoMatch,
        table_id: TableId(0),
        cookie: u64::MAX,
        flow_match: Match::builder().in_port(PortNo(1)).build().unwrap(),
        data: bytes::Bytes::from_static(b"ping"),
    };
    stage.switch.packet_in(&packet);
    assert_eq!(stage.hear().len(), 1);
    stage.role(ControllerRole::Slave, 1).unwrap();
    stage.switch.packet_in(&packet);
    assert_eq!(stage.hear(), []);
}

#[test]
fn a_controller_hears_what_it_asked_for() {
    let mut stage = Stage::ready(config());
    let quiet = AsyncMask { master: 0, slave: 0 };
    let wanted = AsyncConfig {
        packet_in_mask: quiet.clone(),
        port_status_mask: AsyncMask { master: 0b100, slave: 0 },
        flow_removed_mask: quiet,
    };
    assert_eq!(stage.say(&Message::SetAsync(wanted.clone())), []);
    assert_eq!(stage.say(&Message::GetAsyncRequest)[0].1, Message::GetAsyncReply(wanted));
    stage.apply(FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) });
    stage.apply(FlowMod::delete());
    let port = stage.switch.config().ports[0].clone();
    stage.switch.remove_port(port.port_no, stage.now);
    assert_eq!(stage.hear(), []);
    stage.switch.set_port(port.clone(), stage.now);
    stage.switch.set_port(port, stage.now);
    let said = stage.hear();
    let [(_, Message::PortStatus(status))] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(status.reason, PortReason::Modify);
}

#[test]
fn a_controller_that_dialled_hears_nothing_before_it_set_a_length() {
    let mut stage = Stage::ready(config());
    stage.channel = stage.switch.open_dialled(stage.now);
    stage.say(&Message::Hello(Hello::with_versions(&[OFP_VERSION])));
    let told = FlowMod { flags: FlowModFlags::SEND_FLOW_REM, ..flow(1) };
    stage.apply(told.clone());
    stage.apply(FlowMod::delete());
    stage.say(&Message::SetConfig(WireConfig { flags: 0, miss_send_len: 128 }));
    stage.apply(told);
    assert_eq!(stage.say(&Message::FlowMod(FlowMod::delete())).len(), 1);
}

#[test]
fn a_port_is_configured_by_its_number_and_its_address() {
    let mut stage = Stage::ready(config());
    let port: Port = stage.switch.config().ports[0].clone();
    let down = PortMod {
        port_no: port.port_no,
        hw_addr: port.hw_addr,
        config: PortConfig::PORT_DOWN,
        mask: PortConfig::PORT_DOWN,
        advertise: port.advertised,
    };
    let said = stage.say(&Message::PortMod(down.clone()));
    let [(_, Message::PortStatus(status))] = said.as_slice() else { panic!("{said:?}") };
    assert!(!status.desc.is_up());
    assert_eq!(stage.say(&Message::PortMod(down.clone())), [], "nothing changes twice");
    for (wrong, code) in [
        (PortMod { port_no: PortNo(99), ..down.clone() }, ErrorCode::PORT_MOD_FAILED_BAD_PORT),
        (PortMod { hw_addr: openflow::MacAddr([9; 6]), ..down }, ErrorCode::PORT_MOD_FAILED_BAD_HW_ADDR),
    ] {
        let said = stage.say(&Message::PortMod(wrong));
        let [(_, Message::Error(error))] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(error.error_code(), code);
    }
}
