//! Good and bad fields of `SetQueues` beside `"node":"s1"`.

use super::rows::Row;

pub(super) const QUEUES: &[Row] = &[
    (r#""port":1,"queues":[]"#, "ok"),
    (r#""port":"s1-eth1","queues":[]"#, "ok"),
    (r#""port":"1","queues":[]"#, "ok"),
    (r#""port":4294967294,"queues":[]"#, "ok"),
    (r#""port":1,"max_rate_kbps":10000,"queues":[{"queue":0}]"#, "ok"),
    (r#""port":1,"queues":[{"queue":61439,"min_rate_kbps":12,"max_rate_kbps":4294967295}]"#, "ok"),
    (r#""port":1,"queues":[{"queue":1,"priority":7,"burst_kb":1},{"queue":0,"priority":0}]"#, "ok"),
    (
        r#""port":1,"max_rate_kbps":900,"queues":[{"queue":1,"min_rate_kbps":500},{"queue":2,"min_rate_kbps":400}]"#,
        "ok",
    ),
    (r#""queues":[]"#, "invalid_request payload.port is required"),
    (r#""port":1"#, "invalid_request payload.queues is required"),
    (r#""port":0,"queues":[]"#, "invalid_request payload.port a port number from 1 to 4294967294, or a port name"),
    (r#""port":4294967295,"queues":[]"#, "invalid_request payload.port not 4294967295"),
    (r#""port":4294967296,"queues":[]"#, "invalid_request payload.port not 4294967296"),
    (r#""port":-1,"queues":[]"#, "invalid_request payload.port not -1"),
    (r#""port":1.0,"queues":[]"#, "invalid_request payload.port not 1.0"),
    (r#""port":"","queues":[]"#, "invalid_request payload.port 1 to 255 characters"),
    (r#""port":"a\u0000b","queues":[]"#, "invalid_request payload.port 1 to 255 characters"),
    (r#""port":null,"queues":[]"#, "invalid_request payload.port not null"),
    (r#""port":[1],"queues":[]"#, "invalid_request payload.port not a list"),
    (r#""port":{"number":1},"queues":[]"#, "invalid_request payload.port not an object"),
    (r#""port":1,"port":2,"queues":[]"#, "invalid_request payload.port twice"),
    (r#""port":1,"queues":{}"#, "invalid_request payload.queues a list, not an object"),
    (r#""port":1,"queues":null"#, "invalid_request payload.queues a list, not null"),
    (r#""port":1,"queues":[1]"#, "invalid_request payload.queues[0] an object, not 1"),
    (r#""port":1,"queues":[[1]]"#, "invalid_request payload.queues[0] an object, not a list"),
    (r#""port":1,"queues":[{}]"#, "invalid_request payload.queues[0].queue is required"),
    (r#""port":1,"queues":[{"queue":61440}]"#, "invalid_request payload.queues[0].queue from 0 to 61439, not 61440"),
    (r#""port":1,"queues":[{"queue":"1"}]"#, "invalid_request payload.queues[0].queue whole number"),
    (r#""port":1,"queues":[{"queue":1},{"queue":1}]"#, "invalid_request payload.queues[1].queue is listed before"),
    (r#""port":1,"queues":[{"queue":1,"queue":2}]"#, "invalid_request payload.queues[0].queue twice"),
    (
        r#""port":1,"queues":[{"queue":1,"rate":2}]"#,
        "invalid_request payload.queues[0].rate known are queue, min_rate_kbps",
    ),
    (
        r#""port":1,"queues":[{"queue":1,"min_rate_kbps":11}]"#,
        "invalid_request payload.queues[0].min_rate_kbps from 12",
    ),
    (r#""port":1,"queues":[{"queue":1,"max_rate_kbps":0}]"#, "invalid_request payload.queues[0].max_rate_kbps from 12"),
    (
        r#""port":1,"queues":[{"queue":1,"max_rate_kbps":4294967296}]"#,
        "invalid_request payload.queues[0].max_rate_kbps to 4294967295",
    ),
    (
        r#""port":1,"queues":[{"queue":1,"priority":8}]"#,
        "invalid_request payload.queues[0].priority from 0 to 7, not 8",
    ),
    (r#""port":1,"queues":[{"queue":1,"burst_kb":0}]"#, "invalid_request payload.queues[0].burst_kb from 1"),
    (r#""port":1,"queues":[{"queue":1,"burst_kb":null}]"#, "invalid_request payload.queues[0].burst_kb not null"),
    (r#""port":1,"max_rate_kbps":11,"queues":[{"queue":1}]"#, "invalid_request payload.max_rate_kbps from 12"),
    (r#""port":1,"max_rate_kbps":1e6,"queues":[{"queue":1}]"#, "invalid_request payload.max_rate_kbps not 1"),
    (r#""port":1,"max_rate_kbps":900,"queues":[]"#, "invalid_request payload.max_rate_kbps empty list"),
    (
        r#""port":1,"queues":[{"queue":1,"min_rate_kbps":20,"max_rate_kbps":19}]"#,
        "invalid_request payload.queues[0].min_rate_kbps above the queue's max_rate_kbps of 19",
    ),
    (
        r#""port":1,"max_rate_kbps":900,"queues":[{"queue":0},{"queue":1,"max_rate_kbps":901}]"#,
        "invalid_request payload.queues[1].max_rate_kbps above the port's max_rate_kbps of 900",
    ),
    (
        r#""port":1,"max_rate_kbps":900,"queues":[{"queue":1,"min_rate_kbps":901}]"#,
        "invalid_request payload.queues[0].min_rate_kbps above the port's max_rate_kbps of 900",
    ),
    (
        r#""port":1,"max_rate_kbps":900,"queues":[{"queue":1,"min_rate_kbps":500},{"queue":2,"min_rate_kbps":401}]"#,
        "invalid_request payload.queues max_rate_kbps of 900: their min_rate_kbps add up to 901",
    ),
    (r#""port":1,"queues":[],"node":"s2""#, "invalid_request payload.node twice"),
    (
        r#""port":1,"queues":[],"colour":1"#,
        "invalid_request payload.colour known are node, port, max_rate_kbps, queues",
    ),
];
