//! Good and bad requests, and what is said to each.
//!
//! A row is a request and its verdict: `ok`, or the error's code, its path (`-` for none) and a piece of its message.

use super::{Command, ErrorCode, RequestId, parse_request};

/// What a row expects: "ok", or "code path piece of the message".
type Row = (&'static str, &'static str);

/// Whole messages.
const ENVELOPES: &[Row] = &[
    (r#"{"type":"GetInfo","id":"a"}"#, "ok"),
    (r#"{"type":"GetInfo","id":"a","payload":{}}"#, "ok"),
    (r#" { "payload" : { } , "id" : "a" , "type" : "GetInfo" } "#, "ok"),
    (r#"{"type":"ListNodes","id":"ключ 🔑 \u00e9"}"#, "ok"),
    (r#"{"type":"\u0047etInfo","id":"a"}"#, "ok"),
    (r#"{"\u0074ype":"GetInfo","id":"a"}"#, "ok"),
    (r#"{"type":"GetInfo","id":"\ud83d\ude00"}"#, "ok"),
    // Not JSON.
    ("", "invalid_json - not valid JSON"),
    ("hello", "invalid_json - not valid JSON"),
    ("{", "invalid_json - not valid JSON"),
    (r#"{"type":"GetInfo","id":"a"}}"#, "invalid_json - trailing"),
    (r#"{"type":"GetInfo","id":"a"}{}"#, "invalid_json - trailing"),
    (r#"{"type":"GetInfo","id":"a",}"#, "invalid_json -"),
    (r#"{'type':'GetInfo','id':'a'}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":NaN}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":Infinity}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":01}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":.5}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":+5}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":0x10}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":{x:1}}"#, "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a" // why"#, "invalid_json -"),
    ("{\"type\":\"GetInfo\",\"id\":\"a\nb\"}", "invalid_json -"),
    (r#"{"type":"GetInfo","id":"\x41"}"#, "invalid_json -"),
    ("\u{feff}{\"type\":\"GetInfo\",\"id\":\"a\"}", "invalid_json -"),
    (r#"{"type":"GetInfo","id":"a","payload":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"#, "invalid_json - 16 levels"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":"[[[[[[[[[[[[[[[[[[[["}}"#, "invalid_request payload.x known"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":"\"[[[[[[[[[[[[[[[[[[[["}}"#, "invalid_request payload.x known"),
    // No object.
    ("null", "invalid_request - one object"),
    ("5", "invalid_request - one object"),
    (r#""GetInfo""#, "invalid_request - one object"),
    ("[]", "invalid_request - one object"),
    (r#"["GetInfo","a",{}]"#, "invalid_request - one object"),
    (r#"[{"type":"GetInfo","id":"a"}]"#, "invalid_request - one object"),
    // No usable id.
    ("{}", "invalid_request id is required"),
    (r#"{"type":"GetInfo"}"#, "invalid_request id is required"),
    (r#"{"type":"GetInfo","id":""}"#, "invalid_request id 1 to 128"),
    (r#"{"type":"GetInfo","id":null}"#, "invalid_request id not null"),
    (r#"{"type":"GetInfo","id":5}"#, "invalid_request id not 5"),
    (r#"{"type":"GetInfo","id":{"a":1}}"#, "invalid_request id not an object"),
    (r#"{"type":"GetInfo","id":["a"]}"#, "invalid_request id not a list"),
    (r#"{"type":"GetInfo","id":true}"#, "invalid_request id not true"),
    (r#"{"type":"GetInfo","id":"\ud800"}"#, "invalid_request id surrogates"),
    (r#"{"type":"GetInfo","id":"a","id":"a"}"#, "invalid_request id twice"),
    (r#"{"type":"GetInfo","id":"a","\u0069d":"b"}"#, "invalid_request id twice"),
    (r#"{"type":"GetInfo","type":"GetInfo","id":"a"}"#, "invalid_request type twice"),
    (r#"{"type":"GetInfo","id":"a","payload":{},"payload":{}}"#, "invalid_request payload twice"),
    // A usable id, and something else is wrong.
    (r#"{"id":"a"}"#, "invalid_request type is required"),
    (r#"{"id":"a","payload":{}}"#, "invalid_request type is required"),
    (r#"{"type":5,"id":"a"}"#, "invalid_request type must be a string, not 5"),
    (r#"{"type":null,"id":"a"}"#, "invalid_request type not null"),
    (r#"{"type":{"GetInfo":null},"id":"a"}"#, "invalid_request type must be"),
    (r#"{"type":"","id":"a"}"#, "unknown_command type there is no command"),
    (r#"{"type":"Frobnicate","id":"a"}"#, "unknown_command type InstallFlow"),
    (r#"{"type":"getinfo","id":"a"}"#, "unknown_command type \"getinfo\""),
    (r#"{"type":"GetInfo ","id":"a"}"#, "unknown_command type \"GetInfo \""),
    (r#"{"type":"Subscribe","id":"a","payload":{"topics":["flows"]}}"#, "unknown_command type this version"),
    (r#"{"type":"Unsubscribe","id":"a"}"#, "unknown_command type this version"),
    (r#"{"type":"SetQueues","id":"a"}"#, "unknown_command type this version"),
    (r#"{"type":"Authenticate","id":"a"}"#, "unknown_command type this version"),
    (r#"{"type":"GetInfo","id":"a","colour":1}"#, "invalid_request colour type, id, payload"),
    (r#"{"Type":"GetInfo","id":"a","type":"GetInfo"}"#, "invalid_request Type known"),
    (r#"{"type":"GetInfo","id":"a","payload":null}"#, "invalid_request payload must be an object, not null"),
    (r#"{"type":"GetInfo","id":"a","payload":[]}"#, "invalid_request payload must be an object, not a list"),
    (r#"{"type":"GetInfo","id":"a","payload":"x"}"#, "invalid_request payload must be an object"),
    (r#"{"type":"GetInfo","id":"a","payload":0}"#, "invalid_request payload must be an object, not 0"),
    (r#"{"type":"GetInfo","id":"a","payload":1e400}"#, "invalid_request payload not 1e400"),
    (r#"{"type":"GetInfo","id":"a","payload":{"x":1}}"#, "invalid_request payload.x there are none"),
    (r#"{"type":"ListNodes","id":"a","payload":{"x":1,"x":2}}"#, "invalid_request payload.x twice"),
    (r#"{"type":"GetInfo","id":"a","payload":{"\ud800":1}}"#, "invalid_request payload escape"),
];

/// Commands other than `InstallFlow`, and its payload as a whole: `type`, then the payload.
const PAYLOADS: &[(&str, &str, &str)] = &[
    ("AddNode", r#"{"name":"s1","datapath_id":"00000000000000a1"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"00000000000000A1","kind":"openflow"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"00:00:00:00:00:00:00:a1"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"0xa1"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"161"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":161}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"18446744073709551615"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":9007199254740991}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":9007199254740993}"#, "invalid_request payload.datapath_id string"),
    ("AddNode", r#"{"name":"s1","datapath_id":"18446744073709551616"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":"0x10000000000000000"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":"0x"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":""}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":"a1"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":"-1"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":-1}"#, "invalid_request payload.datapath_id not -1"),
    ("AddNode", r#"{"name":"s1","datapath_id":161.0}"#, "invalid_request payload.datapath_id not 161.0"),
    ("AddNode", r#"{"name":"s1","datapath_id":"00:00:00:00:00:a1"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":"0000:0000:0000:00a1"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","datapath_id":"000000000000000g"}"#, "invalid_request payload.datapath_id 16 hex"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.7:6653"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","address":"tls:switch-1.example.net:6653"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","address":"tcp:[2001:db8::7]:1"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","address":"tcp:localhost:65535","datapath_id":"0x1"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","address":"192.0.2.7:6653"}"#, "invalid_request payload.address tcp:HOST:PORT"),
    ("AddNode", r#"{"name":"s1","address":"ssl:192.0.2.7:6653"}"#, "invalid_request payload.address tls:HOST:PORT"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.7"}"#, "invalid_request payload.address tcp:HOST:PORT"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.7:0"}"#, "invalid_request payload.address 1 to 65535"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.7:65536"}"#, "invalid_request payload.address 1 to 65535"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.7:+80"}"#, "invalid_request payload.address 1 to 65535"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.7:"}"#, "invalid_request payload.address 1 to 65535"),
    ("AddNode", r#"{"name":"s1","address":"tcp::6653"}"#, "invalid_request payload.address tcp:HOST:PORT"),
    ("AddNode", r#"{"name":"s1","address":"tcp:2001:db8::7:6653"}"#, "invalid_request payload.address brackets"),
    ("AddNode", r#"{"name":"s1","address":"tcp:[192.0.2.7]:6653"}"#, "invalid_request payload.address brackets"),
    ("AddNode", r#"{"name":"s1","address":"tcp:192.0.2.300:6653"}"#, "invalid_request payload.address tcp"),
    ("AddNode", r#"{"name":"s1","address":"tcp:a b:6653"}"#, "invalid_request payload.address tcp"),
    ("AddNode", r#"{"name":"s1","address":6653}"#, "invalid_request payload.address not 6653"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","ovsdb":"tcp:127.0.0.1:6640"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","ovsdb":"ssl:[::1]:6640"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","ovsdb":"unix:/run/openvswitch/db.sock"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","ovsdb":"unix:"}"#, "invalid_request payload.ovsdb unix:PATH"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","ovsdb":"tls:h:6640"}"#, "invalid_request payload.ovsdb ssl:HOST"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","labels":{"rack":"r7","row":"2"}}"#, "ok"),
    (
        "AddNode",
        r#"{"name":"s1","datapath_id":"1","labels":{"a":"1","a":"1"}}"#,
        "invalid_request payload.labels.a twice",
    ),
    (
        "AddNode",
        r#"{"name":"s1","datapath_id":"1","labels":{"a":1}}"#,
        "invalid_request payload.labels.a a string, not 1",
    ),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","labels":[]}"#, "invalid_request payload.labels an object"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","labels":null}"#, "invalid_request payload.labels an object"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","kind":"p4"}"#, "invalid_request payload.kind openflow"),
    (
        "AddNode",
        r#"{"name":"s1","datapath_id":"1","kind":{"openflow":null}}"#,
        "invalid_request payload.kind not an object",
    ),
    ("AddNode", r#"{"name":"s1"}"#, "invalid_request payload.datapath_id unless address"),
    ("AddNode", r#"{"datapath_id":"1"}"#, "invalid_request payload.name is required"),
    ("AddNode", r#"{"name":"s1","datapath_id":null}"#, "invalid_request payload.datapath_id not null"),
    ("AddNode", r#"{"name":"","datapath_id":"1"}"#, "invalid_request payload.name 1 to 64"),
    ("AddNode", r#"{"name":"s 1","datapath_id":"1"}"#, "invalid_request payload.name letters"),
    ("AddNode", r#"{"name":"s1\u0000","datapath_id":"1"}"#, r#"invalid_request payload.name not "s1\0""#),
    ("AddNode", r#"{"name":"größe","datapath_id":"1"}"#, "invalid_request payload.name letters"),
    ("AddNode", r#"{"name":"A.b_c-9","datapath_id":"1"}"#, "ok"),
    ("AddNode", r#"{"name":"s1","datapath_id":"1","dpid":"1"}"#, "invalid_request payload.dpid known are name, kind"),
    ("AddNode", r#"["s1","openflow","1"]"#, "invalid_request payload must be an object"),
    ("RemoveNode", r#"{"name":"s1"}"#, "ok"),
    ("RemoveNode", r#"{"name":"s1","flows":"leave"}"#, "ok"),
    (
        "RemoveNode",
        r#"{"name":"s1","flows":"keep"}"#,
        r#"invalid_request payload.flows one of "remove", "leave", not "keep""#,
    ),
    ("RemoveNode", "{}", "invalid_request payload.name is required"),
    ("GetNode", r#"{"name":"s1"}"#, "ok"),
    ("GetNode", r#"["s1"]"#, "invalid_request payload must be an object, not a list"),
    ("GetNode", r#"{"name":["s1"]}"#, "invalid_request payload.name not a list"),
    ("InstallFlows", r#"{"flows":[]}"#, "ok"),
    (
        "InstallFlows",
        r#"{"flows":[{"source":"any","destination":"any","traffic_type":"voice"}],"atomic":"node","report":"problems"}"#,
        "ok",
    ),
    ("InstallFlows", "{}", "invalid_request payload.flows is required"),
    ("InstallFlows", r#"{"flows":{}}"#, "invalid_request payload.flows must be a list, not an object"),
    ("InstallFlows", r#"{"flows":null}"#, "invalid_request payload.flows must be a list, not null"),
    ("InstallFlows", r#"{"flows":[5]}"#, "invalid_request payload.flows[0] flows[0] must be an object, not 5"),
    ("InstallFlows", r#"{"flows":[["any","any"]]}"#, "invalid_request payload.flows[0] must be an object, not a list"),
    (
        "InstallFlows",
        r#"{"flows":[{"source":"any","destination":"any","traffic_type":"voice"},{"destination":"any","traffic_type":"voice"}]}"#,
        "invalid_request payload.flows[1].source is required",
    ),
    (
        "InstallFlows",
        r#"{"flows":[{"source":"any","destination":"any","traffic_type":"voice","forward":{"port":-1}}]}"#,
        "invalid_request payload.flows[0].forward.port whole number from 0",
    ),
    (
        "InstallFlows",
        r#"{"flows":[{"source":"10.0.0.1","destination":"::1","traffic_type":"voice"}]}"#,
        "invalid_request payload.flows[0].destination destination must be of the same family",
    ),
    (
        "InstallFlows",
        r#"{"flows":[],"atomic":"switch"}"#,
        r#"invalid_request payload.atomic one of "none", "node", "all""#,
    ),
    ("InstallFlows", r#"{"flows":[],"report":"some"}"#, r#"invalid_request payload.report one of "all", "problems""#),
    ("RemoveFlow", r#"{"flow_id":"f"}"#, "ok"),
    ("RemoveFlow", r#"{"flow_id":""}"#, "invalid_request payload.flow_id 1 to 128"),
    ("RemoveFlow", "{}", "invalid_request payload.flow_id is required"),
    ("RemoveFlows", r#"{"flow_ids":["a","b"]}"#, "ok"),
    ("RemoveFlows", r#"{"node":"s1"}"#, "ok"),
    ("RemoveFlows", r#"{"node":"s1","traffic_type":"voice"}"#, "ok"),
    ("RemoveFlows", r#"{"all":true}"#, "ok"),
    ("RemoveFlows", "{}", "invalid_request payload.flow_ids unless"),
    ("RemoveFlows", r#"{"all":false}"#, "invalid_request payload.flow_ids unless"),
    ("RemoveFlows", r#"{"all":1}"#, "invalid_request payload.all must be true or false, not 1"),
    ("RemoveFlows", r#"{"all":true,"node":"s1"}"#, "invalid_request payload.all cannot go"),
    ("RemoveFlows", r#"{"flow_ids":["a"],"node":"s1"}"#, "invalid_request payload.flow_ids cannot go"),
    (
        "RemoveFlows",
        r#"{"flow_ids":["a",7]}"#,
        "invalid_request payload.flow_ids[1] flow_ids[1] must be a string of 1 to 128 characters, not 7",
    ),
    ("ListFlows", "{}", "ok"),
    ("ListFlows", r#"{"node":"s1","traffic_type":"voice","state":"applied","cursor":"f-9","limit":10000}"#, "ok"),
    ("ListFlows", r#"{"limit":0}"#, "invalid_request payload.limit whole number from 1 to 10000, not 0"),
    ("ListFlows", r#"{"limit":10001}"#, "invalid_request payload.limit whole number from 1 to 10000"),
    ("ListFlows", r#"{"state":"working"}"#, "invalid_request payload.state rejected"),
    ("GetFlow", r#"{"flow_id":"f"}"#, "ok"),
    ("GetFlow", r#"{"flow_id":"f","flow_id":"f"}"#, "invalid_request payload.flow_id twice"),
    ("InstallFlow", "{}", "invalid_request payload.source is required"),
    ("InstallFlow", r#"{"source":"any","traffic_type":"voice"}"#, "invalid_request payload.destination is required"),
    ("InstallFlow", r#"{"source":"any","destination":"any"}"#, "invalid_request payload.traffic_type is required"),
    (
        "InstallFlow",
        r#"{"source":"any","destination":"any","traffic_type":5}"#,
        "invalid_request payload.traffic_type must be a string, not 5",
    ),
    (
        "InstallFlow",
        r#"{"source":"any","destination":"any","traffic_type":null}"#,
        "invalid_request payload.traffic_type not null",
    ),
    (
        "InstallFlow",
        r#"{"source":"any","destination":"any","traffic_type":"\udc00"}"#,
        "invalid_request payload.traffic_type surrogates",
    ),
];

/// Sources and destinations of an otherwise lawful `InstallFlow`.
const ENDPOINTS: &[(&str, &str, &str)] = &[
    (r#""10.0.0.1""#, r#""10.0.0.2""#, "ok"),
    (r#""10.0.0.0/24""#, r#""0.0.0.0/0""#, "ok"),
    (r#""10.0.0.1/32""#, r#""any""#, "ok"),
    (r#""2001:db8::/32""#, r#""2001:db8::1""#, "ok"),
    (r#""any""#, r#""::/0""#, "ok"),
    (r#""any""#, r#""any""#, "ok"),
    (r#""::ffff:10.0.0.1""#, r#""::1""#, "ok"),
    (r#""10.0.0.1/24""#, r#""any""#, "invalid_request payload.source the prefix is 10.0.0.0/24"),
    (r#""any""#, r#""2001:db8::1/64""#, "invalid_request payload.destination the prefix is 2001:db8::/64"),
    (r#""10.0.0.1""#, r#""2001:db8::1""#, "invalid_request payload.destination same family"),
    (r#""::/0""#, r#""10.0.0.1""#, "invalid_request payload.destination same family"),
    (r#""10.0.0.0/33""#, r#""any""#, "invalid_request payload.source only 32 bits"),
    (r#""::/129""#, r#""any""#, "invalid_request payload.source only 128 bits"),
    (r#""10.0.0.0/256""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""10.0.0.0/-1""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""10.0.0.0/+8""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""10.0.0.0/""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""10.0.0.0/255.0.0.0""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""10.0.0""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""10.0.0.256""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""010.0.0.1""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#"" 10.0.0.1""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""fe80::1%eth0""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    (r#""ANY""#, r#""any""#, r#"invalid_request payload.source or "any", not "ANY""#),
    (r#""""#, r#""any""#, "invalid_request payload.source an IPv4 or IPv6"),
    ("null", r#""any""#, "invalid_request payload.source not null"),
    ("167772161", r#""any""#, "invalid_request payload.source not 167772161"),
    (r#"{"V4":"10.0.0.1"}"#, r#""any""#, "invalid_request payload.source not an object"),
    (r#"["10.0.0.1"]"#, r#""any""#, "invalid_request payload.source not a list"),
    (r#""10.0.0.1""#, "true", "invalid_request payload.destination not true"),
    (r#""\udead""#, r#""any""#, "invalid_request payload.source surrogates"),
];

/// Fields added to an `InstallFlow` from 10.0.0.1 to 10.0.0.2.
const INSTALL_FIELDS: &[Row] = &[
    (r#""flow_id":"f""#, "ok"),
    (r#""flow_id":"""#, "invalid_request payload.flow_id 1 to 128"),
    (r#""flow_id":7"#, "invalid_request payload.flow_id not 7"),
    (r#""flow_id":null"#, "invalid_request payload.flow_id not null"),
    (r#""nodes":["s1","s2"]"#, "ok"),
    (r#""nodes":[]"#, "invalid_request payload.nodes at least one"),
    (r#""nodes":["s1","s2","s1"]"#, "invalid_request payload.nodes[2] listed before"),
    (r#""nodes":"s1""#, r#"invalid_request payload.nodes must be a list, not "s1""#),
    (r#""nodes":["s1","s/2"]"#, "invalid_request payload.nodes[1] nodes[1] must be 1 to 64 letters"),
    (r#""nodes":[null]"#, "invalid_request payload.nodes[0] not null"),
    (r#""priority":1"#, "ok"),
    (r#""priority":65535"#, "ok"),
    (r#""priority":0"#, "invalid_request payload.priority whole number from 1 to 65535, not 0"),
    (
        r#""priority":65536"#,
        "invalid_request payload.priority priority must be a whole number from 1 to 65535, not 65536",
    ),
    (r#""priority":-1"#, "invalid_request payload.priority not -1"),
    (r#""priority":-0"#, "invalid_request payload.priority not -0"),
    (r#""priority":5.0"#, "invalid_request payload.priority not 5.0"),
    (r#""priority":1e3"#, "invalid_request payload.priority not 1e3"),
    (r#""priority":1E+400"#, "invalid_request payload.priority not 1E+400"),
    (r#""priority":1e-400"#, "invalid_request payload.priority not 1e-400"),
    (r#""priority":9007199254740993"#, "invalid_request payload.priority not 9007199254740993"),
    (r#""priority":18446744073709551616"#, "invalid_request payload.priority not 18446744073709551616"),
    (r#""priority":-9223372036854775809"#, "invalid_request payload.priority not -9223372036854775809"),
    (r#""priority":"100""#, r#"invalid_request payload.priority not "100""#),
    (r#""priority":null"#, "invalid_request payload.priority not null"),
    (r#""priority":true"#, "invalid_request payload.priority not true"),
    (r#""priority":[1]"#, "invalid_request payload.priority not a list"),
    (r#""priority":{"$serde_json::private::Number":"5"}"#, "invalid_request payload.priority not an object"),
    (r#""priority":1,"priority":1"#, "invalid_request payload.priority twice"),
    (r#""protocol":"tcp""#, "ok"),
    (r#""protocol":"icmp""#, "ok"),
    (r#""protocol":"TCP""#, r#"invalid_request payload.protocol one of "tcp", "udp", "sctp", "icmp", not "TCP""#),
    (r#""protocol":6"#, "invalid_request payload.protocol not 6"),
    (r#""protocol":{"tcp":null}"#, "invalid_request payload.protocol not an object"),
    (r#""protocol":"udp","source_port":0"#, "ok"),
    (r#""protocol":"udp","source_port":65535"#, "ok"),
    (r#""protocol":"sctp","destination_port":"5060""#, "ok"),
    (r#""protocol":"tcp","destination_port":"5060-5070","source_port":"0-65535""#, "ok"),
    (
        r#""protocol":"tcp","destination_port":"5070-5060""#,
        r#"invalid_request payload.destination_port write "5060-5070""#,
    ),
    (r#""protocol":"tcp","destination_port":65536"#, "invalid_request payload.destination_port from 0 to 65535"),
    (r#""protocol":"tcp","destination_port":"65536""#, "invalid_request payload.destination_port from 0 to 65535"),
    (r#""protocol":"tcp","destination_port":-1"#, "invalid_request payload.destination_port not -1"),
    (r#""protocol":"tcp","destination_port":80.5"#, "invalid_request payload.destination_port not 80.5"),
    (r#""protocol":"tcp","destination_port":"""#, "invalid_request payload.destination_port a port"),
    (r#""protocol":"tcp","destination_port":"1-2-3""#, "invalid_request payload.destination_port a port"),
    (r#""protocol":"tcp","destination_port":"80-""#, "invalid_request payload.destination_port a port"),
    (r#""protocol":"tcp","destination_port":"http""#, "invalid_request payload.destination_port a port"),
    (r#""protocol":"tcp","destination_port":[80]"#, "invalid_request payload.destination_port not a list"),
    (r#""destination_port":80"#, "invalid_request payload.destination_port needs protocol"),
    (r#""source_port":80"#, "invalid_request payload.source_port needs protocol"),
    (r#""protocol":"icmp","source_port":80"#, "invalid_request payload.source_port needs protocol"),
    (r#""dscp":0"#, "ok"),
    (r#""dscp":63"#, "ok"),
    (r#""dscp":64"#, "invalid_request payload.dscp from 0 to 63, not 64"),
    (r#""dscp":"EF""#, "invalid_request payload.dscp from 0 to 63"),
    (r#""queue":0"#, "ok"),
    (r#""queue":4294967294"#, "ok"),
    (r#""queue":4294967295"#, "invalid_request payload.queue from 0 to 4294967294"),
    (r#""queue":4294967296"#, "invalid_request payload.queue from 0"),
    (r#""rate_limit":{"rate_kbps":5000}"#, "ok"),
    (r#""rate_limit":{"rate_kbps":5000,"burst_kb":500}"#, "ok"),
    (r#""rate_limit":{}"#, "invalid_request payload.rate_limit.rate_kbps is required"),
    (r#""rate_limit":{"rate_kbps":0}"#, "invalid_request payload.rate_limit.rate_kbps from 1"),
    (r#""rate_limit":{"rate_kbps":4294967296}"#, "invalid_request payload.rate_limit.rate_kbps to 4294967295"),
    (r#""rate_limit":{"rate_kbps":1,"burst_kb":null}"#, "invalid_request payload.rate_limit.burst_kb not null"),
    (r#""rate_limit":{"rate_kbps":1,"rate_kbps":2}"#, "invalid_request payload.rate_limit.rate_kbps twice"),
    (r#""rate_limit":{"rate":1}"#, "invalid_request payload.rate_limit.rate known are rate_kbps, burst_kb"),
    (r#""rate_limit":5000"#, "invalid_request payload.rate_limit an object, not 5000"),
    (r#""rate_limit":[5000,500]"#, "invalid_request payload.rate_limit an object, not a list"),
    (r#""rate_limit":null"#, "invalid_request payload.rate_limit an object, not null"),
    (r#""forward":"normal""#, "ok"),
    (r#""forward":"drop""#, "ok"),
    (r#""forward":{"port":2}"#, "ok"),
    (r#""forward":{"port":4294967293}"#, "ok"),
    (r#""forward":{"table":1}"#, "ok"),
    (r#""forward":{"table":255}"#, "invalid_request payload.forward.table from 0 to 254, not 255"),
    (r#""forward":{"port":4294967296}"#, "invalid_request payload.forward.port to 4294967295"),
    (r#""forward":{"port":"eth0"}"#, "invalid_request payload.forward.port whole number"),
    (r#""forward":{}"#, "invalid_request payload.forward exactly one"),
    (r#""forward":{"port":1,"table":1}"#, "invalid_request payload.forward exactly one"),
    (r#""forward":{"port":1,"port":1}"#, "invalid_request payload.forward.port twice"),
    (r#""forward":{"group":1}"#, "invalid_request payload.forward.group known are port, table"),
    (r#""forward":"flood""#, r#"invalid_request payload.forward "normal", "drop""#),
    (r#""forward":2"#, "invalid_request payload.forward not 2"),
    (r#""forward":null"#, "invalid_request payload.forward not null"),
    (r#""forward":["port",2]"#, "invalid_request payload.forward not a list"),
    (r#""bidirectional":true"#, "ok"),
    (r#""bidirectional":true,"forward":"drop""#, "ok"),
    (r#""bidirectional":false,"forward":{"port":2}"#, "ok"),
    (r#""bidirectional":true,"forward":{"table":1}"#, "ok"),
    (r#""bidirectional":true,"forward":{"port":2}"#, "invalid_request payload.bidirectional forward"),
    (r#""bidirectional":"true""#, r#"invalid_request payload.bidirectional must be true or false, not "true""#),
    (r#""bidirectional":1"#, "invalid_request payload.bidirectional true or false, not 1"),
    (r#""bidirectional":null"#, "invalid_request payload.bidirectional true or false, not null"),
    (r#""idle_timeout":0,"hard_timeout":65535"#, "ok"),
    (r#""idle_timeout":65536"#, "invalid_request payload.idle_timeout from 0 to 65535"),
    (r#""hard_timeout":-5"#, "invalid_request payload.hard_timeout not -5"),
    (r#""dry_run":true"#, "ok"),
    (r#""dry_run":0"#, "invalid_request payload.dry_run true or false"),
    (r#""on_conflict":"refuse""#, "ok"),
    (r#""on_conflict":"ignore""#, r#"invalid_request payload.on_conflict "warn", "refuse""#),
    (r#""replace":true"#, "ok"),
    (r#""replace":"yes""#, "invalid_request payload.replace true or false"),
    (r#""wait":"accepted","timeout_ms":0"#, "ok"),
    (r#""wait":"forever""#, r#"invalid_request payload.wait "applied", "accepted""#),
    (r#""timeout_ms":4294967296"#, "invalid_request payload.timeout_ms from 0 to 4294967295"),
    (r#""timeout_ms":1.5"#, "invalid_request payload.timeout_ms not 1.5"),
    (r#""colour":1"#, "invalid_request payload.colour known are flow_id, nodes, source"),
    (r#""Priority":1"#, "invalid_request payload.Priority known"),
    (r#""\u0070riority":70000"#, "invalid_request payload.priority not 70000"),
    (r#""":1"#, "invalid_request payload. known"),
];

/// Words of Rust and of serde that mean nothing to a client.
const JARGON: [&str; 12] =
    ["expected", "struct", "u16", "u32", "u8", "i64", "invalid type", "variant", "sequence", "map", "boolean", "unit"];

fn assert_verdict(request: &str, verdict: &str) {
    let refusal = match (parse_request(request.as_bytes()), verdict) {
        (Ok(_), "ok") => return,
        (Ok(_), _) => panic!("accepted, not {verdict}: {request}"),
        (Err(refusal), _) => refusal,
    };
    let mut expected = verdict.splitn(3, ' ');
    let (id, error) = refusal;
    let path = error.path.as_deref().unwrap_or("-");
    assert_eq!((Some(error.code.as_str()), Some(path)), (expected.next(), expected.next()), "{request}: {error}");
    let piece = expected.next().unwrap_or_default();
    assert!(error.message.contains(piece), "{request}: {:?} does not say {piece:?}", error.message);
    if error.code != ErrorCode::InvalidJson {
        let said = error.message.split_whitespace().find(|word| JARGON.contains(word));
        assert_eq!(said, None, "{request}: {:?}", error.message);
    }
    let no_usable_id = error.code == ErrorCode::InvalidJson || matches!(path, "-" | "id");
    assert_eq!(id.is_none(), no_usable_id, "{request}: {error}");
}

fn request(command: &str, payload: &str) -> String {
    format!(r#"{{"type":"{command}","id":"a","payload":{payload}}}"#)
}

#[test]
fn each_envelope_gets_its_verdict() {
    for (text, verdict) in ENVELOPES {
        assert_verdict(text, verdict);
    }
}

#[test]
fn each_payload_gets_its_verdict() {
    for (command, payload, verdict) in PAYLOADS {
        assert_verdict(&request(command, payload), verdict);
    }
}

#[test]
fn each_pair_of_endpoints_gets_its_verdict() {
    for (source, destination, verdict) in ENDPOINTS {
        let payload = format!(r#"{{"source":{source},"destination":{destination},"traffic_type":"voice"}}"#);
        assert_verdict(&request("InstallFlow", &payload), verdict);
    }
}

#[test]
fn each_field_of_install_flow_gets_its_verdict_alone_and_in_a_batch() {
    for (fields, verdict) in INSTALL_FIELDS {
        let flow = format!(r#"{{"source":"10.0.0.1","destination":"10.0.0.2","traffic_type":"voice",{fields}}}"#);
        assert_verdict(&request("InstallFlow", &flow), verdict);
        let batch = format!(r#"{{"flows":[{{"source":"any","destination":"any","traffic_type":"bulk"}},{flow}]}}"#);
        assert_verdict(&request("InstallFlows", &batch), &verdict.replacen("payload.", "payload.flows[1].", 1));
    }
}

#[test]
fn what_is_accepted_reads_the_same_after_it_was_written_again() {
    let install = |fields: &str| {
        let payload = format!(r#"{{"source":"10.0.0.1","destination":"10.0.0.2","traffic_type":"voice",{fields}}}"#);
        request("InstallFlow", &payload)
    };
    let ends = |source: &str, destination: &str| {
        request("InstallFlow", &format!(r#"{{"source":{source},"destination":{destination},"traffic_type":"voice"}}"#))
    };
    let accepted = (ENVELOPES.iter().filter(|row| row.1 == "ok").map(|row| row.0.to_owned()))
        .chain(PAYLOADS.iter().filter(|row| row.2 == "ok").map(|row| request(row.0, row.1)))
        .chain(ENDPOINTS.iter().filter(|row| row.2 == "ok").map(|row| ends(row.0, row.1)))
        .chain(INSTALL_FIELDS.iter().filter(|row| row.1 == "ok").map(|row| install(row.0)));
    for text in accepted {
        let (id, command): (RequestId, Command) = parse_request(text.as_bytes()).unwrap();
        let written = serde_json::to_string(&super::Request { id: &id, command: &command }).unwrap();
        assert_eq!(parse_request(written.as_bytes()), Ok((id, command)), "{text} became {written}");
    }
}

#[test]
fn there_are_at_least_150_rows() {
    assert!(ENVELOPES.len() + PAYLOADS.len() + ENDPOINTS.len() + INSTALL_FIELDS.len() >= 150);
}
