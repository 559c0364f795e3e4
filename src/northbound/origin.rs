//! Which web pages may talk to the daemon: the guard against cross-site hijacking and DNS rebinding.
//!
//! A browser tells where a page comes from in `Origin` (RFC 6454), and which name it resolved in `Host`. Programs that
//! are not browsers send no `Origin`, and are not stopped here.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use hyper::header::HeaderMap;
use hyper::{Version, header};
use tracing::warn;

use super::canonical;

/// The configured origins.
#[derive(Debug)]
pub(super) struct Origins(HashSet<String>);

impl Origins {
    pub(super) fn new(configured: &[String]) -> Self {
        let parse = |origin: &String| {
            let parsed = normalize(origin);
            if parsed.is_none() {
                warn!(?origin, "ignoring a configured origin that is not like https://name or https://name:port");
            }
            parsed
        };
        Self(configured.iter().filter_map(parse).collect())
    }

    /// Whether a request that reached us at `local` may come from where it says.
    pub(super) fn admit_origin(&self, headers: &HeaderMap, local: SocketAddr) -> Result<(), &'static str> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (None, _) => return Ok(()),
            (Some(origin), None) => origin.to_str().ok().and_then(normalize),
            (Some(_), Some(_)) => None,
        };
        match origin {
            Some(origin) if self.0.contains(&origin) || is_own(&origin, local) => Ok(()),
            _ => Err("pages of this origin may not connect; the operator can allow it with flumen serve --origin"),
        }
    }

    /// Whether the name that the client resolved may be ours. On loopback, a name that somebody else controls must not
    /// reach us, or its pages would pass for ours; elsewhere the daemon cannot know what names lead to it.
    pub(super) fn admit_host(
        &self,
        headers: &HeaderMap,
        version: Version,
        local: SocketAddr,
    ) -> Result<(), &'static str> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().map_err(|_| "the Host header is not text")?.to_ascii_lowercase(),
            (None, _) if version < Version::HTTP_11 => return Ok(()),
            // RFC 9112, 3.2: 400 to a request that lacks a Host header or has more than one.
            _ => return Err("a request has exactly one Host header"),
        };
        let configured = self.0.iter().any(|origin| origin.split_once("://").is_some_and(|(_, own)| own == host));
        if !canonical(local.ip()).is_loopback() || configured || is_loopback(&host) {
            return Ok(());
        }
        Err("this daemon listens on loopback; its name is localhost")
    }
}

/// The daemon's own address as an origin, whether or not a proxy adds TLS.
fn is_own(origin: &str, local: SocketAddr) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = if scheme == "https" { 443 } else { 80 };
    let (host, port) = split_port(authority);
    let port = match port {
        Some(digits) => digits.parse().ok(),
        None => Some(default_port),
    };
    let address = canonical(local.ip());
    let same_host = parse_ip(host).is_some_and(|ip| ip == address || (ip.is_loopback() && address.is_loopback()))
        || (host == "localhost" && address.is_loopback());
    same_host && port == Some(local.port())
}

/// Whether a `Host`, with or without a port, is this machine to itself.
fn is_loopback(host: &str) -> bool {
    let (host, _) = split_port(host);
    host == "localhost" || parse_ip(host).is_some_and(|ip| ip.is_loopback())
}

/// Splits `host:port`, where an IPv6 host is in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn parse_ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().map(IpAddr::V6).ok(),
        None => host.parse().map(IpAddr::V4).ok(),
    }
}

