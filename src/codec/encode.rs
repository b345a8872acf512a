use std::io::{self, Write};

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use zstd::zstd_safe::CParameter;

use super::gzip::GzipMembers;
use super::{Format, Level};

/// What a zstd encoder may take at most, as powers of two: its window, and entries of 4 bytes in each of two tables.
/// From level 9 on the levels want more: 90 MiB at 19. This costs 3 % of size there, and 0.3 % at 9.
const ZSTD_WINDOW_LOG: u32 = 22;
const ZSTD_TABLE_LOG: u32 = 19;
const ZSTD_LARGE_LEVEL: i32 = 9;

/// What an xz encoder looks back on at most; it takes up to fourteen times as much memory. This costs 2 % of size at
/// level 3, and is twice as fast.
const XZ_DICTIONARY_BYTES: u32 = 768 << 10;

/// Compresses what is written to it. Nothing is complete until [`Encoder::finish`].
pub struct Encoder<W: Write>(Kind<W>);

enum Kind<W: Write> {
    Gzip(GzipMembers<W>),
    OneGzip(GzEncoder<W>),
    Bzip2(BzEncoder<W>),
    Xz(XzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
    Lz4(lz4::Encoder<W>),
    Snappy(Box<snap::write::FrameEncoder<W>>),
}

impl<W: Write> Encoder<W> {
    /// Encodes to `output`.
    pub fn new(output: W, format: Format, level: Level) -> io::Result<Self> {
        let level = level.on_scale_of(format);
        Ok(Self(match format {
            Format::Gzip => Kind::Gzip(GzipMembers::new(output, level)),
            Format::Bzip2 => {
                Kind::Bzip2(BzEncoder::new(output, bzip2::Compression::new(level.unsigned_abs())))
            }
            Format::Xz => Kind::Xz(xz(output, level)?),
            Format::Zstd => Kind::Zstd(zstd(output, level)?),
            Format::Lz4 => Kind::Lz4(lz4(output, level)?),
            Format::Snappy => Kind::Snappy(Box::new(snap::write::FrameEncoder::new(output))),
        }))
    }

    /// Encodes to `output` so that readers understand it that stop after the first member of a file, as Python does
    /// where it reads an archive as a stream. For gzip that takes twice the time.
    pub fn in_one_member(output: W, format: Format, level: Level) -> io::Result<Self> {
        match format {
            Format::Gzip => {
                let level = flate2::Compression::new(level.on_scale_of(format).unsigned_abs());
                Ok(Self(Kind::OneGzip(GzEncoder::new(output, level))))
            }
            _ => Self::new(output, format, level),
        }
    }

    /// Writes what is still held back, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Kind::Gzip(members) => members.finish(),
            Kind::OneGzip(encoder) => encoder.finish(),
            Kind::Bzip2(encoder) => encoder.finish(),
            Kind::Xz(encoder) => encoder.finish(),
            Kind::Zstd(encoder) => encoder.finish(),
            Kind::Lz4(encoder) => {
                let (output, result) = encoder.finish();
                result.map(|()| output)
            }
            Kind::Snappy(encoder) => encoder.into_inner().map_err(snap::write::IntoInnerError::into_error),
        }
    }
}

fn xz<W: Write>(output: W, level: i32) -> io::Result<XzEncoder<W>> {
    let preset = level.unsigned_abs();
    let mut options = LzmaOptions::new_preset(preset)?;
    options.dict_size(XZ_DICTIONARY_BYTES);
    let stream = Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc64)?;
    Ok(XzEncoder::new_stream(output, stream))
}

fn zstd<W: Write>(output: W, level: i32) -> io::Result<zstd::stream::write::Encoder<'static, W>> {
    let mut encoder = zstd::stream::write::Encoder::new(output, level)?;
    encoder.include_checksum(true)?;
    if level >= ZSTD_LARGE_LEVEL {
        encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
        encoder.set_parameter(CParameter::HashLog(ZSTD_TABLE_LOG))?;
        encoder.set_parameter(CParameter::ChainLog(ZSTD_TABLE_LOG))?;
    }
    Ok(encoder)
}

fn lz4<W: Write>(output: W, level: i32) -> io::Result<lz4::Encoder<W>> {
    let mut builder = lz4::EncoderBuilder::new();
    // The frame has a checksum of its content; one for each block would tell nothing more.
    builder.level(level.unsigned_abs()).block_checksum(lz4::liblz4::BlockChecksum::NoBlockChecksum);
    builder.build(output)
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Gzip(members) => members.write(bytes),
            Kind::OneGzip(encoder) => encoder.write(bytes),
            Kind::Bzip2(encoder) => encoder.write(bytes),
            Kind::Xz(encoder) => encoder.write(bytes),
            Kind::Zstd(encoder) => encoder.write(bytes),
            Kind::Lz4(encoder) => encoder.write(bytes),
            Kind::Snappy(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
