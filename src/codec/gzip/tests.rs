use std::io::{self, Read, Write};

use flate2::bufread::MultiGzDecoder;

use super::*;

fn packed(content: &[u8]) -> Vec<u8> {
    let mut members = GzipMembers::new(Vec::new(), 6);
    assert_eq!(members.write(content).unwrap(), content.len());
    members.finish().unwrap()
}

fn content(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    GzipContent::new(file).read_to_end(&mut content).map(|_| content)
}

#[test]
fn other_readers_skip_the_length() {
    let file = packed(b"content");
    let mut read = String::new();
    MultiGzDecoder::new(&file[..]).read_to_string(&mut read).unwrap();
    assert_eq!(read, "content");
}

#[test]
fn members_of_ours_and_of_others_are_one_content() {
    let file = [packed(b"ours"), packed_by_others(b" other "), packed(b"ours")].concat();
    assert_eq!(content(&file).unwrap(), b"ours other ours");
}

#[test]
fn a_length_that_lies_is_not_believed() {
    let file = packed(b"content");
    let length = file.len() as u32;
    // Two members alike would be taken for one, by checksum and size.
    for wrong in [0, 27, length - 1, length + 1, 2 * length, 2 << 20, u32::MAX] {
        let mut lying = file.repeat(2);
        lying[HEADER.len()..CHECKSUM_AT].copy_from_slice(&wrong.to_le_bytes());
        assert!(content(&lying).is_err(), "{wrong}");
        let checksum = header_checksum(&lying[..CHECKSUM_AT]);
        lying[CHECKSUM_AT..DATA_AT].copy_from_slice(&checksum);
        let read = content(&lying);
        let is_right = read.as_ref().map_or(true, |read| read == b"contentcontent");
        assert!(is_right || wrong == 2 * length, "{wrong}");
    }
}

#[test]
fn of_a_damaged_member_nothing_is_read() {
    let mut file = packed(&b"content".repeat(100));
    let checksum = file.len() - TRAILER_BYTES;
    file[checksum] ^= 1;
    let (mut damaged, mut buffer) = (GzipContent::new(&file[..]), [0; 10]);
    damaged.read(&mut buffer).unwrap_err();
    assert!(!matches!(damaged.read(&mut buffer), Ok(1..)));
}

fn packed_by_others(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_others_wrote_is_read_whatever_members_it_has() {
    let [one, two] = [packed_by_others(b"content"), packed_by_others(b"CONTENT")];
    let (data, trailer) = one.split_at(one.len() - TRAILER_BYTES);
    let lie = [&one[..one.len() - 1], b"\x01"].concat();
    let named = flate2::GzBuilder::new().filename("name").comment("words").extra(b"ABxy");
    let mut named = named.write(Vec::new(), flate2::Compression::fast());
    named.write_all(b"named").unwrap();
    let named = named.finish().unwrap();
    for (file, expected) in [
        (one.clone(), Some("content")),
        (one.repeat(2), Some("contentcontent")),
        ([&one[..], &two].concat(), Some("contentCONTENT")),
        (packed_by_others(b""), Some("")),
        (named[..30].to_vec(), None),
        (named, Some("named")),
        ([&one[..], &packed(b" and ours")].concat(), Some("content and ours")),
        (lie, None),
        (one[..one.len() - 1].to_vec(), None),
        ([&one[..], &one[one.len() - TRAILER_BYTES..]].concat(), None),
        ([&one[..], &[0; 16], &one].concat(), None),
        ([data, b"junk", trailer].concat(), None),
        ([data, &[trailer[0] ^ 1], &trailer[1..], &one].concat(), None),
    ] {
        let read = content(&file).ok().map(|read| String::from_utf8(read).unwrap());
        assert_eq!(read.as_deref(), expected, "{file:?}");
    }
}

#[test]
fn what_comes_behind_is_an_error() {
    for behind in [&b"x"[..], b"\0\0\0\0", &packed(b"more")[..21]] {
        assert!(content(&[&packed(b"content")[..], behind].concat()).is_err(), "{behind:?}");
    }
    assert!(content(b"").is_err());
}
