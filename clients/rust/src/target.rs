//! Where the service is. Pure.

use crate::error::Error;

/// Addresses of the service, as the caller wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `host:port`, at least one; a host may have several addresses.
    pub(crate) hosts: Vec<String>,
    /// What the scheme says of encryption; `None`: there is no scheme.
    pub(crate) encrypted: Option<bool>,
}

impl Target {
    /// Reads `host:port`, several of them parted by commas, with or without `http://`, `https://` or gRPC's `dns:///`.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let (encrypted, hosts) = match text.split_once("://") {
            Some(("http", rest)) => (Some(false), rest.trim_end_matches('/')),
            Some(("https", rest)) => (Some(true), rest.trim_end_matches('/')),
            Some(("dns", rest)) => (None, rest.trim_start_matches('/')),
            Some((scheme, _)) => return Err(Error::invalid("target", format_args!("cannot reach {scheme}://"))),
            None => (None, text),
        };
        let hosts: Vec<String> = hosts.split(',').map(str::trim).map(str::to_owned).collect();
        match hosts.iter().find(|host| !names_a_port(host)) {
            Some(wrong) => Err(Error::invalid("target", format_args!("{wrong:?} is not host:port"))),
            None => Ok(Self { hosts, encrypted }),
        }
    }
}

fn names_a_port(host: &str) -> bool {
    host.parse::<http::uri::Authority>()
        .is_ok_and(|authority| !authority.host().is_empty() && authority.port_u16().is_some_and(|port| port > 0))
}

/// Returns the name in `host:port`, without the brackets of an IPv6 address.
pub(crate) fn name(host: &str) -> &str {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn read(text: &str) -> (Vec<String>, Option<bool>) {
        let found = Target::read(text).unwrap();
        (found.hosts, found.encrypted)
    }

    #[test]
    fn a_target_is_a_host_and_a_port_or_several() {
        assert_eq!(read("127.0.0.1:50551"), (vec!["127.0.0.1:50551".into()], None));
        assert_eq!(read("http://localhost:1"), (vec!["localhost:1".into()], Some(false)));
        assert_eq!(read("https://penchant.example:443/"), (vec!["penchant.example:443".into()], Some(true)));
        assert_eq!(read("dns:///penchant:50551"), (vec!["penchant:50551".into()], None));
        assert_eq!(read("a:1, b:2"), (vec!["a:1".into(), "b:2".into()], None));
        assert_eq!(read("[::1]:50551"), (vec!["[::1]:50551".into()], None));
    }

    #[test]
    fn what_is_no_target_is_refused_by_name() {
        for wrong in
            ["", "localhost", "localhost:", "localhost:0", "a:1,,b:2", "unix:///tmp/socket", "two words:1", ":80"]
        {
            let error = Target::read(wrong).unwrap_err();
            assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, "target"), "{wrong:?}");
        }
    }

    #[test]
    fn the_name_of_a_host_has_no_port_and_no_brackets() {
        assert_eq!(name("penchant.example:443"), "penchant.example");
        assert_eq!(name("[::1]:443"), "::1");
    }
}
