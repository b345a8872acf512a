//! Compression of a segment, and decompression.

use std::io::{self, Cursor, Write};
use std::sync::LazyLock;

use barman::codec::{Codecs, Custom, Encoder, Format, Level, Origin};
use divan::Bencher;
use divan::counter::BytesCount;

use crate::context;

const SEGMENT_BYTES: usize = 16 << 20;
const FORMATS: [Format; 3] = [Format::Gzip, Format::Zstd, Format::Lz4];

static SEGMENT: LazyLock<Vec<u8>> = LazyLock::new(segment);

/// A segment that is always the same. Like the rows of `pgbench` in full page images, each has numbers that cannot be
/// compressed and a filler that can, half and half.
fn segment() -> Vec<u8> {
    let (mut content, mut random) = (Vec::with_capacity(SEGMENT_BYTES), 1_u64);
    while content.len() < SEGMENT_BYTES {
        for _ in 0..6 {
            // The generator of Marsaglia, 2003.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            content.extend(random.to_le_bytes());
        }
        content.extend([b' '; 48]);
        content.extend((content.len() as u64).to_le_bytes());
    }
    content.truncate(SEGMENT_BYTES);
    content
}

fn encoded(format: Format) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), format, Level::default()).unwrap();
    encoder.write_all(&SEGMENT).unwrap();
    encoder.finish().unwrap()
}

#[divan::bench(args = FORMATS)]
fn encode(bencher: Bencher<'_, '_>, format: Format) {
    LazyLock::force(&SEGMENT);
    bencher.counter(BytesCount::new(SEGMENT_BYTES)).bench(|| encoded(format));
}

#[divan::bench(args = FORMATS)]
fn decode(bencher: Bencher<'_, '_>, format: Format) {
    let (codecs, stored) = (Codecs::new(&context(), Custom::default()), encoded(format));
    let stored = || Cursor::new(stored.clone());
    bencher.counter(BytesCount::new(SEGMENT_BYTES)).with_inputs(stored).bench_values(|stored| {
        let mut content = codecs.decode(stored, Origin::Archived).unwrap();
        io::copy(&mut content, &mut io::sink()).unwrap()
    });
}
