use std::fs;
use std::io::Cursor;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::sys::testkit::CrashAfter;
use crate::sys::{Context, Files};
use crate::types::WalName;
use crate::wal::testkit::Yard;

const NAME: &str = "0000000100000000000000A1";

fn shipment(content: &[u8], digest: Digest) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(NAME);
    fs::write(&path, content).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let (bytes, content) = (content.len() as u64, fs::File::open(path).unwrap());
    let mut sent = Vec::new();
    Shipper { name: NAME, content: &content, bytes, modified, digest }.send(&mut sent).unwrap();
    sent
}

fn receive(yard: &Yard, context: &Context, stream: &[u8]) -> Result<Received, ShipmentError> {
    let (archive, errors_dir) = (yard.archive(), yard.path("errors"));
    let incoming_dir = yard.settings.incoming_dir.clone();
    let reception =
        Reception { context, archive: &archive, incoming_dir: &incoming_dir, errors_dir: &errors_dir };
    reception.receive(Cursor::new(stream))
}

fn names_in_incoming(yard: &Yard) -> Vec<String> {
    let entries = fs::read_dir(&yard.settings.incoming_dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_sent_arrives_with_its_time() {
    for digest in [Digest::Sha256, Digest::Md5] {
        let yard = Yard::new(None);
        for content in [&b""[..], b"some WAL", &[7; 300_000]] {
            let path = yard.settings.incoming_dir.join(NAME);
            let _ = fs::remove_file(&path);
            let received = receive(&yard, &yard.context, &shipment(content, digest)).unwrap();
            assert_eq!(received.arrivals, [(NAME.parse::<WalName>().unwrap(), Arrival::Stored)]);
            assert!(fs::read(&path).unwrap() == content);
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            assert_eq!(modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 1_700_000_000);
            assert_eq!(names_in_incoming(&yard), [NAME]);
        }
    }
}

#[test]
fn a_file_that_is_there_stays_and_another_one_goes_to_the_errors() {
    let yard = Yard::new(None);
    receive(&yard, &yard.context, &shipment(b"first", Digest::Sha256)).unwrap();
    let again = receive(&yard, &yard.context, &shipment(b"first", Digest::Md5)).unwrap();
    assert_eq!(again.arrivals[0].1, Arrival::Identical);
    let other = receive(&yard, &yard.context, &shipment(b"second", Digest::Sha256)).unwrap();
    assert!(matches!(&other.arrivals[0].1, Arrival::Different { there, came } if there != came));
    assert_eq!(fs::read(yard.settings.incoming_dir.join(NAME)).unwrap(), b"first");
    let refused = fs::read_dir(yard.path("errors")).unwrap().next().unwrap().unwrap();
    assert!(refused.file_name().to_str().unwrap().starts_with(&format!("{NAME}.")));
    assert_eq!(fs::read(refused.path()).unwrap(), b"second");
    assert_eq!(names_in_incoming(&yard), [NAME]);
}

/// Success means that the file is there and synced, whatever failed before.
#[test]
fn a_disk_that_fails_at_any_step_never_gives_half_a_file_and_never_a_lie() {
    let stream = shipment(b"some WAL", Digest::Sha256);
    let mut done = false;
    for allowed in 0..20 {
        let yard = Yard::new(None);
        let context = Context { files: Files::probed(CrashAfter::new(allowed)), ..yard.context.clone() };
        done = receive(&yard, &context, &stream).is_ok();
        match fs::read(yard.settings.incoming_dir.join(NAME)) {
            Ok(content) => assert_eq!(content, b"some WAL", "stopped after {allowed} steps"),
            Err(_) => assert!(!done, "stopped after {allowed} steps"),
        }
        // The next try finds nothing in its way.
        receive(&yard, &yard.context, &stream).unwrap();
        assert_eq!(fs::read(yard.settings.incoming_dir.join(NAME)).unwrap(), b"some WAL");
    }
    assert!(done, "twenty steps are enough");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_or_cut_stream_is_refused_or_holds_what_was_sent(at in 0_usize..4096, bit in 0_u8..8, cut: bool) {
        let yard = Yard::new(None);
        let mut stream = shipment(&[3; 700], Digest::Sha256);
        let at = at % stream.len();
        if cut { stream.truncate(at) } else { stream[at] ^= 1 << bit }
        if receive(&yard, &yard.context, &stream).is_ok() {
            prop_assert_eq!(fs::read(yard.settings.incoming_dir.join(NAME)).unwrap(), [3; 700]);
        } else {
            prop_assert!(names_in_incoming(&yard).is_empty());
        }
    }
}