/// `scheme://host[:port]` in lower case and without the scheme's default port; `None` for anything else, `null` too.
fn normalize(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let lawful = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if authority.is_empty() || !authority.bytes().all(lawful) {
        return None;
    }
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const LOCAL: &str = "127.0.0.1:8653";

    fn admits(origin: &str, local: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        let origins = Origins::new(&["https://noc.example.net".to_owned(), "HTTP://Lab.example.net:8080".to_owned()]);
        origins.admit_origin(&headers, local.parse().unwrap()).is_ok()
    }

    #[test]
    fn the_daemons_own_address_and_the_configured_origins_are_admitted() {
        for origin in [
            "http://127.0.0.1:8653",
            "https://127.0.0.1:8653",
            "http://localhost:8653",
            "http://LOCALHOST:8653",
            "http://[::1]:8653",
            "https://noc.example.net",
            "https://noc.example.net:443",
            "HTTPS://NOC.EXAMPLE.NET",
            "http://lab.example.net:8080",
        ] {
            assert!(admits(origin, LOCAL), "{origin}");
        }
        assert!(admits("http://192.0.2.1", "192.0.2.1:80"));
        assert!(admits("http://192.0.2.1:8653", "[::ffff:192.0.2.1]:8653"));
        assert!(admits("http://[2001:db8::1]:8653", "[2001:db8::1]:8653"));
    }

    #[test]
    fn any_other_origin_is_refused() {
        for origin in [
            "null",
            "",
            "*",
            "http://127.0.0.1",
            "http://127.0.0.1:80",
            "http://127.0.0.1:8654",
            "http://127.0.0.1:08653x",
            "http://localhost",
            "http://localhost:8653.evil.com",
            "http://localhost.evil.com:8653",
            "http://127.0.0.1.evil.com:8653",
            "http://127.0.0.1:8653@evil.com",
            "http://evil.com:8653",
            "http://user@127.0.0.1:8653",
            "http://127.0.0.1:8653/",
            "http://127.0.0.1:8653/page",
            "http://127.0.0.1:8653 http://evil.com",
            "http://127.0.0.1:8653, http://evil.com",
            "ws://127.0.0.1:8653",
            "file://",
            "127.0.0.1:8653",
            "http://",
            "http://noc.example.net",
            "https://noc.example.net:8443",
            "https://noc.example.net.evil.com",
            "https://evil-noc.example.net",
            "https://evilnoc.example.net",
            "https://noc.example.net.",
            "https://xn--nc-fka.example.net",
            "https://sub.noc.example.net",
            "https://noc.example.net?",
            "https://noc.example.net#",
            "https://noc.example.net\\evil",
            "http://lab.example.net",
            "https://lab.example.net:8080",
            "http://2130706433:8653",
            "http://0x7f.1:8653",
            "http://[::ffff:192.0.2.1]:8653",
        ] {
            assert!(!admits(origin, LOCAL), "{origin}");
        }
        assert!(!admits("http://localhost:8653", "192.0.2.1:8653"));
    }

    #[test]
    fn an_origin_that_comes_twice_is_refused_and_none_at_all_is_admitted() {
        let local = LOCAL.parse().unwrap();
        let mut headers = HeaderMap::new();
        assert!(Origins::new(&[]).admit_origin(&headers, local).is_ok());
        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost:8653"));
        headers.append(header::ORIGIN, HeaderValue::from_static("http://localhost:8653"));
        assert!(Origins::new(&[]).admit_origin(&headers, local).is_err());
    }

    #[test]
    fn a_name_that_somebody_pointed_at_loopback_is_refused() {
        let admits = |host: &'static str, local: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            let origins = Origins::new(&["https://noc.example.net".to_owned()]);
            origins.admit_host(&headers, Version::HTTP_11, local.parse().unwrap()).is_ok()
        };
        for host in ["localhost", "LocalHost:8653", "127.0.0.1:8653", "127.8.8.8", "[::1]:8653", "noc.example.net"] {
            assert!(admits(host, LOCAL), "{host}");
        }
        for host in ["evil.com", "evil.com:8653", "localhost.evil.com", "192.0.2.1", "[2001:db8::1]", ""] {
            assert!(!admits(host, LOCAL), "{host}");
        }
        assert!(admits("flumen.example.net:8653", "192.0.2.1:8653"));
    }
}
