//! Certificates for tests, made with openssl as PostgreSQL's manual makes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cluster::Cluster;

/// A directory of certificates and keys.
pub struct Pki(TempDir);

impl Pki {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        make_certificates(dir.path());
        Self(dir)
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Has a server speak TLS and trust the root.
    pub fn install(&self, cluster: &Cluster) {
        let settings =
            [("server.crt", "ssl_cert_file"), ("server.key", "ssl_key_file"), ("root.crt", "ssl_ca_file")];
        for (name, setting) in settings {
            let path = cluster.write(name, &fs::read(self.dir().join(name)).unwrap());
            cluster.sql(&format!("ALTER SYSTEM SET {setting} = '{}'", path.display()));
        }
        cluster.sql("ALTER SYSTEM SET ssl = on");
        cluster.pg_ctl("restart");
    }
}

/// A root, and below it a certificate for the server `localhost` and one for the user `cert`, as PostgreSQL's
/// manual makes them; a list that revokes the server's; a stranger who signed himself.
fn make_certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let request = |name: &str, common: &str| {
        openssl(&format!(
            "req -new -nodes -newkey rsa:2048 -out {name}.csr -keyout {name}.key -subj /CN={common}"
        ));
    };
    openssl(
        "req -new -x509 -days 30 -nodes -newkey rsa:2048 -out root.crt -keyout root.key -subj /CN=root -addext keyUsage=keyCertSign,cRLSign",
    );
    openssl(
        "req -new -x509 -days 30 -nodes -newkey rsa:2048 -out stranger.crt -keyout stranger.key -subj /CN=localhost",
    );
    for (name, common) in [("server", "localhost"), ("client", "cert")] {
        request(name, common);
        openssl(&format!(
            "x509 -req -in {name}.csr -days 30 -CA root.crt -CAkey root.key -CAcreateserial -out {name}.crt"
        ));
    }
    openssl("rsa -aes256 -passout pass:sesame -in client.key -out locked.key");
    openssl("rsa -in client.key -outform DER -out client.der");
    fs::copy(dir.join("client.key"), dir.join("open.key")).unwrap();
    fs::set_permissions(dir.join("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
    for name in ["locked.key", "client.der"] {
        fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o600)).unwrap();
    }
    fs::write(
        dir.join("ca.cnf"),
        "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n",
    )
    .unwrap();
    fs::write(dir.join("index.txt"), "").unwrap();
    openssl("ca -config ca.cnf -gencrl -keyfile root.key -cert root.crt -out none.crl");
    openssl("ca -config ca.cnf -revoke server.crt -keyfile root.key -cert root.crt");
    openssl("ca -config ca.cnf -gencrl -keyfile root.key -cert root.crt -out revoked.crl");
}
