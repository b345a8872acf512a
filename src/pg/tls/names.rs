//! Whether a certificate is for the host we wanted, by libpq's rules.

use std::fmt;
use std::net::IpAddr;

use openssl::nid::Nid;
use openssl::x509::X509Ref;

/// The names of a certificate.
#[derive(Debug, Default)]
pub(super) struct CertificateNames {
    /// Alternative names of the kind DNS.
    dns: Vec<String>,
    /// Alternative names of the kind IP address.
    addresses: Vec<IpAddr>,
    /// The common name of the subject.
    common: Option<String>,
}

impl CertificateNames {
    pub(super) fn of(certificate: &X509Ref) -> Self {
        let mut names = Self::default();
        for alternative in certificate.subject_alt_names().into_iter().flatten() {
            names.dns.extend(alternative.dnsname().map(str::to_owned));
            names.addresses.extend(alternative.ipaddress().and_then(address));
        }
        let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next();
        names.common = common.and_then(|entry| entry.data().to_string().ok());
        names
    }

    /// Whether the certificate is for `host`. The common name counts only when there is no alternative name of the
    /// kind that the host is.
    pub(super) fn cover(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>().ok();
        if self.dns.iter().any(|name| fits(name, host)) {
            return true;
        }
        if address.is_some_and(|address| self.addresses.contains(&address)) {
            return true;
        }
        let has_its_kind = if address.is_some() { !self.addresses.is_empty() } else { !self.dns.is_empty() };
        !has_its_kind && self.common.as_ref().is_some_and(|name| fits(name, host))
    }
}

impl fmt::Display for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        let mut names: Vec<String> = self.dns.iter().cloned().chain(addresses).collect();
        if names.is_empty() {
            names.extend(self.common.clone());
        }
        if names.is_empty() {
            return f.write_str("no name");
        }
        write!(f, "\"{}\"", names.join("\", \""))
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

/// `*.` at the beginning stands for one label and nothing else is special. A name with a NUL byte is nobody's.
fn fits(name: &str, host: &str) -> bool {
    if name.contains('\0') {
        return false;
    }
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let wildcard = name.strip_prefix('*').filter(|domain| domain.starts_with('.'));
    let label_and_domain = host.find('.').filter(|dot| *dot > 0).map(|dot| &host[dot..]);
    wildcard.zip(label_and_domain).is_some_and(|(wanted, domain)| wanted.eq_ignore_ascii_case(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dns: &[&str], addresses: &[&str], common: &str) -> CertificateNames {
        CertificateNames {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            common: Some(common.to_owned()),
        }
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let wildcard = names(&["*.example.org"], &[], "");
        assert!(wildcard.cover("db.example.org") && wildcard.cover("DB.Example.ORG"));
        for host in ["example.org", ".example.org", "a.b.example.org", "db.example.com", "*.example"] {
            assert!(!wildcard.cover(host), "{host}");
        }
        assert!(!names(&["d*.example.org"], &[], "").cover("db.example.org"));
    }

    #[test]
    fn the_common_name_counts_without_alternative_names_of_the_kind() {
        assert!(names(&[], &[], "db").cover("db"));
        assert!(!names(&["other"], &[], "db").cover("db"));
        assert!(names(&[], &["10.0.0.1"], "db").cover("db"));
        assert!(names(&[], &[], "10.0.0.1").cover("10.0.0.1"));
        assert!(names(&["db"], &[], "10.0.0.1").cover("10.0.0.1"));
        assert!(!names(&[], &["10.0.0.2"], "10.0.0.1").cover("10.0.0.1"));
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        assert!(names(&[], &["::1"], "").cover("0:0:0:0:0:0:0:1"));
        assert!(!names(&[], &["127.0.0.1"], "").cover("127.0.0.2"));
        assert!(!names(&["evil\0.example.org"], &[], "").cover("evil\0.example.org"));
    }
}
